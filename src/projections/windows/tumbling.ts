import { durationMs, type Duration } from '../../kernel/duration';
import { RefoldError } from '../../kernel/errors';

/** A window of event time; for now tumbling ones. Sizes in milliseconds. */
export interface Window {
  readonly kind: 'tumbling';
  readonly sizeMs: number;
  /** How long after its end (in stream time) a window still takes contributions. */
  readonly graceMs: number;
}

/** Half-open: `[start, end)`, milliseconds since the epoch. */
export interface WindowBounds {
  readonly start: number;
  readonly end: number;
}

const DEFAULT_GRACE: Duration = '1 day';

/**
 * Windows of one size that do not overlap, aligned to the epoch in UTC (rule R2).
 * @param options.grace default `'1 day'`
 * @throws RefoldError `duration.invalid`
 */
export const tumbling = (size: Duration, options: { readonly grace?: Duration } = {}): Window => {
  const sizeMs = durationMs(size);
  if (sizeMs === 0) {
    throw new RefoldError('duration.invalid', 'a window cannot have the size 0');
  }
  return { kind: 'tumbling', sizeMs, graceMs: durationMs(options.grace ?? DEFAULT_GRACE) };
};

/** The window of an event time; also right before 1970 (rule R3: floored, not truncated). */
export const windowOf = ({ sizeMs }: Window, time: number): WindowBounds => {
  const start = Math.floor(time / sizeMs) * sizeMs;
  return { start, end: start + sizeMs };
};

/** Whether a window still takes contributions at this stream time (rule R7). */
export const isOpen = (window: Window, bounds: WindowBounds, streamTime: number): boolean => bounds.end > streamTime - window.graceMs;
