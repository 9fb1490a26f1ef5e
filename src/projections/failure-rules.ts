import { isRefoldError } from '../kernel/errors';
import { resolveOptions } from '../kernel/options';

/** What becomes of an event that cannot be folded. */
export interface ParkingRules {
  /** `park`: it and all later ones of its key are set aside, the others go on. `stop`: its partition stops there. */
  readonly failures: 'park' | 'stop';
  /** Most parked sequences per partition. */
  readonly parkedSequences: number;
  /** Most events per parked sequence. */
  readonly parkedEvents: number;
  /** A sequence parked for longer has reached its limit, in milliseconds. 0: no limit. */
  readonly parkedAgeMs: number;
  /**
   * What happens beyond a limit. `stop`: the partition stops. `log`: of what else is parked only the position is kept, and a redrive
   * reads the record from the log again. `topic`: the record is written to a topic for that, and its position there is kept.
   */
  readonly overflow: 'stop' | 'log' | 'topic';
  /** How often an error marked as retryable is tried again. */
  readonly retries: number;
  /** First pause before that, in milliseconds; doubled each time, with jitter. */
  readonly retryMs: number;
}

export const PARKING_DEFAULTS: ParkingRules = {
  failures: 'park',
  parkedSequences: 1_000,
  parkedEvents: 1_000,
  parkedAgeMs: 0,
  overflow: 'stop',
  retries: 5,
  retryMs: 100,
};

/** For what was read before: it is taken as it was, however much that is. */
export const PARK_ALL: ParkingRules = {
  ...PARKING_DEFAULTS,
  parkedSequences: Infinity,
  parkedEvents: Infinity,
  retries: 0,
  retryMs: 0,
};

/** What a projection says of its failures, where it differs from the worker that folds it. */
export type Failures = ParkingRules['failures'] | Partial<ParkingRules>;

const CHOICES = { failures: ['park', 'stop'], overflow: ['stop', 'log', 'topic'] } as const satisfies Partial<Record<keyof ParkingRules, readonly string[]>>;

/** The settings that are one of a few words. */
export const choiceFaults = (rules: Pick<ParkingRules, keyof typeof CHOICES>): readonly string[] =>
  (Object.keys(CHOICES) as (keyof typeof CHOICES)[])
    .filter((name) => !(CHOICES[name] as readonly string[]).includes(rules[name]))
    .map((name) => `${name} is ${JSON.stringify(rules[name])}; it can be ${CHOICES[name].join(', ')}`);

export const failureRules = (given: Failures | undefined): Partial<ParkingRules> => (typeof given === 'string' ? { failures: given } : (given ?? {}));

/** What is wrong with such settings; empty if nothing is. */
export const failureFaults = (given: Failures | undefined): readonly string[] => {
  try {
    const rules = resolveOptions('failures', PARKING_DEFAULTS, failureRules(given));
    const { failures: _, overflow: __, ...numbers } = rules;
    const wrong = Object.entries(numbers).filter(([, value]) => typeof value !== 'number' || !Number.isFinite(value) || value < 0);
    return [...choiceFaults(rules), ...wrong.map(([name, value]) => `failures: ${name} is ${JSON.stringify(value)}; it has to be a number from 0`)];
  } catch (error) {
    return [isRefoldError(error) ? error.summary : String(error)];
  }
};
