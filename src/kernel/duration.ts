import { RefoldError } from './errors';

/** Milliseconds as a number, or text such as `'1 day'`, `'90 seconds'`, `'250 ms'`, or ISO 8601 such as `'PT1H30M'`, `'P1D'`. */
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

/** Years and months of ISO 8601 are not here: they have no fixed length. At least one part, and one behind a `T`. */
const ISO = /^P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{1,3}))?S)?)?$/;

const isoMs = (text: string): number => {
  const match = ISO.exec(text);
  if (match === null) {
    return Number.NaN;
  }
  const [weeks, days, hours, minutes, seconds] = match.slice(1, 6).map((digits) => Number((digits as string | undefined) ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const fraction = Number((match[6] ?? '').padEnd(3, '0'));
  return ((((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000 + fraction;
};

const textMs = (text: string): number => {
  if (text.startsWith('P')) {
    return isoMs(text);
  }
  const match = /^(\d+)\s*([a-z]+)$/.exec(text);
  const unit = match?.[2] ?? '';
  return Number(match?.[1]) * (Object.hasOwn(UNITS, unit) ? UNITS[unit]! : Number.NaN);
};

const required = (duration: Duration, ms: number): number => {
  if (!Number.isSafeInteger(ms)) {
    throw new RefoldError('duration.invalid', `not a duration: ${JSON.stringify(duration)}`);
  }
  return ms;
};

/**
 * A duration in whole milliseconds.
 * @throws RefoldError `duration.invalid`
 */
export const durationMs = (duration: Duration): number => {
  const ms = typeof duration === 'number' ? duration : textMs(duration.trim());
  return required(duration, ms < 0 ? Number.NaN : ms);
};

/**
 * The same of a duration that may also be negative: `-28_800_000`, `'-8 hours'`, `'-PT8H'`.
 * @throws RefoldError `duration.invalid`
 */
export const signedDurationMs = (duration: Duration): number => {
  if (typeof duration === 'number') {
    return required(duration, duration);
  }
  const text = duration.trim();
  return required(duration, text.startsWith('-') ? 0 - textMs(text.slice(1).trimStart()) : textMs(text));
};
