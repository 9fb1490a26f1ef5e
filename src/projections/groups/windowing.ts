import type { Refinements } from '../refinements';
import type { Window } from '../windows/window';
import type { Measuring } from './measuring';
import { deduplicatedWindowing } from './deduplicated';
import { panedWindowing } from './paned';
import { replacingWindowing } from './replacing';
import { sessionWindowing } from './sessions';
import { singleWindowing } from './single';
import { slidingWindowing } from './sliding';
import type { Windowing } from './stepping';
import { timeWindowing } from './time-windows';
import { triggeredWindowing } from './triggered';

/** @param isPaned whether the windows that hold the same events may be kept as what they have in common */
const plainWindowing = (window: Window | undefined, measuring: Measuring, isPaned: boolean): Windowing => {
  if (window === undefined) {
    return singleWindowing(measuring);
  }
  switch (window.kind) {
    case 'global':
      return singleWindowing(measuring);
    case 'session':
      return sessionWindowing(window, measuring);
    case 'sliding':
      return slidingWindowing(window, measuring);
    case 'hopping':
      return isPaned && window.sizeMs % window.advanceMs === 0 ? panedWindowing(window, measuring) : timeWindowing(window, measuring);
    default:
      return timeWindowing(window, measuring);
  }
};

/** How a projection's windows are kept. */
export const windowingOf = (window: Window | undefined, measuring: Measuring, { trigger, dedupe, replaces, keepsEmptied }: Refinements): Windowing => {
  const plain = plainWindowing(window, measuring, trigger === undefined && replaces !== true);
  if (replaces === true) {
    return replacingWindowing(plain, window, measuring, keepsEmptied === true);
  }
  const triggered = trigger === undefined ? plain : triggeredWindowing(plain, trigger, window, measuring);
  return dedupe === undefined ? triggered : deduplicatedWindowing(triggered, dedupe);
};
