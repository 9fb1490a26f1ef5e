import { isOpen } from './lateness';
import type { SlidingWindow, WindowBounds } from './window';

/** A window that an event made, or that holds it. Both ends belong to it. */
export interface SlidingChange extends WindowBounds {
  /** It was not there before: it holds what the group has in its bounds, not this event alone. */
  readonly isNew: boolean;
  /** Whether the event lies in it; the one behind an event exists for others. */
  readonly holds: boolean;
}

/** What one event does to the sliding windows of its group. */
export interface SlidingStep {
  /** Times of the events of the group that open windows may ask for, ascending, each once: the state for the next step. */
  readonly times: readonly number[];
  /** By start; empty if the event is late, and then nothing changes. */
  readonly changes: readonly SlidingChange[];
  /** How many windows would hold the event, but are closed. */
  readonly rejected: number;
}

/** Index of the first time that is not before `time`. */
const indexAt = (times: readonly number[], time: number): number => {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle]! < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
};

const hasAny = (times: readonly number[], from: number, to: number): boolean => {
  const time = times[indexAt(times, from)];
  return time !== undefined && time <= to;
};

/** Start of the window of an event; those just behind the epoch share one that begins there, as in Kafka. */
const startBefore = (time: number, difference: number): number => (time >= 0 && time < difference ? 0 : time - difference);

/** Whether a group with events at these times has a window that begins at `start`. */
const exists = (times: readonly number[], start: number, difference: number): boolean => {
  const end = start + difference;
  return (
    (hasAny(times, end, end) && startBefore(end, difference) === start) ||
    (start === 0 && hasAny(times, 0, difference - 1)) ||
    (hasAny(times, start - 1, start - 1) && hasAny(times, start, end))
  );
};

/** Where windows may begin that hold an event at `time`, or that exist because of it. */
const candidates = (times: readonly number[], time: number, difference: number): readonly number[] => {
  const starts = new Set<number>([startBefore(time, difference), time + 1]);
  for (let i = indexAt(times, time - difference - 1); i < times.length && times[i]! <= time + difference; i += 1) {
    starts.add(startBefore(times[i]!, difference)).add(times[i]! + 1);
  }
  return [...starts].filter((start) => start <= time + 1 && time <= start + difference).sort((a, b) => a - b);
};

const withTime = (times: readonly number[], time: number): readonly number[] => {
  const i = indexAt(times, time);
  return times[i] === time ? times : [...times.slice(0, i), time, ...times.slice(i)];
};

/**
 * One event of a group with sliding windows, by the definition of Kafka Streams (rule R35): each event at t has the window
 * `[t - d, t]`, and `[t + 1, t + 1 + d]` as soon as an event lies in it. Events at 0 to d - 1 share `[0, d]`. What is open in the end depends
 * on the events alone and not on their order, as long as none is late. An event that no open window holds leaves no trace.
 * @param times what the step before answered; empty at first
 */
export const slidingStep = (window: SlidingWindow, times: readonly number[], time: number, streamTime: number): SlidingStep => {
  const { differenceMs, graceMs } = window;
  const after = withTime(times, time);
  const touched = candidates(after, time, differenceMs)
    .filter((start) => exists(after, start, differenceMs))
    .map((start): SlidingChange => ({ start, end: start + differenceMs, isNew: !exists(times, start, differenceMs), holds: start <= time }))
    .filter(({ isNew, holds }) => isNew || holds);
  const open = touched.filter((bounds) => isOpen(window, bounds, streamTime));
  const rejected = touched.filter((bounds) => bounds.holds && !open.includes(bounds)).length;
  if (!open.some(({ holds }) => holds)) {
    return { times, changes: [], rejected };
  }
  return { times: after.slice(indexAt(after, streamTime - graceMs - differenceMs - 1)), changes: open, rejected };
};
