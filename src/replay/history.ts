import type { ReplayStep } from './replay';

/** One row of the history of a replay, with how long it came after the one before. */
export interface HistoryEntry extends ReplayStep {
  /** What happened, in one word or two: the state reached, or what was done within it. */
  readonly what: string;
  /** Milliseconds since the step before; `undefined` for the first. */
  readonly tookMs: number | undefined;
  /** As it was given with the command. */
  readonly reason: string | undefined;
}

/** What a step within a state was about, by the facts that it left. */
const WITHIN: readonly (readonly [string, string])[] = [
  ['code', 'refused'],
  ['turned', 'turned'],
  ['switched', 'switched'],
  ['retired', 'retired'],
  ['dropped', 'dropped'],
  ['breaking', 'allowed'],
  ['stale', 'allowed'],
];

const whatOf = ({ fromState, toState, facts }: ReplayStep): string =>
  fromState === toState ? (WITHIN.find(([fact]) => facts[fact] !== undefined)?.[1] ?? 'noted') : toState;

/** Pure: the steps as a story. */
export const historyOf = (steps: readonly ReplayStep[]): readonly HistoryEntry[] =>
  steps.map((step, i) => ({
    ...step,
    what: whatOf(step),
    tookMs: i === 0 ? undefined : step.at - steps[i - 1]!.at,
    reason: typeof step.facts['reason'] === 'string' ? step.facts['reason'] : undefined,
  }));
