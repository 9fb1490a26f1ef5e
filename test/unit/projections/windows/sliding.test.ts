import fc from 'fast-check';
import { slidingStep } from '../../../../src/projections/windows/sliding';
import { sliding } from '../../../../src/projections/windows/window';

/** By start: the places in the input of the events that each window holds. */
type Held = Record<string, readonly number[]>;

/** Folds event times one by one as the engine will, and checks what a step says against what is kept. */
const fold = (difference: number, grace: number, given: readonly number[]): { readonly windows: Held; readonly rejected: readonly number[] } => {
  const window = sliding(difference, { grace });
  const windows = new Map<number, number[]>();
  const accepted: number[] = [];
  const rejected: number[] = [];
  let times: readonly number[] = [];
  let streamTime = -Infinity;
  given.forEach((time, i) => {
    streamTime = Math.max(streamTime, time);
    const step = slidingStep(window, times, time, streamTime);
    times = step.times;
    if (step.changes.length > 0) {
      accepted.push(i);
    }
    rejected.push(step.rejected);
    for (const { start, end, isNew, holds } of step.changes) {
      if (end - start !== difference || isNew === windows.has(start) || holds !== start <= time) {
        throw new Error(`${String(time)}: ${JSON.stringify(step.changes)}`); // an expect for each would cost seconds
      }
      windows.set(start, isNew ? accepted.filter((at) => given[at]! >= start && given[at]! <= end) : [...windows.get(start)!, i]);
    }
  });
  return { windows: Object.fromEntries([...windows].map(([start, held]) => [start, held.sort((a, b) => given[a]! - given[b]! || a - b)])), rejected };
};

/** All at once, by the definition. */
const reference = (difference: number, given: readonly number[]): Record<string, readonly number[]> => {
  const inside = (start: number): readonly number[] => given.filter((time) => time >= start && time <= start + difference).sort((a, b) => a - b);
  const starts = given.flatMap((time) => [time >= 0 && time < difference ? 0 : time - difference, time + 1]);
  return Object.fromEntries([...new Set(starts)].map((start) => [start, inside(start)] as const).filter(([, held]) => held.length > 0));
};

const timesOf = (given: readonly number[], windows: Held): Record<string, readonly number[]> =>
  Object.fromEntries(Object.entries(windows).map(([start, held]) => [start, held.map((i) => given[i]!)]));

const inputs = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.array(fc.integer({ min: -60, max: 120 }), { maxLength: 30 }));

describe('sliding windows', () => {
  it('are those of the definition in whatever order events come, as long as none is late', () => {
    fc.assert(
      fc.property(inputs, ([difference, given]) => {
        expect(timesOf(given, fold(difference, 1e6, given).windows)).toEqual(reference(difference, given));
      }),
      { numRuns: 400 },
    );
  });

  it('of huge times are the same', () => {
    const given = [4e15, -4e15, 4e15 + 3, 4e15 + 1];
    expect(timesOf(given, fold(5, 9e15, given).windows)).toEqual(reference(5, given));
  });

  it('forget times that no open window can ask for, which changes nothing', () => {
    const window = sliding(5, { grace: 20 });
    const near = fc.array(fc.integer({ min: -12, max: 12 }), { maxLength: 60 }).map((jitter) => jitter.map((by, i) => i * 4 + by));
    fc.assert(
      fc.property(near, (given) => {
        const horizon = Math.max(...given) - 20 - 5 - 1;
        let [times, all, streamTime] = [[] as readonly number[], [] as readonly number[], -Infinity];
        for (const time of given) {
          streamTime = Math.max(streamTime, time);
          const [short, long] = [slidingStep(window, times, time, streamTime), slidingStep(window, all, time, streamTime)];
          expect(short.changes).toEqual(long.changes);
          times = short.times;
          all = long.changes.length === 0 ? all : [...new Set([...all, time])].sort((a, b) => a - b);
        }
        expect(times.every((time) => time >= horizon || given.length === 0)).toBe(true);
      }),
    );
  });

  it('each are judged by themselves, and one more than a grace late leaves no trace', () => {
    // from 110 on windows are open: [100, 110] takes the event, its own [95, 105] does not
    const first = slidingStep(sliding(10, { grace: 90 }), [110], 105, 200);
    expect(first.changes).toEqual([
      { start: 100, end: 110, isNew: false, holds: true },
      { start: 106, end: 116, isNew: true, holds: false },
    ]);
    expect([first.rejected, first.times]).toEqual([1, [105, 110]]);
    expect(slidingStep(sliding(10, { grace: 90 }), [110], 99, 200)).toEqual({ times: [110], changes: [], rejected: 1 });
    expect(slidingStep(sliding(10, { grace: 90 }), [200], 100, 200)).toEqual({ times: [200], changes: [], rejected: 1 });
  });

  it('of events before the first difference is over are one', () => {
    expect(fold(50, 0, [0, 5, 6]).windows).toEqual({ 0: [0, 1, 2], 1: [1, 2], 6: [2] });
  });
});
