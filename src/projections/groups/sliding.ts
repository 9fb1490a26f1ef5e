import { slidingStep } from '../windows/sliding';
import type { SlidingWindow } from '../windows/window';
import type { Measuring } from './measuring';
import { partAt, partFrom, withPart } from './parts';
import type { WindowChange, Windowing } from './stepping';

/** Windows around the events of a group: kept are the moments of its events, and a window is made of those in its bounds, both of which belong to it. */
export const slidingWindowing = (window: SlidingWindow, measuring: Measuring): Windowing => ({
  step: (kept, { time, inputs, order }, streamTime) => {
    const times = kept.parts.map(({ start }) => start);
    const { times: after, changes } = slidingStep(window, times, time, streamTime);
    if (changes.length === 0) {
      return { status: 'late', windowStart: time - window.differenceMs };
    }
    const states = measuring.add(partFrom(kept.parts, time)?.states ?? measuring.empty, inputs, order);
    const parts = withPart(kept.parts, { start: time, end: time, last: time, states });
    return {
      status: 'added',
      kept: { ...kept, streamTime, parts: parts.slice(partAt(parts, after[0] ?? Infinity)) },
      changes: changes.map(({ start, end, isNew }): WindowChange => ({ start, end, isNew, isGone: false })),
    };
  },
  statesOf: ({ parts }, windows) =>
    windows.map(({ start, end }) =>
      parts.slice(partAt(parts, start), partAt(parts, end + 1)).reduce((states, part) => measuring.merge(states, part.states), measuring.empty),
    ),
});
