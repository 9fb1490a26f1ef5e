import { setTimeout as sleep } from 'node:timers/promises';
import { RefoldError } from 'refold';
import { seconds, type Screen } from './screen';
import type { Orders, Stage } from './stage';

/** Nothing in the demo takes longer to begin; the bound only ends one that would hang. */
const WAIT_BOUND_MS = 60_000;

/** What every chapter of the story needs. */
export interface Scene {
  readonly stage: Stage;
  readonly screen: Screen;
  readonly seconds: Record<string, number>;
}

export const until = async <T>(look: () => Promise<T | undefined>, what: string): Promise<T> => {
  for (const end = Date.now() + WAIT_BOUND_MS; Date.now() < end; await sleep(50)) {
    const found = await look();
    if (found !== undefined) {
      return found;
    }
  }
  throw new RefoldError('service.unavailable', `waited ${seconds(WAIT_BOUND_MS)} in vain until ${what}`);
};

export const timed = async <T>(scene: Scene, phase: string, work: () => Promise<T>): Promise<T> => {
  const began = Date.now();
  const result = await work();
  scene.seconds[phase] = (Date.now() - began) / 1000;
  return result;
};

/** Events folded and events there are, over all generations. */
export const folded = async (connected: Orders): Promise<{ readonly done: number; readonly total: number; readonly active: number }> => {
  const [heads, states] = [await connected.log.heads(['orders']), await connected.generations()];
  const inLog = heads.reduce((sum, { stable }) => sum + stable, 0);
  const done = states.flatMap(({ checkpoints }) => checkpoints).reduce((sum, { next }) => sum + next, 0);
  return { done, total: inLog * states.length, active: states.filter(({ generation }) => generation.status === 'active').length };
};

export const caughtUp = (orders: Orders): Promise<true> =>
  until(async () => {
    const { done, total } = await folded(orders);
    return done === total && total > 0 ? true : undefined;
  }, 'every generation has reached the head of the log');
