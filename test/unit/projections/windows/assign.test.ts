import fc from 'fast-check';
import type { RefoldError } from '../../../../src/kernel/errors';
import { ALL_TIME, assignerOf, windowsOf } from '../../../../src/projections/windows/assign';
import { calendar, globalWindow, hopping, session, sliding, tumbling, type Window } from '../../../../src/projections/windows/window';

const MS_OF_DATES = 8_640_000_000_000_000;
const times = fc.oneof(
  fc.integer({ min: -100, max: 100 }),
  fc.integer({ min: -8_640_000_000_000, max: 8_640_000_000_000 }),
  fc.integer({ min: -MS_OF_DATES, max: MS_OF_DATES }),
);
const sizes = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 * 86_400_000 }));
const offsets = fc.oneof(fc.integer({ min: -50, max: 50 }), fc.integer({ min: -1e12, max: 1e12 }));
const coded = (code: string): RefoldError => expect.objectContaining({ code }) as RefoldError;

/** In the exact integers that the code does without. */
const isAligned = (start: number, period: number, offset: number): boolean => (BigInt(start) - BigInt(offset)) % BigInt(period) === 0n;

describe('tumbling windows', () => {
  it('are half-open, aligned to the epoch and the offset, and hold their time, before 1970 and at the last dates too', () => {
    fc.assert(
      fc.property(times, sizes, offsets, (time, size, offset) => {
        const windows = windowsOf(tumbling(size, { offset }), time);
        expect(windows).toHaveLength(1);
        const { start, end } = windows[0]!;
        expect(start <= time && time < end).toBe(true);
        expect(end - start).toBe(size);
        expect(isAligned(start, size, offset)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('put a time on the boundary into the later window', () => {
    expect(windowsOf(tumbling('1 hour'), 3_600_000)).toEqual([{ start: 3_600_000, end: 7_200_000 }]);
    expect(windowsOf(tumbling('1 hour'), -1)).toEqual([{ start: -3_600_000, end: 0 }]);
    expect(windowsOf(tumbling('1 hour'), -3_600_000)).toEqual([{ start: -3_600_000, end: 0 }]);
  });

  it('may be shifted by an offset, to the days of UTC+8 for one', () => {
    const days = tumbling('1 day', { offset: '-8 hours' });
    expect(windowsOf(days, Date.parse('2016-08-11T07:54:08.450Z'))).toEqual([
      { start: Date.parse('2016-08-10T16:00:00Z'), end: Date.parse('2016-08-11T16:00:00Z') },
    ]);
    expect(days).toEqual(tumbling('1 day', { offset: '16 hours' }));
    expect(tumbling('1 day', { offset: '2 days' })).toEqual(tumbling('1 day'));
  });

  it('of a definition from before keep the definition as it was', () => {
    expect(JSON.stringify(tumbling('1 hour'))).toBe('{"kind":"tumbling","sizeMs":3600000,"graceMs":86400000}');
  });

  it('refuse a size of zero and text that is no duration', () => {
    expect(() => tumbling(0)).toThrow(coded('duration.invalid'));
    expect(() => tumbling('a while')).toThrow(coded('duration.invalid'));
    expect(() => tumbling(10, { offset: 'a while' })).toThrow(coded('duration.invalid'));
  });
});

/** All windows that could hold a time, looked at one by one. */
const bruteForce = (time: number, size: number, advance: number, offset: number, clampAtEpoch: boolean): readonly unknown[] => {
  const windows = [];
  for (let start = time - size; start <= time; start += 1) {
    if (isAligned(start, advance, offset) && time < start + size && !(clampAtEpoch && start < 0)) {
      windows.push({ start, end: start + size });
    }
  }
  return windows;
};

describe('hopping windows', () => {
  it('are those that hold the time, by ascending start, whatever the advance', () => {
    const cases = fc.tuple(times, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), offsets, fc.boolean());
    fc.assert(
      fc.property(cases, ([time, size, step, offset, clampAtEpoch]) => {
        const advance = Math.min(size, step);
        expect(windowsOf(hopping(size, { advance, offset, clampAtEpoch }), time)).toEqual(bruteForce(time, size, advance, offset, clampAtEpoch));
      }),
      { numRuns: 400 },
    );
  });

  it('need not be divided by the advance', () => {
    const starts = (size: number, advance: number, time: number): readonly number[] => windowsOf(hopping(size, { advance }), time).map(({ start }) => start);
    expect(starts(12, 5, 21)).toEqual([10, 15, 20]);
    expect(starts(6, 5, 7)).toEqual([5]);
  });

  it('begin before the epoch unless that is clamped; then a time may lie in none', () => {
    expect(windowsOf(hopping('30 s', { advance: '15 s' }), 0).map(({ start }) => start)).toEqual([-15_000, 0]);
    expect(windowsOf(hopping('30 s', { advance: '15 s', clampAtEpoch: true }), 0).map(({ start }) => start)).toEqual([0]);
    expect(windowsOf(hopping('30 s', { advance: '15 s', clampAtEpoch: true }), -1)).toEqual([]);
  });

  it('refuse an advance beyond the size, of nothing, and one that makes too many windows of an event', () => {
    expect(() => hopping(10, { advance: 11 })).toThrow(coded('window.invalid'));
    expect(() => hopping(10, { advance: 0 })).toThrow(coded('duration.invalid'));
    expect(() => hopping('1 day', { advance: '1 ms' })).toThrow(coded('window.invalid'));
    expect(hopping(10, { advance: 10 })).toMatchObject({ sizeMs: 10, advanceMs: 10 });
  });
});

describe('an assigner', () => {
  const near = fc.integer({ min: -2_000, max: 2_000 });
  const windows = fc.oneof(
    fc.tuple(sizes, offsets).map(([size, offset]): Window => tumbling(size, { offset })),
    fc
      .tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 90 }), offsets, fc.boolean())
      .map(([size, step, offset, clampAtEpoch]): Window => hopping(size, { advance: Math.min(size, step), offset, clampAtEpoch })),
    fc.constant<Window>(calendar('day', { timeZone: 'America/St_Johns' })),
    fc.constant<Window>(globalWindow()),
  );

  it('answers what it would answer if it remembered nothing', () => {
    fc.assert(
      fc.property(windows, fc.array(fc.oneof(near, times), { maxLength: 60 }), (window, given) => {
        const assign = assignerOf(window);
        expect(given.map(assign)).toEqual(given.map((time) => windowsOf(window, time)));
      }),
      { numRuns: 300 },
    );
  });

  it('answers the same array for neighbours, and forgets when it has seen much', () => {
    const assign = assignerOf(hopping(100, { advance: 10 }));
    expect(assign(1_001)).toBe(assign(1_009));
    const before = assign(1_001);
    for (let time = 0; time < 100_000; time += 10) {
      assign(time);
    }
    expect(assign(1_001)).not.toBe(before);
    expect(assign(1_001)).toEqual(before);
  });
});

it('a global window holds everything', () => {
  fc.assert(fc.property(times, (time) => expect(windowsOf(globalWindow(), time)).toEqual([ALL_TIME])));
});

it('sessions and sliding windows cannot be told by time alone', () => {
  expect(() => windowsOf(session(5), 0)).toThrow(coded('internal.invariant'));
  expect(() => windowsOf(sliding(5), 0)).toThrow(coded('internal.invariant'));
  expect(() => session(0)).toThrow(coded('duration.invalid'));
  expect(() => sliding(0)).toThrow(coded('duration.invalid'));
});
