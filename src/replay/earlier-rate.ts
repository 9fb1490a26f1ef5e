import type { Coordination } from './parts';
import type { PlannedMember } from './preflight';
import type { ReplayStep } from './replay';

/** How fast an earlier replay of the same projections was. */
export interface EarlierRate {
  readonly replay: number;
  readonly eventsPerSecond: number;
}

/** Replays that are looked at, the newest first. */
const LOOKED_AT = 10;

/** Shorter ones say nothing, in milliseconds. */
const LEAST_MS = 1_000;

const isDelay = ({ facts }: ReplayStep): boolean => 'pace' in facts || 'paused' in facts;

/** Pure: events per second between provisioning and the heads of the start; `undefined` where it was slowed down, too short, or not so far. */
export const rateOfSteps = (steps: readonly ReplayStep[]): number | undefined => {
  const began = steps.find(({ toState, fromState }) => toState === 'replaying' && fromState === 'provisioning');
  const reached = steps.find(({ toState, fromState }) => toState === 'catching-up' && fromState === 'replaying');
  const heads = began?.facts['heads'] as Readonly<Record<string, Readonly<Record<string, number>>>> | undefined;
  if (began === undefined || reached === undefined || heads === undefined || reached.at - began.at < LEAST_MS || steps.some(isDelay)) {
    return undefined;
  }
  const events = Object.values(heads)
    .flatMap((of) => Object.values(of))
    .reduce((sum, offset) => sum + offset, 0);
  return events === 0 ? undefined : (events * 1_000) / (reached.at - began.at);
};

/** The newest earlier replay of exactly these projections and stores that says something. */
export const earlierRate = async ({ journal }: Coordination, members: readonly PlannedMember[]): Promise<EarlierRate | undefined> => {
  const namesOf = (all: readonly { readonly projection: string; readonly store: string }[]): string =>
    all
      .map((m) => `${m.projection} ${m.store}`)
      .sort()
      .join('\n');
  const wanted = namesOf(members.map(({ member }) => member));
  const alike = (await journal.list()).filter((replay) => namesOf(replay.members) === wanted).slice(0, LOOKED_AT);
  for (const { id } of alike) {
    const eventsPerSecond = rateOfSteps(await journal.steps(id));
    if (eventsPerSecond !== undefined) {
      return { replay: id, eventsPerSecond };
    }
  }
  return undefined;
};
