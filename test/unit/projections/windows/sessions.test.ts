import fc from 'fast-check';
import { gapAfter, mergeInto, type SessionBounds } from '../../../../src/projections/windows/sessions';
import { session } from '../../../../src/projections/windows/window';

interface Event {
  readonly time: number;
  readonly gapMs: number;
}
interface Counted extends SessionBounds {
  readonly n: number;
}

const bounds = (start: number, last: number, end: number): SessionBounds => ({ start, last, end });
const always = session(1, { grace: 1e12 });

/** Folds events one by one as the engine will: removes what merged, counts what was in it. */
const fold = (window: typeof always, events: readonly Event[]): { readonly sessions: readonly Counted[]; readonly late: number } => {
  let sessions: readonly Counted[] = [];
  let late = 0;
  let streamTime = -Infinity;
  for (const event of events) {
    streamTime = Math.max(streamTime, event.time);
    const { removed, merged } = mergeInto(window, sessions, event, streamTime);
    if (merged === undefined) {
      late += 1;
      continue;
    }
    const n = removed.reduce((sum, one) => sum + one.n, 1);
    sessions = [...sessions.filter((one) => !removed.includes(one)), { ...merged, n }].sort((a, b) => a.start - b.start);
  }
  return { sessions, late };
};

/** All at once: sorted by time, a session goes on as long as the next event is within the furthest end. */
const reference = (events: readonly Event[]): readonly Counted[] => {
  const sessions: Counted[] = [];
  for (const { time, gapMs } of [...events].sort((a, b) => a.time - b.time)) {
    const open = sessions.at(-1);
    if (open !== undefined && time <= open.end) {
      sessions[sessions.length - 1] = { start: open.start, last: time, end: Math.max(open.end, time + gapMs), n: open.n + 1 };
    } else {
      sessions.push({ start: time, last: time, end: time + gapMs, n: 1 });
    }
  }
  return sessions;
};

const events = (gap: fc.Arbitrary<number>): fc.Arbitrary<readonly Event[]> =>
  fc.oneof(
    fc.array(fc.record({ time: fc.integer({ min: -100, max: 100 }), gapMs: gap }), { maxLength: 25 }),
    fc.array(fc.record({ time: fc.integer({ min: -1e12, max: 1e12 }), gapMs: gap.map((ms) => ms * 1e10) }), { maxLength: 25 }),
  );

describe('sessions', () => {
  it('are the same in whatever order events come, with one gap and with one per event', () => {
    const same = fc.integer({ min: 1, max: 15 }).chain((gap) => events(fc.constant(gap)));
    const anyOrder = (given: readonly Event[]) => fc.tuple(fc.constant(given), fc.shuffledSubarray([...given], { minLength: given.length }));
    fc.assert(
      fc.property(fc.oneof(same, events(fc.nat(15))).chain(anyOrder), ([given, shuffled]) => {
        expect(fold(session(1, { grace: 1e13 }), shuffled)).toEqual({ sessions: reference(given), late: 0 });
      }),
      { numRuns: 400 },
    );
  });

  it('are apart from each other, hold each event that is not late, and closed ones stay as they are', () => {
    const cases = fc.tuple(fc.integer({ min: 1, max: 15 }), fc.nat(30), fc.array(fc.integer({ min: -100, max: 100 }), { maxLength: 30 }));
    fc.assert(
      fc.property(cases, ([gap, grace, times]) => {
        const window = session(gap, { grace });
        const given = times.map((time) => ({ time, gapMs: gap }));
        const { sessions, late } = fold(window, given);
        expect(sessions.reduce((sum, { n }) => sum + n, late)).toBe(times.length);
        expect(new Set(sessions.map(({ start }) => start)).size).toBe(sessions.length);
        for (let i = 1; i <= given.length; i += 1) {
          const streamTime = Math.max(...times.slice(0, i));
          const closed = fold(window, given.slice(0, i)).sessions.filter(({ end }) => end + grace < streamTime);
          expect(sessions).toEqual(expect.arrayContaining([...closed]));
        }
      }),
    );
  });

  it('touch where an event lies exactly a gap behind or before them', () => {
    const one = [bounds(100, 200, 210)];
    const to = (time: number) => mergeInto(always, one, { time, gapMs: 10 }, 200).merged;
    expect(to(210)).toEqual(bounds(100, 210, 220));
    expect(to(211)).toEqual(bounds(211, 211, 221));
    expect(to(90)).toEqual(bounds(90, 200, 210));
    expect(to(89)).toEqual(bounds(89, 89, 99));
  });

  it('are joined by an event between them, and named even where their bounds do not change', () => {
    const two = [bounds(0, 0, 1_000), bounds(1_500, 1_500, 2_500)];
    expect(mergeInto(always, two, { time: 700, gapMs: 1_000 }, 1_500)).toEqual({ removed: two, merged: bounds(0, 1_500, 2_500) });
    const inside = [bounds(0, 5, 10)];
    expect(mergeInto(always, inside, { time: 3, gapMs: 5 }, 5)).toEqual({ removed: inside, merged: inside[0] });
  });

  it('end as far away as any event said, which a shorter gap later does not change', () => {
    expect(mergeInto(always, [bounds(0, 0, 100)], { time: 50, gapMs: 1 }, 50).merged).toEqual(bounds(0, 50, 100));
  });

  it('judge lateness by what they become: an event too late by itself may join an open session', () => {
    const window = session(3_000, { grace: 10 });
    const event = { time: 10_000, gapMs: 3_000 };
    expect(mergeInto(window, [bounds(11_600, 11_600, 14_600)], event, 14_601).merged).toEqual(bounds(10_000, 11_600, 14_600));
    expect(mergeInto(window, [], event, 14_601)).toEqual({ removed: [], merged: undefined });
  });

  it('that are closed are not revived, at the millisecond', () => {
    const window = session(30_000, { grace: 60_000 });
    const closed = [bounds(0, 0, 30_000)];
    const event = { time: 10_010, gapMs: 30_000 };
    expect(mergeInto(window, closed, event, 90_000)).toEqual({ removed: closed, merged: bounds(0, 10_010, 40_010) });
    expect(mergeInto(window, closed, event, 90_001)).toEqual({ removed: [], merged: bounds(10_010, 10_010, 40_010) });
    expect(mergeInto(window, closed, event, 100_011).merged).toBeUndefined();
  });

  it('never take the row of a closed one that began at the same time', () => {
    const window = session(() => 1, { grace: 0 });
    const sessions = [bounds(0, 0, 5), bounds(20, 20, 100)];
    expect(mergeInto(window, sessions, { time: 0, gapMs: 50 }, 50)).toEqual({ removed: [], merged: undefined });
    expect(mergeInto(window, sessions, { time: 1, gapMs: 50 }, 50).merged).toEqual(bounds(1, 20, 100));
  });

  it('ask the event for its gap where it says one', () => {
    const perEvent = session((event: { readonly patience: string }) => event.patience);
    expect(gapAfter(perEvent, { patience: 'PT5M' })).toBe(300_000);
    expect(gapAfter(perEvent, { patience: '0 s' })).toBe(0);
    expect(() => gapAfter(perEvent, { patience: 'long' })).toThrow(expect.objectContaining({ code: 'duration.invalid' }));
    expect(gapAfter(session('30 minutes'), {})).toBe(1_800_000);
    expect(JSON.parse(JSON.stringify(perEvent))).toEqual({ kind: 'session', gapMs: null, graceMs: 86_400_000 });
  });
});
