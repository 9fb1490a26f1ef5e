import { durationMs } from '../../kernel/duration';
import { RefoldError } from '../../kernel/errors';
import { isOpen } from './lateness';
import type { SessionWindow, WindowBounds } from './window';

/**
 * A session from its first event to its last; `end` is the last at which an event still joins it: the last event plus the
 * gap, or the furthest such moment where gaps differ (rule R29). Kafka shows [start, last], Flink and Spark [start, end).
 */
export interface SessionBounds extends WindowBounds {
  readonly last: number;
}

/** The gap behind an event; milliseconds. @throws RefoldError `duration.invalid` where the function answers none */
export const gapAfter = ({ gapMs, gapOf }: SessionWindow, event: object): number => {
  if (gapMs !== null) {
    return gapMs;
  }
  if (gapOf === undefined) {
    throw new RefoldError('internal.invariant', 'a session has neither a gap nor a function that says it');
  }
  return durationMs(gapOf(event as never));
};

/** What one event does to the sessions of its group. */
export interface SessionMerge<S extends SessionBounds> {
  /** Those that are one with the event's now, by start; also one whose bounds stay as they are. */
  readonly removed: readonly S[];
  /** What the event lies in now; undefined if it is late, and then nothing changes. */
  readonly merged: SessionBounds | undefined;
}

const LATE = { removed: [], merged: undefined } as const;

/**
 * Merges an event into the sessions of its group. Sessions touch where an event lies exactly a gap from them (rule R23). Late is
 * what the merged session is, not the event (R9), and a closed session takes part in nothing (R10).
 * @param sessions by start, apart from each other; closed ones too, as long as they have a row: where gaps differ, an event may
 * reach an open session across a closed one, and would take its row where both began at the same time. It then is late.
 */
export const mergeInto = <S extends SessionBounds>(
  window: SessionWindow,
  sessions: readonly S[],
  event: { readonly time: number; readonly gapMs: number },
  streamTime: number,
): SessionMerge<S> => {
  const { time, gapMs } = event;
  const removed = sessions.filter((one) => one.start <= time + gapMs && time <= one.end && isOpen(window, one, streamTime));
  const merged = removed.reduce<SessionBounds>(
    (bounds, one) => ({ start: Math.min(bounds.start, one.start), last: Math.max(bounds.last, one.last), end: Math.max(bounds.end, one.end) }),
    { start: time, last: time, end: time + gapMs },
  );
  const taken = sessions.some((one) => one.start === merged.start && !removed.includes(one));
  return taken || !isOpen(window, merged, streamTime) ? LATE : { removed, merged };
};
