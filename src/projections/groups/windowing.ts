import type { Window } from '../windows/window';
import type { Measuring } from './measuring';
import { panedWindowing } from './paned';
import { sessionWindowing } from './sessions';
import { singleWindowing } from './single';
import { slidingWindowing } from './sliding';
import type { Windowing } from './stepping';
import { timeWindowing } from './time-windows';

/** How a projection's windows are kept. */
export const windowingOf = (window: Window | undefined, measuring: Measuring): Windowing => {
  switch (window?.kind) {
    case undefined:
    case 'global':
      return singleWindowing(measuring);
    case 'session':
      return sessionWindowing(window, measuring);
    case 'sliding':
      return slidingWindowing(window, measuring);
    case 'hopping':
      return window.sizeMs % window.advanceMs === 0 ? panedWindowing(window, measuring) : timeWindowing(window, measuring);
    default:
      return timeWindowing(window, measuring);
  }
};
