import { isRefoldError } from '../../../src/kernel/errors';
import type { ReplayCoordinator } from '../../../src/replay/coordinator';
import type { ReplayState } from '../../../src/replay/states';
import { until } from '../harness';
import { pointLabel, type Death, type Point } from './fate';
import { SET, type Place } from './place';

/** One command of a replay's life; answers the number of the replay. */
interface Command {
  readonly name: string;
  readonly run: (coordinator: ReplayCoordinator, id: number) => Promise<unknown>;
}

/** Commands in order; deaths are tried in those from `mortalFrom` on, what comes before is covered by another life. */
export interface Life {
  readonly name: string;
  readonly commands: readonly Command[];
  readonly mortalFrom: number;
  readonly ends: 'done' | 'aborted';
}

/** As somebody does whose `start` was interrupted: the error names the replay that is there already. */
const start: Command = {
  name: 'start',
  run: async (coordinator) => {
    try {
      return (await coordinator.start({ projections: SET, again: true })).id;
    } catch (error) {
      if (isRefoldError(error, 'replay.candidate-exists') && error.facts['replay'] !== undefined) {
        return Number(error.facts['replay']);
      }
      throw error;
    }
  },
};

const reach = (state: ReplayState): Command => ({
  name: state,
  run: async (coordinator, id) => {
    await until(async () => {
      const now = (await coordinator.status(id)).state;
      return now === state || (now !== 'ready' && (await coordinator.advance(id), false));
    }, `the replay is ${state}`);
  },
});

const ready: Command = { name: 'ready', run: (c, id) => c.runUntil(id, 'ready') };
const verify: Command = { name: 'verify', run: (c, id) => c.verify(id) };
const cutover: Command = { name: 'cutover', run: (c, id) => c.cutover(id) };
const rollback: Command = { name: 'rollback', run: (c, id) => c.rollback(id) };
const retire: Command = { name: 'retire', run: (c, id) => c.retire(id) };
const abort: Command = { name: 'abort', run: (c, id) => c.abort(id) };

const ABORTED_FROM = ['planned', 'provisioning', 'replaying', 'catching-up', 'verifying', 'ready'] as const;

/** Every command in every state in which it is legal. */
export const LIVES: readonly Life[] = [
  { name: 'forth and back', commands: [start, ready, verify, cutover, rollback, { ...cutover, name: 'cutover again' }, retire], mortalFrom: 0, ends: 'done' },
  { name: 'turned down', commands: [start, ready, cutover, rollback, retire], mortalFrom: 4, ends: 'aborted' },
  { name: 'aborted after rollback', commands: [start, ready, cutover, rollback, abort], mortalFrom: 4, ends: 'aborted' },
  ...ABORTED_FROM.map((state): Life => ({ name: `aborted from ${state}`, commands: [start, reach(state), abort], mortalFrom: 2, ends: 'aborted' })),
];

/** A death at one point of one life. */
export interface Doom {
  readonly life: Life;
  readonly at: Point;
  readonly death: Death;
  /** Whoever comes after aborts the replay instead of giving the same command again. */
  readonly aborts?: true;
}

export const doomLabel = ({ life, at, death, aborts }: Doom): string =>
  `${life.name}: the ${death} dies ${pointLabel(at)}${aborts === true ? ', and it is aborted' : ''}`;

/** Commands after which nothing was switched, whatever of them was done. */
const ABORTABLE: readonly string[] = ['ready', 'verify'];

export const canAbort = ({ at }: Doom): boolean => ABORTABLE.some((command) => at.name.startsWith(`${command}: `));

/** The lease of a dead process, or one that could not be released, runs out; the clock of the database is not waited for. */
const expireLeases = async ({ pool }: Place): Promise<void> => {
  await pool.query(`UPDATE refold.replays SET lease_until = clock_timestamp() WHERE lease_owner LIKE 'mortal/%'`);
};

/** The command is given until no other process is in the way. */
const insist = async (place: Place, command: () => Promise<unknown>): Promise<unknown> => {
  let answer: unknown;
  await expireLeases(place);
  await until(async () => {
    try {
      answer = await command();
      return true;
    } catch (error) {
      if (!isRefoldError(error, 'replay.lease-held')) {
        throw error;
      }
      await expireLeases(place);
      return false;
    }
  }, 'nobody else coordinates');
  return answer;
};

export interface Lived {
  readonly id: number;
  /** Of the commands in which deaths are tried. */
  readonly points: readonly Point[];
  /** Whether the death took place. */
  readonly died: boolean;
  readonly ends: Life['ends'];
}

/** Lives a life, to its end whatever dies: who comes after gives the same command again, or aborts. */
export const live = async (place: Place, life: Life, doom?: Doom): Promise<Lived> => {
  const [mortal, heir] = [await place.process('mortal'), await place.process('heir')];
  const { fate } = mortal;
  if (doom !== undefined) {
    fate.plan(doom.at, doom.death, () => mortal.sever());
  }
  const coordinator = (): ReplayCoordinator => (fate.dead ? heir : mortal).coordinator();
  let id = 0;
  let known = 0;
  const give = async (command: Command): Promise<void> => {
    const giving = async (): Promise<unknown> => command.run(coordinator(), id);
    const answer = await (fate.met ? insist(place, giving) : giving());
    id = command.name === 'start' ? Number(answer) : id;
  };
  try {
    for (const [i, command] of life.commands.entries()) {
      await place.emit(2);
      fate.begin(command.name);
      known = i <= life.mortalFrom ? fate.passed.length : known;
      try {
        await give(command);
      } catch (error) {
        if (!fate.met || (!fate.dead && !isRefoldError(error, 'store.unreachable'))) {
          throw error;
        }
        await give(doom?.aborts === true ? abort : command);
      }
      if (fate.met && doom?.aborts === true) {
        await give(abort);
        break;
      }
    }
  } finally {
    await Promise.all([mortal.close(), heir.close()]);
    await expireLeases(place);
  }
  return { id, points: fate.passed.slice(known), died: fate.met, ends: fate.met && doom?.aborts === true ? 'aborted' : life.ends };
};
