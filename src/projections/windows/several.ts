import { RefoldError } from '../../kernel/errors';
import type { GlobalWindow, Window } from './window';

/** A window that has bounds. */
export type BoundedWindow = Exclude<Window, GlobalWindow>;

/** Several windows of one projection, each by its name: whatever is contributed is contributed to each of them. */
export interface SeveralWindows {
  readonly kind: 'several';
  readonly windows: Readonly<Record<string, BoundedWindow>>;
  /** As each of them says. */
  readonly maxAheadMs?: number;
}

/** How a projection cuts event time into windows. */
export type ProjectionWindow = Window | SeveralWindows;

/** One of the windows of a projection; without a name where it is the only one. */
export interface NamedWindow {
  readonly name: string | undefined;
  readonly window: Window;
}

const refused = (message: string): RefoldError => new RefoldError('window.invalid', message);

/**
 * Several windows on one projection, as hours and days of the same sums. Rows of all of them lie in one read model, whose
 * `windowName()` column says which window a row is of; what is late for one may be in time for another.
 * @throws RefoldError `window.invalid` where there are less than two, a name is empty, or they differ in `maxAhead`
 */
export const several = (windows: Readonly<Record<string, BoundedWindow>>): SeveralWindows => {
  const named = Object.entries(windows).sort(([a], [b]) => (a < b ? -1 : 1)); // as hashed: the order they are written in says nothing
  if (named.length < 2) {
    throw refused('several windows are at least two');
  }
  if (named.some(([name]) => name.trim() === '' || name.includes('\0'))) {
    throw refused('each of several windows needs a name');
  }
  const unbounded = named.find(([, window]) => (window as Window).kind === 'global');
  if (unbounded !== undefined) {
    throw refused(`${unbounded[0]} is a global window, which has no bounds: it cannot be one of several`);
  }
  if (new Set(named.map(([, { maxAheadMs }]) => maxAheadMs)).size > 1) {
    throw refused('maxAhead is about the events that all of several windows share: say the same for each of them');
  }
  const { maxAheadMs } = named[0]![1];
  return { kind: 'several', windows: Object.fromEntries(named), ...(maxAheadMs === undefined ? {} : { maxAheadMs }) };
};

/** The windows of a projection, by ascending name; empty where it has none. */
export const windowsIn = (given: ProjectionWindow | undefined): readonly NamedWindow[] => {
  if (given === undefined) {
    return [];
  }
  return given.kind === 'several' ? Object.entries(given.windows).map(([name, window]) => ({ name, window })) : [{ name: undefined, window: given }];
};
