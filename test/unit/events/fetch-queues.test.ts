import fc from 'fast-check';
import type { LogBatch, LogRecord } from '../../../src/events/event-log';
import { FetchQueues, rotated, shareEvenly } from '../../../src/events/fetch-queues';
import { partitionId } from '../../../src/events/position';

const topic = 't';
const record = (partition: number, offset: number, bytes = 1): LogRecord => ({
  topic,
  partition,
  offset,
  timestamp: 0,
  key: null,
  value: Buffer.alloc(bytes),
  headers: {},
});
/** `shape`: one letter per offset, `r` a record, `m` a marker. */
const batch = (partition: number, from: number, shape: string): LogBatch => ({
  topic,
  partition,
  from,
  next: from + shape.length,
  records: [...shape].flatMap((letter, i) => (letter === 'r' ? [record(partition, from + i)] : [])),
});
const queuesFrom = (begins: readonly number[], maxQueuedRecords = 1_000_000, maxQueuedBytes = 1_000_000): FetchQueues =>
  new FetchQueues(
    begins.map((_, partition) => ({ topic, partition })),
    new Map(begins.map((begin, partition) => [partitionId({ topic, partition }), begin])),
    { maxQueuedRecords, maxQueuedBytes },
  );

describe('shareEvenly', () => {
  it('gives out all there is or all that is wanted, and nobody less than another who wanted no more', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 1, maxLength: 8 }), fc.nat(200), fc.nat(20), (wanted, total, rotation) => {
        const shares = shareEvenly(wanted, total, rotation);
        const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
        expect(sum(shares)).toBe(Math.min(total, sum(wanted)));
        shares.forEach((share, i) => {
          expect(share).toBeLessThanOrEqual(wanted[i]!);
          if (share < wanted[i]!) {
            expect(share).toBeGreaterThanOrEqual(Math.max(...shares) - 1);
          }
        });
      }),
    );
  });

  it('lets nobody starve when there is too little for all', () => {
    const served = new Set([0, 1, 2].flatMap((rotation) => shareEvenly([9, 9, 9], 1, rotation).flatMap((share, i) => (share > 0 ? [i] : []))));
    expect(served.size).toBe(3);
  });
});

describe('rotated', () => {
  it('keeps the order and lets everyone be the first in turn', () => {
    expect([0, 1, 2, 3].map((by) => rotated(['a', 'b', 'c'], by).join(''))).toEqual(['abc', 'bca', 'cab', 'abc']);
    expect(rotated([], 5)).toEqual([]);
  });
});

describe('FetchQueues', () => {
  it('hands over every offset exactly once, in ranges that join, however it is cut', () => {
    const shapes = fc.array(fc.string({ unit: fc.constantFrom('r', 'r', 'm'), maxLength: 12 }), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(shapes, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 7 }), (partitions, maxRecords) => {
        const queues = queuesFrom(partitions.map((_, partition) => partition * 10));
        const next = partitions.map((_, partition) => partition * 10);
        const expected: string[] = [];
        const got: string[] = [];
        const takeAll = (): void => {
          for (const taken of queues.take(maxRecords)) {
            expect(taken.from).toBe(next[taken.partition]);
            next[taken.partition] = taken.next;
            taken.records.forEach(({ partition, offset }) => {
              expect(offset >= taken.from && offset < taken.next).toBe(true);
              got.push(`${partition}@${offset}`);
            });
          }
        };
        partitions.forEach((batches, partition) => {
          for (const shape of batches) {
            const one = batch(partition, queues.next({ topic, partition })!, shape);
            one.records.forEach(({ offset }) => expected.push(`${partition}@${offset}`));
            queues.offer(one);
            takeAll();
          }
        });
        while (!queues.isEmpty) {
          takeAll();
        }
        expect([...got].sort()).toEqual(expected.sort());
        expect(next).toEqual(partitions.map((_, partition) => queues.next({ topic, partition })));
        expect(queues.held()).toEqual({ records: 0, bytes: 0, mostRecords: 0 });
      }),
    );
  });

  it('delivers a range of markers alone', () => {
    const queues = queuesFrom([5]);
    queues.offer(batch(0, 5, 'mm'));
    expect(queues.take(1)).toEqual([{ topic, partition: 0, from: 5, next: 7, records: [] }]);
    expect(queues.take(1)).toEqual([]);
  });

  it.each([
    ['records', 4, 1_000_000],
    ['bytes', 1_000_000, 4],
  ])('wants more while at most half of the limit of %s is held, so that a whole answer finds room', (_, maxRecords, maxBytes) => {
    const id = { topic, partition: 0 };
    const queues = queuesFrom([0], maxRecords, maxBytes);
    queues.offer(batch(0, 0, 'rr'));
    expect(queues.wantsMore(id)).toBe(true);
    queues.offer(batch(0, 2, 'rr'));
    expect(queues.wantsMore(id)).toBe(false);
    queues.take(1);
    expect(queues.wantsMore(id)).toBe(false);
    queues.take(1);
    expect(queues.wantsMore(id)).toBe(true);
  });

  it('refuses a batch that does not join, and ignores partitions that are dropped or left out', () => {
    const queues = queuesFrom([0, 0]);
    expect(() => queues.offer(batch(0, 1, 'r'))).toThrow('does not join');
    queues.offer(batch(0, 0, 'r'));
    queues.drop([{ topic, partition: 0 }]);
    queues.offer(batch(0, 7, 'r'));
    queues.offer(batch(9, 7, 'r'));
    expect(queues.take(10)).toEqual([]);
    expect(queues.partitions).toEqual([{ topic, partition: 1 }]);
    expect(queues.wantsMore({ topic, partition: 0 })).toBe(false);
  });
});
