import { assignerOf } from '../windows/assign';
import { isOpen } from '../windows/lateness';
import type { Window } from '../windows/window';
import type { Measuring } from './measuring';
import { partFrom, partsFrom, withPart } from './parts';
import { UNASSIGNED, type WindowChange, type Windowing } from './stepping';

/** Windows that depend on the time of an event alone: each is kept for itself until it is closed. */
export const timeWindowing = (window: Window, measuring: Measuring): Windowing => {
  const assign = assignerOf(window);
  return {
    step: (kept, { time, inputs, order }, streamTime) => {
      const windows = assign(time);
      const open = windows.filter((bounds) => isOpen(window, bounds, streamTime));
      if (open.length === 0) {
        return windows.length === 0 ? UNASSIGNED : { status: 'late', windowStart: windows.at(-1)!.start };
      }
      let parts = partsFrom(kept.parts, (part) => isOpen(window, part, streamTime));
      const changes = open.map(({ start, end }): WindowChange => {
        const before = partFrom(parts, start);
        parts = withPart(parts, { start, end, last: end, states: measuring.add(before?.states ?? measuring.empty, inputs, order) });
        return { start, end, isNew: before === undefined, isGone: false };
      });
      return { status: 'added', kept: { ...kept, streamTime, parts }, changes };
    },
    statesOf: ({ parts }, windows) => windows.map(({ start }) => partFrom(parts, start)?.states ?? measuring.empty),
  };
};
