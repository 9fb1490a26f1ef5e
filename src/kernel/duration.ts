import { RefoldError } from './errors';

/** Milliseconds as a number, or text such as `'1 day'`, `'90 seconds'`, `'250 ms'`. */
export type Duration = number | string;

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  millisecond: 1,
  milliseconds: 1,
  s: 1_000,
  second: 1_000,
  seconds: 1_000,
  m: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
  weeks: 604_800_000,
};

/**
 * A duration in whole milliseconds.
 * @throws RefoldError `duration.invalid`
 */
export const durationMs = (duration: Duration): number => {
  const match = typeof duration === 'string' ? /^\s*(\d+)\s*([a-z]+)\s*$/.exec(duration) : null;
  const ms = typeof duration === 'number' ? duration : Number(match?.[1]) * (UNITS[match?.[2] ?? ''] ?? Number.NaN);
  if (!Number.isSafeInteger(ms) || ms < 0) {
    throw new RefoldError('duration.invalid', `not a duration: ${JSON.stringify(duration)}`);
  }
  return ms;
};
