import type { ProjectionWindow } from './several';
import type { Window, WindowBounds } from './window';

/**
 * The stream time from which on a window takes no more contributions: its end plus the grace. Of sessions and sliding windows
 * one millisecond later, since their ends are times at which a record still belongs to them, as in Kafka Streams (rule R8).
 */
export const closesAt = (window: Window, { end }: WindowBounds): number => {
  switch (window.kind) {
    case 'global':
      return Number.POSITIVE_INFINITY;
    case 'session':
    case 'sliding':
      return end + window.graceMs + 1;
    default:
      return end + window.graceMs;
  }
};

/** Whether a window still takes contributions at this stream time, which includes the record that contributes (rule R7). */
export const isOpen = (window: Window, bounds: WindowBounds, streamTime: number): boolean => streamTime < closesAt(window, bounds);

/** Whether an event is dated further ahead of its record than is allowed: it must not move the stream time. */
export const isTooFarAhead = (window: ProjectionWindow, eventTime: number, recordTime: number): boolean =>
  window.kind !== 'global' && window.maxAheadMs !== undefined && eventTime - recordTime > window.maxAheadMs;
