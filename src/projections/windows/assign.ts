import { RefoldError } from '../../kernel/errors';
import { calendarWindowOf } from './calendar';
import type { HoppingWindow, Window, WindowBounds } from './window';

/** Beyond all times, on either side: the one window of `globalWindow()`. */
export const ALL_TIME: WindowBounds = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY };

/** The last multiple of `period`, plus `offset`, that is not after a time; of times before 1970 too (`%` keeps their sign). */
const alignedBefore = (time: number, period: number, offset: number): number => {
  const rest = (time % period) - offset;
  return time - (rest < -period ? rest + 2 * period : rest < 0 ? rest + period : rest);
};

const hoppingWindows = ({ sizeMs, advanceMs, offsetMs = 0, clampAtEpoch }: HoppingWindow, time: number): readonly WindowBounds[] => {
  const windows: WindowBounds[] = [];
  const least = clampAtEpoch === true ? Math.max(0, time - sizeMs + 1) : time - sizeMs + 1;
  for (let start = alignedBefore(time, advanceMs, offsetMs); start >= least; start -= advanceMs) {
    windows.push({ start, end: start + sizeMs });
  }
  return windows.reverse();
};

/**
 * The windows that an event of this time lies in, by ascending start. None is possible: with `clampAtEpoch`, and at the last
 * dates of a calendar. Sessions and sliding windows depend on the other events of their group: see `sessions.ts`, `sliding.ts`.
 */
export const windowsOf = (window: Window, time: number): readonly WindowBounds[] => {
  switch (window.kind) {
    case 'tumbling': {
      const start = alignedBefore(time, window.sizeMs, window.offsetMs ?? 0);
      return [{ start, end: start + window.sizeMs }];
    }
    case 'hopping':
      return hoppingWindows(window, time);
    case 'calendar': {
      const bounds = calendarWindowOf(window, time);
      return bounds === undefined ? [] : [bounds];
    }
    case 'global':
      return [ALL_TIME];
    case 'session':
    case 'sliding':
      throw new RefoldError('internal.invariant', `${window.kind} windows are not assigned by time alone`);
  }
};

/** Times that lie in the same windows: `[from, to)`. */
interface Cell {
  readonly from: number;
  readonly to: number;
  readonly windows: readonly WindowBounds[];
}

/** Together in all cells that are remembered. */
const MOST_WINDOWS = 65_536;

/** Where a cell is remembered; whether it is the right one is seen by its bounds. Of calendars any grid will do that is not coarse. */
const gridOf = (window: Window): ((time: number) => number) => {
  const [period, offset] =
    window.kind === 'tumbling' ? [window.sizeMs, window.offsetMs ?? 0] : window.kind === 'hopping' ? [window.advanceMs, window.offsetMs ?? 0] : [3_600_000, 0];
  return (time) => Math.floor((time - offset) / period);
};

const cellOf = (window: Window, time: number): Cell => {
  const windows = windowsOf(window, time);
  const [first, last] = [windows[0], windows.at(-1)];
  if (first === undefined || last === undefined) {
    return { from: time, to: time + 1, windows };
  }
  if (window.kind !== 'hopping') {
    return { from: last.start, to: last.end, windows };
  }
  // from when the last one began and the one before these has ended, until the next begins or the first of these ends
  const { advanceMs } = window;
  return { from: Math.max(last.start, first.end - advanceMs), to: Math.min(first.end, last.start + advanceMs), windows };
};

/**
 * `windowsOf` that remembers: neighbours in time get the same array, so what depends on the windows alone can be found by it.
 * Asking a calendar costs microseconds, and building a hundred windows does too.
 */
export const assignerOf = (window: Window): ((time: number) => readonly WindowBounds[]) => {
  const placeOf = gridOf(window);
  let held = 0;
  const cells = new Map<number, Cell>();
  let last: Cell | undefined;
  return (time) => {
    if (last !== undefined && last.from <= time && time < last.to) {
      return last.windows;
    }
    const place = placeOf(time);
    const known = cells.get(place);
    if (known !== undefined && known.from <= time && time < known.to) {
      last = known;
      return known.windows;
    }
    last = cellOf(window, time);
    held += last.windows.length + 1;
    if (held > MOST_WINDOWS) {
      cells.clear();
      held = last.windows.length + 1;
    }
    cells.set(place, last);
    return last.windows;
  };
};
