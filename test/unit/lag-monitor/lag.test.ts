import fc from 'fast-check';
import {
  LAG_STATUSES,
  generationLag,
  partitionLag,
  partitionsOf,
  sightingOf,
  worstStatus,
  type LagLimits,
  type PartitionFacts,
} from '../../../src/lag-monitor/lag';
import { checkpointOf, factsOf, generationOf, headOf } from './facts';

const NOW = 1_800_000_000_000;
const LIMITS: LagLimits = { objectiveMs: 30_000, stallAfterMs: 60_000 };
const lag = (facts: PartitionFacts, status: 'candidate' | 'active' = 'active', workers = 1) => partitionLag(facts, status, workers, NOW, LIMITS);

const small = fc.nat({ max: 1_000 });
const time = fc.integer({ min: NOW - 10_000_000, max: NOW + 10_000_000 });
const times = fc.option(fc.record({ offset: small, timestamp: time, eventTime: time, id: fc.constantFrom('', 'a') }), { nil: undefined });
const anyFacts: fc.Arbitrary<PartitionFacts> = fc
  .record({
    start: small,
    length: small,
    open: small,
    next: small,
    inLog: fc.boolean(),
    inSchema: fc.boolean(),
    owner: fc.constantFrom('w1', undefined),
    streamTime: fc.option(time, { nil: undefined }),
    newest: times,
    waiting: times,
    unmovedSince: time,
  })
  .map(({ start, length, open, next, inLog, inSchema, owner, streamTime, ...rest }) => ({
    topic: 'orders',
    partition: 0,
    head: inLog ? { ...headOf(start, start + length), end: start + length + open } : undefined,
    checkpoint: inSchema ? checkpointOf(next, { owner, streamTime }) : undefined,
    ...rest,
  }));

describe('the figures, whatever the facts are', () => {
  it('are finite and never negative, and the lag is at most what the log holds', () => {
    fc.assert(
      fc.property(anyFacts, fc.constantFrom('candidate' as const, 'active' as const), fc.nat({ max: 2 }), (facts, status, workers) => {
        const one = lag(facts, status, workers);
        for (const figure of [one.next, one.lagRecords, one.lagSeconds, one.eventTimeLagSeconds, one.recordsLost, one.retentionMargin]) {
          expect(Number.isFinite(figure) && figure >= 0).toBe(true);
        }
        expect(one.lagRecords).toBeLessThanOrEqual(facts.head === undefined ? 0 : facts.head.stable - facts.head.start);
        expect(LAG_STATUSES).toContain(one.status);
        expect(one.reason === '').toBe(one.status === 'ok');
      }),
    );
  });

  it('are zero where no record waits, at any time: an idle topic does not grow', () => {
    fc.assert(
      fc.property(anyFacts, fc.nat(), (facts, later) => {
        const head = facts.head ?? headOf(0, 10);
        const idle = { ...facts, head, checkpoint: checkpointOf(head.stable, { owner: 'w1' }), newest: undefined };
        const one = partitionLag(idle, 'active', 1, NOW + later, LIMITS);
        expect(one).toMatchObject({ status: 'ok', lagRecords: 0, lagSeconds: 0, eventTimeLagSeconds: 0, recordsLost: 0 });
      }),
    );
  });

  it('do not rise when a checkpoint moves forward', () => {
    fc.assert(
      fc.property(anyFacts, small, (facts, step) => {
        const before = facts.checkpoint ?? checkpointOf(0);
        const a = lag({ ...facts, checkpoint: before });
        const b = lag({ ...facts, checkpoint: { ...before, next: before.next + step } });
        expect(b.lagRecords).toBeLessThanOrEqual(a.lagRecords);
        expect(b.recordsLost).toBeLessThanOrEqual(a.recordsLost);
      }),
    );
  });

  it('count every record below the head once: folded, waiting or lost', () => {
    fc.assert(
      fc.property(small, small, small, (start, length, next) => {
        fc.pre(next <= start + length);
        const one = lag(factsOf(headOf(start, start + length), checkpointOf(next)));
        expect(next + one.recordsLost + one.lagRecords).toBe(start + length);
      }),
    );
  });
});

describe('the status', () => {
  const waiting = { offset: 5, timestamp: NOW - 12_000, eventTime: NOW - 50_000, id: 'e5' };
  const newest = { offset: 9, timestamp: NOW - 1_000, eventTime: NOW - 20_000, id: 'e9' };
  const stoppedBy = { topic: 'orders', partition: 0, offset: 5, code: 'handler.failed', message: 'no', remedy: 'Correct it.' };
  const behind = { ...factsOf(headOf(0, 10), checkpointOf(5, { streamTime: NOW - 60_000 })), waiting, newest, unmovedSince: NOW };

  it.each([
    ['ok', 'ok', behind, {}],
    ['a record that waits too long', 'warn', { ...behind, waiting: { ...waiting, timestamp: NOW - 31_000 } }, { reason: expect.stringContaining('31.0 s') }],
    ['not moving', 'stalled', { ...behind, unmovedSince: NOW - 60_000 }, { reason: 'it has not moved for 60 s' }],
    ['never taken', 'no-checkpoint', { ...behind, checkpoint: checkpointOf(0, { owner: undefined }) }, { lagRecords: 10 }],
    ['no row', 'no-checkpoint', { ...behind, head: headOf(3, 10), checkpoint: undefined }, { lagRecords: 7, next: 3, recordsLost: 0 }],
    ['an error', 'stopped', { ...behind, checkpoint: checkpointOf(5, { stoppedBy }) }, { reason: '[handler.failed] no', stoppedBy }],
    ['below the start of the log', 'stopped', { ...behind, head: headOf(8, 10) }, { lagRecords: 2, recordsLost: 3, retentionMargin: 0 }],
    ['beyond the head', 'rewound', { ...behind, head: headOf(0, 3) }, { lagRecords: 0, recordsLost: 0 }],
    ['no such partition', 'stopped', { ...behind, head: undefined }, { lagRecords: 0, lagSeconds: 0 }],
  ] as const)('%s', (_what, status, facts, more) => {
    expect(lag(facts)).toMatchObject({ status, ...more });
  });

  it('says seconds of waiting and of event time apart', () => {
    expect(lag(behind)).toMatchObject({ lagRecords: 5, lagSeconds: 12, eventTimeLagSeconds: 40 });
    expect(lag({ ...behind, waiting: undefined, unmovedSince: NOW - 7_000 })).toMatchObject({ lagSeconds: 7 });
  });

  it('without a live worker is stalled where records wait, else a warning', () => {
    expect(lag(behind, 'active', 0)).toMatchObject({ status: 'stalled', reason: 'no live worker folds it' });
    expect(lag(factsOf(headOf(0, 5), checkpointOf(5)), 'active', 0)).toMatchObject({ status: 'warn', lagRecords: 0 });
  });

  it('of a candidate knows no objective, for it reads history', () => {
    expect(lag({ ...behind, waiting: { ...waiting, timestamp: 0 } }, 'candidate').status).toBe('ok');
  });

  it('notices another record where the last one was folded', () => {
    const head = headOf(0, 10);
    const folded = checkpointOf(10, { fingerprint: { offset: 9, timestamp: newest.timestamp, id: 'e9' } });
    expect(lag({ ...factsOf(head, folded), newest }).status).toBe('ok');
    expect(lag({ ...factsOf(head, folded), newest: { ...newest, id: 'other' } }).status).toBe('rewound');
  });

  it('of several is the worst', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...LAG_STATUSES)), (statuses) => {
        const worst = worstStatus(statuses);
        expect(statuses.every((one) => LAG_STATUSES.indexOf(worst) <= LAG_STATUSES.indexOf(one))).toBe(true);
        expect(statuses.length === 0 ? worst === 'ok' : statuses.includes(worst)).toBe(true);
      }),
    );
  });
});

it('a generation sums records and takes the largest seconds', () => {
  const at = (next: number, waited: number) => lag({ ...factsOf(headOf(0, 10), checkpointOf(next)), unmovedSince: NOW - waited });
  expect(generationLag(generationOf(), 2, [at(4, 3_000), at(8, 9_000), at(10, 50_000)])).toMatchObject({
    label: 'order-summary v2.r1 (postgres)',
    workers: 2,
    lagRecords: 8,
    lagSeconds: 9,
    status: 'ok',
  });
});

it('a partition stands from when it was first seen there with records waiting', () => {
  const first = sightingOf(undefined, 5, false, 1_000);
  const idle = sightingOf(first, 5, false, 9_000);
  expect(idle).toEqual({ next: 5, since: 9_000 });
  expect(sightingOf(idle, 5, true, 10_000)).toEqual({ next: 5, since: 9_000 });
  expect(sightingOf(idle, 6, true, 10_000)).toEqual({ next: 6, since: 10_000 });
});

it('lists partitions of the log without a row, and rows without a partition', () => {
  const heads = [headOf(0, 3), { ...headOf(0, 3), partition: 1 }, { ...headOf(0, 3), topic: 'other' }];
  const checkpoints = [checkpointOf(1), { ...checkpointOf(1), partition: 2 }];
  expect(partitionsOf(['orders'], heads, checkpoints).map((one) => [one.partition, one.head !== undefined, one.checkpoint !== undefined])).toEqual([
    [0, true, true],
    [1, true, false],
    [2, false, true],
  ]);
});
