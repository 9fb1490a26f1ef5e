import type { TriggerDefinition } from '../refinements';
import { closesAt } from '../windows/lateness';
import type { Window } from '../windows/window';
import type { KeptGroup, Part, Waiting } from './kept-group';
import type { Measuring } from './measuring';
import { partFrom, withPart } from './parts';
import type { Stepped, WindowChange, Windowing } from './stepping';

/** Nothing waits in a window that was not shown yet. */
const NOT_SHOWN: Waiting = { count: 0, due: undefined, isShown: false };

const waitingIn = (part: Part | undefined): Waiting => part?.waiting ?? NOT_SHOWN;

const earliest = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined || b === undefined ? (a ?? b) : Math.min(a, b));

/** What decides about one window beside what is kept of it. */
interface Bounds {
  readonly endOf: (part: Part) => number;
  readonly closesAt: (part: Part) => number;
}

const NEVER = (): number => Number.POSITIVE_INFINITY;

const boundsOf = (window: Window | undefined): Bounds =>
  window === undefined || window.kind === 'global'
    ? { endOf: NEVER, closesAt: NEVER }
    : { endOf: ({ end }) => end, closesAt: (part) => closesAt(window, part) };

/** When what waits from now on is to be shown, as far as time decides. */
const tickAfter = ({ everyMs }: TriggerDefinition, streamTime: number): number | undefined =>
  everyMs === undefined ? undefined : (Math.floor(streamTime / everyMs) + 1) * everyMs;

interface Fired {
  readonly part: Part;
  readonly change: WindowChange;
}

/**
 * Windows whose rows show what was there when a trigger fired last. What waits is kept with each window; it is shown before anything
 * else is brought to the group, once its time has come or the window is closed.
 */
export const triggeredWindowing = (windowing: Windowing, trigger: TriggerDefinition, window: Window | undefined, measuring: Measuring): Windowing => {
  const bounds = boundsOf(window);

  const fire = (part: Part): Fired => {
    const { start, end, states } = part;
    return {
      part: { ...part, states: trigger.accumulate ? states : measuring.empty, waiting: { count: 0, due: undefined, isShown: true } },
      change: { start, end, isNew: !waitingIn(part).isShown, isGone: false, states },
    };
  };

  const isDue = (part: Part, streamTime: number): boolean => {
    const { count, due } = waitingIn(part);
    return count > 0 && due !== undefined && (due <= streamTime || bounds.endOf(part) <= streamTime);
  };

  const fireAll = (kept: KeptGroup, streamTime: number): { readonly kept: KeptGroup; readonly changes: readonly WindowChange[] } => {
    const isOver = (part: Part): boolean => waitingIn(part).count > 0 && bounds.closesAt(part) <= streamTime;
    const fired = kept.parts.filter((part) => isDue(part, streamTime) || isOver(part)).map(fire);
    return {
      kept: fired.length === 0 ? kept : { ...kept, parts: fired.reduce((parts, { part }) => withPart(parts, part), kept.parts) },
      changes: fired.map(({ change }) => change),
    };
  };

  /** What waits in a window that something was brought to, and in those that it has taken in. */
  const brought = (part: Part, own: Waiting, taken: readonly Waiting[], streamTime: number): Part => {
    const waiting = [own, ...taken];
    const due = waiting.reduce<number | undefined>((least, one) => earliest(least, one.due), undefined);
    const count = waiting.reduce((sum, one) => sum + one.count, 1);
    return { ...part, waiting: { count, due: due ?? tickAfter(trigger, streamTime), isShown: own.isShown } };
  };

  return {
    step: (kept, adding, streamTime): Stepped => {
      const before = fireAll(kept, streamTime);
      const stepped = windowing.step(before.kept, adding, streamTime);
      if (stepped.status !== 'added') {
        return stepped;
      }
      const gone = stepped.changes.filter(({ isGone }) => isGone);
      const taken = gone.map(({ start }) => waitingIn(partFrom(before.kept.parts, start)));
      const changes = [...before.changes, ...gone.filter((_, i) => taken[i]!.isShown)];
      let { parts } = stepped.kept;
      for (const { start } of stepped.changes.filter(({ isGone }) => !isGone)) {
        const part = brought(partFrom(parts, start)!, waitingIn(partFrom(before.kept.parts, start)), taken, streamTime);
        const isMoved = taken.some(({ isShown }) => isShown); // readers have seen it by another start, which is no more
        const fired = isMoved || part.waiting!.count >= (trigger.count ?? Infinity) || isDue(part, streamTime) ? fire(part) : undefined;
        parts = withPart(parts, fired?.part ?? part);
        changes.push(...(fired === undefined ? [] : [fired.change]));
      }
      return { status: 'added', kept: { ...stepped.kept, parts }, changes };
    },
    statesOf: (kept, windows) => windowing.statesOf(kept, windows),
  };
};
