import { assignerOf } from '../windows/assign';
import { isOpen } from '../windows/lateness';
import type { HoppingWindow, WindowBounds } from '../windows/window';
import type { Part } from './kept-group';
import type { Measuring, States } from './measuring';
import { isAnyIn, partAt, partFrom, partsFrom, withPart } from './parts';
import { UNASSIGNED, type WindowChange, type Windowing } from './stepping';

/** Parts as they add up from the begin of their block on, and from its end back. */
interface Running {
  readonly part: Part;
  readonly block: number;
  readonly fromBegin: States;
  toEnd: States;
}

/** In blocks as long as a window: each window is the end of one block and the begin of the next, so it takes one merge (van Herk, Gil and Werman). */
const runningOf = (measuring: Measuring, parts: readonly Part[], sizeMs: number): readonly Running[] => {
  const running: Running[] = [];
  for (const part of parts) {
    const block = Math.floor(part.start / sizeMs);
    const before = running.at(-1);
    const fromBegin = before?.block === block ? measuring.merge(before.fromBegin, part.states) : part.states;
    running.push({ part, block, fromBegin, toEnd: part.states });
  }
  for (let i = running.length - 2; i >= 0; i -= 1) {
    const [one, next] = [running[i]!, running[i + 1]!];
    one.toEnd = one.block === next.block ? measuring.merge(one.part.states, next.toEnd) : one.toEnd;
  }
  return running;
};

const mergedIn = (measuring: Measuring, sizeMs: number, parts: readonly Part[], running: readonly Running[], { start, end }: WindowBounds): States => {
  const [first, last] = [running[partAt(parts, start)], running[partAt(parts, end) - 1]];
  if (first === undefined || last === undefined || first.part.start > last.part.start) {
    return measuring.empty;
  }
  if (first.block !== last.block) {
    return measuring.merge(first.toEnd, last.fromBegin);
  }
  return first.block * sizeMs >= start ? last.fromBegin : first.toEnd; // the block begins or ends within the window
};

/**
 * Hopping windows whose advance divides the size. What is kept is each stretch of one advance, once, and not each of the many windows
 * that hold it; a window is made of its stretches when its row is written. A window that is open has all of them, since a stretch stays
 * until the last window that holds it is closed.
 */
export const panedWindowing = (window: HoppingWindow, measuring: Measuring): Windowing => {
  const { sizeMs, advanceMs } = window;
  const assign = assignerOf(window);
  return {
    step: (kept, { time, inputs, order }, streamTime) => {
      const windows = assign(time);
      const open = windows.filter((bounds) => isOpen(window, bounds, streamTime));
      const start = windows.at(-1)?.start;
      if (start === undefined || open.length === 0) {
        return start === undefined ? UNASSIGNED : { status: 'late', windowStart: start };
      }
      const parts = partsFrom(kept.parts, (part) => isOpen(window, { start: part.start, end: part.start + sizeMs }, streamTime));
      const changes = open.map((bounds): WindowChange => ({ ...bounds, isNew: !isAnyIn(parts, bounds.start, bounds.end), isGone: false }));
      const states = measuring.add(partFrom(parts, start)?.states ?? measuring.empty, inputs, order);
      const end = start + advanceMs;
      return { status: 'added', kept: { ...kept, streamTime, parts: withPart(parts, { start, end, last: end, states }) }, changes };
    },
    statesOf: ({ parts }, windows) => {
      const running = runningOf(measuring, parts, sizeMs);
      return windows.map((bounds) => mergedIn(measuring, sizeMs, parts, running, bounds));
    },
  };
};
