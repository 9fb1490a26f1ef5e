import { RefoldError } from '../kernel/errors';
import type { Pause } from './pauses';
import { pauseText } from './pauses';
import { hoursFault, isWithin } from './hours';

/** How fast and when a replay may fold. Left out: no such limit. */
export interface PaceSettings {
  /** Events per second, all generations and workers together. */
  readonly rate?: number | undefined;
  /** Generations that are rebuilt at a time, in the order of their creation; the others of the replay wait. */
  readonly concurrency?: number | undefined;
  /** `HH:MM-HH:MM` and an IANA time zone (UTC if there is none); outside of all of them nothing is folded. None: at any time. */
  readonly hours?: readonly string[] | undefined;
  /** Slower while what readers see lags behind the log by more milliseconds. */
  readonly yieldMs?: number | undefined;
}

/** What a replay wants of workers as long as it folds history. */
export interface ReplayPace extends PaceSettings {
  readonly replay: number;
  /** Somebody has paused it. */
  readonly paused?: Pause | undefined;
}

const isCount = (value: number | undefined): boolean => value === undefined || (Number.isSafeInteger(value) && value > 0 && value <= 2_147_483_647);

/** @throws RefoldError `config.invalid` naming the first setting that is none */
export const requirePace = ({ rate, concurrency, hours = [], yieldMs }: PaceSettings): void => {
  const wrong = Object.entries({ rate, concurrency, yieldMs }).find(([, value]) => !isCount(value));
  const fault = wrong === undefined ? hours.map(hoursFault).find((one) => one !== undefined) : `${wrong[0]} has to be a whole number from 1`;
  if (fault !== undefined) {
    throw new RefoldError('config.invalid', `pace of a replay: ${fault}`, { facts: { rate, concurrency, yieldMs, hours } });
  }
};

/** Why nothing is folded now; `undefined`: it may be. `now` in milliseconds since the epoch. */
export const haltOf = ({ paused, hours = [] }: ReplayPace, now: number): string | undefined => {
  if (paused !== undefined) {
    return `its resumption; it is ${pauseText(paused)}`;
  }
  return hours.length === 0 || hours.some((text) => isWithin(text, now)) ? undefined : `its hours: ${hours.join(', ')}`;
};

/** For people: `at most 5,000 events/s, 22:00-06:00 Europe/Berlin`; `undefined` where nothing limits it. */
export const paceText = ({ rate, concurrency, hours = [], yieldMs }: PaceSettings): string | undefined => {
  const parts = [
    ...(rate === undefined ? [] : [`at most ${rate.toLocaleString('en-US')} events/s`]),
    ...(concurrency === undefined ? [] : [`${String(concurrency)} at a time`]),
    ...(hours.length === 0 ? [] : [`within ${hours.join(', ')}`]),
    ...(yieldMs === undefined ? [] : [`yielding to a live lag over ${String(yieldMs)} ms`]),
  ];
  return parts.length === 0 ? undefined : parts.join(', ');
};
