import { isOpen } from '../windows/lateness';
import type { Window } from '../windows/window';
import type { Measuring } from './measuring';
import { partFrom, withPart } from './parts';
import type { WindowChange, Windowing } from './stepping';

/**
 * Windows from which contributions can be taken back, as long as they are open: each knows how many it has, and is gone with
 * the last one, unless emptied ones are kept.
 */
export const replacingWindowing = (windowing: Windowing, window: Window | undefined, measuring: Measuring, keepsEmptied: boolean): Windowing => ({
  ...windowing,
  step: (kept, adding, streamTime) => {
    const stepped = windowing.step(kept, adding, streamTime);
    if (stepped.status !== 'added') {
      return stepped;
    }
    let { parts } = stepped.kept;
    for (const { start } of stepped.changes) {
      parts = withPart(parts, { ...partFrom(parts, start)!, live: (partFrom(kept.parts, start)?.live ?? 0) + 1 });
    }
    return { ...stepped, kept: { ...stepped.kept, parts } };
  },
  takeBack: (kept, { time, negative }, streamTime) => {
    const isForAll = window === undefined || window.kind === 'global';
    const holding = kept.parts.filter((part) => isForAll || (part.start <= time && time < part.end && isOpen(window, part, streamTime)));
    let { parts } = kept;
    const changes = holding.map((part): WindowChange => {
      const live = (part.live ?? 0) - 1;
      const isGone = live === 0 && !keepsEmptied;
      parts = isGone ? parts.filter((one) => one !== part) : withPart(parts, { ...part, states: measuring.merge(part.states, negative), live });
      return { start: part.start, end: part.end, isNew: false, isGone };
    });
    return { kept: { ...kept, parts }, changes };
  },
});
