import fc from 'fast-check';
import { Pacing } from '../../../src/app/pacing';
import { bytesText, replayPlanText } from '../../../src/app/cli/plan-text';
import { changeOf, paceOf } from '../../../src/app/cli/pace-commands';
import { batchSizeOf, owedAfter, partitionKey, sharesOf, sleepFor } from '../../../src/projections/engine/pace';
import { TRICKLE, FIRST, lagByHeads, yieldStep, type Yielding } from '../../../src/projections/engine/yielding';
import type { Checkpoint, Generation } from '../../../src/projections/generations';
import { hoursFault, isWithin } from '../../../src/projections/hours';
import { haltOf, paceText, requirePace } from '../../../src/projections/replay-pace';
import { rateOfSteps } from '../../../src/replay/earlier-rate';
import { changedPace, haltedOf } from '../../../src/replay/pacing';
import { estimateOf, roomRefusals, type ReplayPlan } from '../../../src/replay/plan';
import { placesOf } from '../../../src/replay/sample';

const at = (text: string): number => Date.parse(text);

describe('hours of the day', () => {
  it.each([
    ['22:00-06:00', '2026-01-10T23:00Z', true],
    ['22:00-06:00', '2026-01-10T05:59Z', true],
    ['22:00-06:00', '2026-01-10T06:00Z', false],
    ['22:00-06:00 Europe/Berlin', '2026-01-10T21:30Z', true],
    ['22:00-06:00 Europe/Berlin', '2026-07-10T20:30Z', true],
    ['22:00-06:00 Europe/Berlin', '2026-01-10T20:30Z', false],
    ['00:00-24:00', '2026-01-10T00:00Z', true],
  ])('%s at %s: %s', (hours, time, expected) => {
    expect(isWithin(hours, at(time))).toBe(expected);
  });

  it.each(['night', '25:00-06:00', '10:61-11:00', '10:00-10:00', '22:00-06:00 Mars/Base'])('refuses %s', (text) => {
    expect(hoursFault(text)).toContain(text);
    expect(() => {
      requirePace({ hours: [text] });
    }).toThrow(expect.objectContaining({ code: 'config.invalid' }));
  });
});

describe('a pace', () => {
  const pause = { reason: 'sale', by: 'ann', at: 0 };

  it('halts while it is paused or outside of all its hours', () => {
    const noon = at('2026-01-10T12:00Z');
    expect(haltOf({ replay: 1 }, noon)).toBeUndefined();
    expect(haltOf({ replay: 1, hours: ['10:00-11:00', '11:30-12:30'] }, noon)).toBeUndefined();
    expect(haltOf({ replay: 1, hours: ['22:00-06:00'] }, noon)).toContain('22:00-06:00');
    expect(haltOf({ replay: 1, paused: pause }, noon)).toContain('by ann: sale');
  });

  it('is changed one by one; null takes a limit away', () => {
    const before = { rate: 5, hours: ['22:00-06:00'] };
    expect(changedPace(before, { concurrency: 2 })).toEqual({ ...before, concurrency: 2 });
    expect(changedPace(before, { rate: null, hours: null, yieldMs: 1 })).toEqual({ yieldMs: 1 });
    expect(() => changedPace(before, { rate: 0 })).toThrow(expect.objectContaining({ code: 'config.invalid' }));
    expect(paceOf({ rate: 5, yieldToLive: true })).toEqual({ rate: 5, yieldMs: 1_000 });
    expect(changeOf({ rate: 'none', window: ['none'], yieldToLive: 250 })).toEqual({ rate: null, hours: null, yieldMs: 250 });
    expect(paceText({ rate: 5_000, concurrency: 1, hours: ['22:00-06:00'], yieldMs: 9 })).toBe(
      'at most 5,000 events/s, 1 at a time, within 22:00-06:00, yielding to a live lag over 9 ms',
    );
  });
});

describe('shares of a rate', () => {
  it('sum up to one, in proportion to what is left, and nobody gets nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 20 }), (remaining) => {
        const partitions = remaining.map((left, i) => ({ generationId: i % 3, id: `orders/${String(i)}`, remaining: left }));
        const shares = sharesOf(partitions);
        expect([...shares.values()].reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
        partitions.forEach((one, i) => {
          expect(shares.get(partitionKey(one))!).toBeGreaterThan(0);
          const larger = partitions.filter((other) => other.remaining > remaining[i]!);
          larger.forEach((other) => expect(shares.get(partitionKey(other))!).toBeGreaterThanOrEqual(shares.get(partitionKey(one))!));
        });
      }),
    );
  });

  it('pay what is owed by the time that passes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 50, max: 50_000 }), (events, rate) => {
        let [owed, ms] = [events, 0];
        while (owed > 0.001) {
          const slept = sleepFor(owed, rate);
          expect(slept).toBeLessThanOrEqual(200);
          ms += slept;
          owed = owedAfter(owed, slept, rate);
        }
        expect(ms).toBeCloseTo((events * 1_000) / rate, 0);
      }),
    );
    expect(owedAfter(100, 0, Infinity)).toBe(0);
    const sizes = { replayBatch: 50_000, liveBatch: 5_000 };
    expect(batchSizeOf({ ...sizes, rate: Infinity }, 'candidate')).toBe(50_000);
    expect(batchSizeOf({ ...sizes, rate: 1_000 }, 'candidate')).toBe(200);
    expect(batchSizeOf({ ...sizes, rate: 1 }, 'active')).toBe(5_000);
  });
});

describe('yielding to what readers see', () => {
  const look = (at: number, lagMs: number, folded: number): Parameters<typeof yieldStep>[1] => ({ at, lagMs, toleratedMs: 1_000, folded });

  it('halves what is folded where the lag is too large, once a second, and never stops', () => {
    const cut = yieldStep({ ...FIRST, rate: 40_000 }, look(0, 1_500, 40_000));
    expect(cut).toEqual({ rate: 20_000, cutAt: 0 });
    expect(yieldStep(cut, look(500, 3_000, 30_000))).toBe(cut);
    expect(yieldStep(cut, look(1_000, 3_000, 20_000)).rate).toBe(10_000);
    let state = cut;
    for (let second = 1; second < 30; second += 1) {
      state = yieldStep(state, look(second * 1_000, 9_000, state.rate));
    }
    expect(state.rate).toBe(TRICKLE);
  });

  it('grows by steps while the lag is small and the rate is used', () => {
    const slow: Yielding = { rate: 2_000, cutAt: 0 };
    expect(yieldStep(slow, look(500, 100, 2_000)).rate).toBe(3_000);
    expect(yieldStep(slow, look(500, 700, 2_000)).rate).toBe(2_000);
    expect(yieldStep({ ...slow, rate: 9_000 }, look(500, 0, 2_000)).rate).toBe(9_000);
  });

  it('settles near what a store can take beside the live traffic', () => {
    const capacity = 12_000;
    let [state, backlog] = [FIRST, 0];
    const lags: number[] = [];
    for (let now = 0; now < 120_000; now += 500) {
      const folded = Math.min(state.rate, 30_000);
      backlog = Math.max(0, backlog + (folded - capacity) / 2); // what the live side could not do in half a second
      const lagMs = (backlog / capacity) * 1_000;
      lags.push(lagMs);
      state = yieldStep(state, look(now, lagMs, folded));
    }
    expect(Math.max(...lags.slice(60))).toBeLessThan(2_000);
    expect(state.rate).toBeGreaterThan(capacity / 4);
  });

  it('measures a lag by when the heads were seen', () => {
    const looks = [10, 20, 30].map((stable, i) => ({ at: i * 500, heads: new Map([['orders/0' as const, stable]]) }));
    const lagAt = (next: number): number => lagByHeads([{ topic: 'orders', partition: 0, next }], looks, 1_200);
    expect([5, 10, 19, 20, 29, 30].map(lagAt)).toEqual([1_200, 700, 700, 200, 200, 0]);
    expect(lagByHeads([{ topic: 'orders', partition: 7, next: 0 }], looks, 1_200)).toBe(0);
  });
});

const candidate = (id: number, more: Partial<Generation> = {}): Generation =>
  ({ id, status: 'candidate', topics: ['orders'], headsAtStart: { 'orders/0': 100, 'orders/1': 100 }, pace: { replay: 1 }, ...more }) as Generation;
const reached = (...next: number[]): readonly Checkpoint[] => next.map((one, partition) => ({ topic: 'orders', partition, next: one }) as Checkpoint);

describe('what a worker makes of paces', () => {
  it('lets so many generations be rebuilt at a time, the oldest first', () => {
    const pace = { replay: 1, concurrency: 1 };
    const all = [candidate(3, { pace }), candidate(1, { pace }), candidate(2, { pace })];
    const halted = (a: number): readonly number[] =>
      [
        ...haltedOf(
          all,
          new Map([
            [1, reached(a, 100)],
            [2, reached(0, 0)],
            [3, reached(0, 0)],
          ]),
          0,
        ).keys(),
      ].sort();
    expect(halted(50)).toEqual([2, 3]);
    expect(halted(100)).toEqual([3]);
  });

  const pacing = (maxRate: number, lags: { next: number; stable: number; now: number }): Pacing =>
    new Pacing({
      maxRate,
      clock: { now: () => lags.now },
      catalog: { checkpoints: (id) => Promise.resolve(id === 9 ? reached(lags.next) : reached(60, 80)) },
      log: { heads: () => Promise.resolve([{ topic: 'orders', partition: 0, start: 0, stable: lags.stable, end: lags.stable }]) },
    });

  it('divides a rate among its partitions, and its own among its candidates', async () => {
    const one = pacing(300, { next: 0, stable: 0, now: 0 });
    await one.learn([candidate(1, { pace: { replay: 1, rate: 600 } })]);
    one.here(new Set([1]));
    expect(one.rate(1, ['orders/0'])).toBeCloseTo(300);
    expect(one.rate(1, ['orders/1'])).toBeCloseTo(200);
    await one.learn([candidate(1), candidate(2)]);
    one.here(new Set([1, 2]));
    expect(one.rate(1, ['orders/0', 'orders/1'])).toBe(150);
    expect(pacing(0, { next: 0, stable: 0, now: 0 }).rate(1, [])).toBe(Infinity);
  });

  it('folds slower once readers lag, and faster again afterwards', async () => {
    const state = { next: 0, stable: 1_000, now: 0 };
    const one = pacing(0, state);
    const generations = [candidate(1, { pace: { replay: 1, yieldMs: 1_000 } }), { ...candidate(9, { status: 'active' }), pace: undefined }];
    await one.learn(generations);
    one.here(new Set([1]));
    await one.look();
    const first = one.rate(1, ['orders/0']);
    expect(first).toBe(FIRST.rate);
    for (state.now = 500; state.now <= 1_500; state.now += 500) {
      one.folded(1, 5_000);
      await one.look();
    }
    const cut = one.rate(1, ['orders/0']);
    expect(cut).toBe((first + 1_000) / 2); // one look without lag came before
    state.next = 1_000;
    for (; state.now <= 2_500; state.now += 500) {
      one.folded(1, cut);
      await one.look();
    }
    expect(one.rate(1, ['orders/0'])).toBeGreaterThan(cut);
  });
});

describe('a plan', () => {
  it('estimates by the slower of what can be done and what is allowed', () => {
    expect(estimateOf(1_000, { replay: 3, eventsPerSecond: 100 }, 500, {})).toEqual({ seconds: 10, eventsPerSecond: 100, basis: 'replay 3 folded so fast' });
    expect(estimateOf(1_000, undefined, 500, {})).toMatchObject({ seconds: 2, basis: expect.stringContaining('sample') as string });
    expect(estimateOf(1_000, undefined, 500, { rate: 10 })).toMatchObject({ seconds: 100, basis: 'the rate given' });
    expect(estimateOf(1_000, undefined, undefined, {})).toMatchObject({ seconds: undefined, basis: expect.stringContaining('nothing was measured') as string });
  });

  it('learns from earlier replays that nobody slowed down', () => {
    const step = (fromState: string, toState: string, at: number, facts: object = {}): never =>
      ({ step: at, fromState, toState, by: 'me', facts, at }) as never;
    const heads = { heads: { 'a v2.r1 (postgres)': { 'orders/0': 4_000, 'orders/1': 6_000 } } };
    const steps = [step('provisioning', 'replaying', 1_000, heads), step('replaying', 'catching-up', 3_000)];
    expect(rateOfSteps(steps)).toBe(5_000);
    expect(rateOfSteps([...steps, step('replaying', 'replaying', 2_000, { paused: 'sale' })])).toBeUndefined();
    expect(rateOfSteps(steps.slice(0, 1))).toBeUndefined();
  });

  it('refuses where there is less room than needed, if that is known', () => {
    expect(roomRefusals('postgres', { needed: 10, free: undefined, basis: '' })).toEqual([]);
    expect(roomRefusals('postgres', { needed: 10, free: 10, basis: '' })).toEqual([]);
    expect(roomRefusals('postgres', { needed: 10, free: 9, basis: '' })).toEqual([expect.objectContaining({ code: 'replay.no-room' })]);
  });

  it('looks at the begin, the end and between, each once', () => {
    expect(placesOf({ start: 0, stable: 0 })).toEqual([]);
    expect(placesOf({ start: 5, stable: 6 })).toEqual([5]);
    expect(placesOf({ start: 0, stable: 1_100 })).toEqual([0, 250, 500, 750, 1_000]);
  });

  it('says that a rate below what comes in would never catch up', () => {
    const plan: ReplayPlan = {
      members: [{ from: 'a v1.r1 (postgres)', to: 'a v2.r1 (postgres)', store: 'postgres', switchOrder: 0 }],
      topics: [{ topic: 'orders', partitions: 2, events: 100, bytes: 1_234_567, lastHour: 36_000, loses: undefined }],
      events: 100,
      bytes: 1_234_567,
      estimate: { seconds: 10, eventsPerSecond: 10, basis: 'the rate given' },
      disk: [{ store: 'postgres', needed: 0, free: undefined, basis: 'x' }],
      statements: [],
      breaking: [],
      errata: 0,
      pace: { rate: 10 },
      refusals: [],
    };
    expect(replayPlanText(plan)).toContain('would never catch up');
    expect(replayPlanText({ ...plan, pace: {} })).not.toContain('never');
    expect(replayPlanText({ ...plan, breaking: [{ store: 'postgres', view: 'public.a', columns: ['n: numeric(18,2) -> numeric(20,4)'] }] })).toContain(
      'the cutover needs --breaking: view public.a (postgres) cannot keep its columns (n: numeric(18,2) -> numeric(20,4))',
    );
    expect([bytesText(0), bytesText(999), bytesText(1_500), bytesText(12_000_000)]).toEqual(['0 bytes', '999 bytes', '1.5 kB', '12 MB']);
  });
});
