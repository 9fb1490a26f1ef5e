import { durationMs, signedDurationMs, type Duration } from '../../kernel/duration';
import { RefoldError } from '../../kernel/errors';
import { requireTimeZone } from './time-zone';

/**
 * Where a window lies, in milliseconds since the epoch. `start` belongs to it; `end` does not, except of sliding windows, which
 * begin and end with the time of a record (decision 068).
 */
export interface WindowBounds {
  readonly start: number;
  readonly end: number;
}

interface Lateness {
  /** How long after its end, in stream time, a window still takes contributions; milliseconds. */
  readonly graceMs: number;
  /** How far an event may be dated ahead of its record; milliseconds. */
  readonly maxAheadMs?: number;
}

// What is not said is left out: the definition is hashed, and generations must not change because an option came to be.

export interface TumblingWindow extends Lateness {
  readonly kind: 'tumbling';
  readonly sizeMs: number;
  /** Not negative, less than the size. */
  readonly offsetMs?: number;
}

export interface HoppingWindow extends Lateness {
  readonly kind: 'hopping';
  readonly sizeMs: number;
  /** From the start of one window to that of the next; at most the size, which it need not divide. */
  readonly advanceMs: number;
  /** Not negative, less than the advance. */
  readonly offsetMs?: number;
  /** No window begins before the epoch. */
  readonly clampAtEpoch?: true;
}

export interface SlidingWindow extends Lateness {
  readonly kind: 'sliding';
  /** The most that the times of two records in one window differ by. */
  readonly differenceMs: number;
}

export interface SessionWindow extends Lateness {
  readonly kind: 'session';
  /** Null where each event says its own. */
  readonly gapMs: number | null;
  readonly gapOf?: (event: never) => Duration;
}

/** One window for all time: it has no bounds to show, never closes, and nothing is late. */
export interface GlobalWindow {
  readonly kind: 'global';
}

export type CalendarUnit = 'day' | 'week' | 'month';
export type Weekday = 'monday' | 'tuesday' | 'wednesday' | 'thursday' | 'friday' | 'saturday' | 'sunday';

export interface CalendarWindow extends Lateness {
  readonly kind: 'calendar';
  readonly unit: CalendarUnit;
  readonly timeZone: string;
  /** Monday where nothing is said. */
  readonly weekStart?: Weekday;
}

/** How event time is cut into windows. */
export type Window = TumblingWindow | HoppingWindow | SlidingWindow | SessionWindow | GlobalWindow | CalendarWindow;

export interface WindowOptions {
  /** How long after its end, in stream time, a window still takes contributions. @defaultValue '1 day' */
  readonly grace?: Duration;
  /** How far an event may be dated ahead of its record. @defaultValue any */
  readonly maxAhead?: Duration;
}

export interface AlignedOptions extends WindowOptions {
  /**
   * By how much windows are shifted against the epoch in UTC; may be negative: days of UTC+8 are `'-8 hours'`.
   * Use `calendar` where a zone has daylight-saving time. @defaultValue 0
   */
  readonly offset?: Duration;
}

export interface HoppingOptions extends AlignedOptions {
  /** From the start of one window to that of the next. */
  readonly advance: Duration;
  /** No window begins before the epoch, as in Kafka Streams: what only such windows would hold, is in none. @defaultValue false */
  readonly clampAtEpoch?: boolean;
}

export interface CalendarOptions extends WindowOptions {
  /** A name of the IANA database, such as `'Europe/Berlin'`. */
  readonly timeZone: string;
  /** Of weeks only. @defaultValue 'monday' */
  readonly weekStart?: Weekday;
}

const DEFAULT_GRACE: Duration = '1 day';

/** What one event would cost: each window is a row. */
const MOST_WINDOWS = 10_000;

const refused = (message: string): RefoldError => new RefoldError('window.invalid', message);

const latenessOf = ({ grace = DEFAULT_GRACE, maxAhead }: WindowOptions): Lateness => ({
  graceMs: durationMs(grace),
  ...(maxAhead === undefined ? {} : { maxAheadMs: durationMs(maxAhead) }),
});

const positive = (duration: Duration, what: string): number => {
  const ms = durationMs(duration);
  if (ms === 0) {
    throw new RefoldError('duration.invalid', `${what} cannot be 0`);
  }
  return ms;
};

const alignmentOf = (offset: Duration | undefined, period: number): { readonly offsetMs?: number } => {
  const rest = signedDurationMs(offset ?? 0) % period;
  return rest === 0 ? {} : { offsetMs: rest < 0 ? rest + period : rest };
};

/**
 * Windows of one size that do not overlap, `[start, end)`, aligned to the epoch in UTC.
 * @throws RefoldError `duration.invalid`
 */
export const tumbling = (size: Duration, options: AlignedOptions = {}): TumblingWindow => {
  const sizeMs = positive(size, 'the size of a window');
  return { kind: 'tumbling', sizeMs, ...latenessOf(options), ...alignmentOf(options.offset, sizeMs) };
};

/**
 * Windows of one size, `[start, end)`, of which one begins at each multiple of `advance`: an event lies in several. The
 * advance may be anything up to the size; where it does not divide the size, events lie in one window more or less.
 * @throws RefoldError `duration.invalid`, `window.invalid`
 */
export const hopping = (size: Duration, { advance, clampAtEpoch = false, ...options }: HoppingOptions): HoppingWindow => {
  const sizeMs = positive(size, 'the size of a window');
  const advanceMs = positive(advance, 'the advance of a window');
  if (advanceMs > sizeMs) {
    throw refused(`windows of ${String(sizeMs)} ms that advance by ${String(advanceMs)} ms would leave out events between them`);
  }
  if (sizeMs / advanceMs > MOST_WINDOWS) {
    throw refused(`windows of ${String(sizeMs)} ms that advance by ${String(advanceMs)} ms: each event would be in more than ${String(MOST_WINDOWS)} of them`);
  }
  const clamp = clampAtEpoch ? { clampAtEpoch: true as const } : {};
  return { kind: 'hopping', sizeMs, advanceMs, ...latenessOf(options), ...alignmentOf(options.offset, advanceMs), ...clamp };
};

/**
 * Windows around the records of each group, as in Kafka Streams: one that ends with each record, and one that begins behind
 * it, as long as it holds any. Two records are in one window where their times differ by at most `difference`.
 * @throws RefoldError `duration.invalid`
 */
export const sliding = (difference: Duration, options: WindowOptions = {}): SlidingWindow => ({
  kind: 'sliding',
  differenceMs: positive(difference, 'the difference of a sliding window'),
  ...latenessOf(options),
});

/**
 * Windows of activity: events of a group at most `gap` apart lie in one session, and an event between two sessions joins
 * them. A function says the gap of each event; the furthest end counts.
 * @throws RefoldError `duration.invalid`
 */
export const session = <E extends object>(gap: Duration | ((event: E) => Duration), options: WindowOptions = {}): SessionWindow =>
  typeof gap === 'function'
    ? { kind: 'session', gapMs: null, gapOf: gap, ...latenessOf(options) }
    : { kind: 'session', gapMs: positive(gap, 'the gap of a session'), ...latenessOf(options) };

/** One window for all time. */
export const globalWindow = (): GlobalWindow => ({ kind: 'global' });

/**
 * Days, weeks or months as the clocks of a place show them: with daylight-saving time a day may have 23 or 25 hours.
 * @throws RefoldError `duration.invalid`, `window.invalid` for a zone that is not known here
 */
export const calendar = (unit: CalendarUnit, { timeZone, weekStart, ...options }: CalendarOptions): CalendarWindow => {
  requireTimeZone(timeZone);
  if (weekStart !== undefined && unit !== 'week') {
    throw refused(`weekStart is of weeks, not of a ${unit}`);
  }
  return { kind: 'calendar', unit, timeZone, ...latenessOf(options), ...(weekStart === undefined || weekStart === 'monday' ? {} : { weekStart }) };
};
