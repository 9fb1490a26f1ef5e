import { isOpen } from '../windows/lateness';
import { mergeInto } from '../windows/sessions';
import type { SessionWindow } from '../windows/window';
import type { Measuring } from './measuring';
import { partFrom, withPart } from './parts';
import type { WindowChange, Windowing } from './stepping';

/**
 * Sessions, each kept for itself until it is closed. A closed one is forgotten except for its start: a session that would begin there
 * or before reaches across it, could take its row, and so is late.
 */
export const sessionWindowing = (window: SessionWindow, measuring: Measuring): Windowing => ({
  step: (kept, { time, gapMs, inputs, order }, streamTime) => {
    const open = kept.parts.filter((part) => isOpen(window, part, streamTime));
    const barred = kept.parts.reduce((latest, part) => (open.includes(part) ? latest : Math.max(latest, part.start)), kept.barred);
    const { removed, merged } = mergeInto(window, open, { time, gapMs }, streamTime);
    if (merged === undefined || merged.start <= barred) {
      return { status: 'late', windowStart: time };
    }
    const before = removed.reduce((states, part) => measuring.merge(states, part.states), measuring.empty);
    const parts = withPart(
      open.filter((part) => !removed.includes(part)),
      { ...merged, states: measuring.add(before, inputs, order) },
    );
    const gone = removed.filter(({ start }) => start !== merged.start).map(({ start, end }): WindowChange => ({ start, end, isNew: false, isGone: true }));
    const isNew = gone.length === removed.length;
    return {
      status: 'added',
      kept: { ...kept, streamTime, parts, barred },
      changes: [...gone, { start: merged.start, end: merged.end, isNew, isGone: false }],
    };
  },
  statesOf: ({ parts }, windows) => windows.map(({ start }) => partFrom(parts, start)?.states ?? measuring.empty),
});
