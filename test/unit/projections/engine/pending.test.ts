import fc from 'fast-check';
import type { DecodedBatch, DecodedRecord } from '../../../../src/projections/engine/decoded';
import { halves, Pending } from '../../../../src/projections/engine/pending';

const record = (offset: number): DecodedRecord => ({
  offset,
  timestamp: 0,
  id: '',
  time: 0,
  events: [],
  aside: undefined,
  failed: undefined,
  raw: { topic: 't', partition: 0, offset, timestamp: 0, key: null, value: null, headers: {} },
});
const batch = (from: number, next: number, offsets: readonly number[], partition = 0): DecodedBatch => ({
  topic: 't',
  partition,
  from,
  next,
  records: offsets.map(record),
});
const failure = (offset: number, partition = 0) => ({ topic: 't', partition, offset, error: new Error('bad') });
const ranges = (batches: readonly DecodedBatch[]) => batches.map((b) => [b.partition, b.from, b.next, b.records.length]);

describe('what waits to be committed', () => {
  it('is everything, while no hold is known', () => {
    const pending = new Pending();
    pending.add(batch(0, 5, [0, 1, 4]), undefined);
    expect(ranges(pending.ready())).toEqual([[0, 0, 5, 3]]);
    expect([...pending.partitions()]).toEqual(['t/0']);
    expect(pending.probe()).toEqual([]);
  });

  it('a partition at its hold waits, the others go on to theirs, and one offset asks whether it was lifted', () => {
    const pending = new Pending();
    pending.add(batch(2, 9, [2, 3, 8], 0), undefined);
    pending.add(batch(0, 9, [1, 2, 8], 1), undefined);
    pending.add(batch(0, 2, [0], 2), undefined);
    pending.held(new Map([['t/0', 2], ['t/1', 3]])); // prettier-ignore
    expect(ranges(pending.ready())).toEqual([
      [1, 0, 3, 2],
      [2, 0, 2, 1],
    ]);
    expect(ranges(pending.probe())).toEqual([[0, 2, 3, 1]]);
    pending.committed('t/1', 3);
    pending.committed('t/2', 2);
    expect(pending.settle()).toEqual([]);
    expect(pending.size).toBe(2);
    pending.held(new Map());
    expect(ranges(pending.ready())).toEqual([
      [0, 2, 9, 3],
      [1, 3, 9, 1],
    ]);
  });

  it('a failure is reached when everything before it is committed, and nothing behind it is kept', () => {
    const pending = new Pending();
    pending.add(batch(0, 5, [0, 4]), failure(5));
    expect(pending.settle()).toEqual([]);
    pending.failed(failure(3));
    expect(ranges(pending.ready())).toEqual([[0, 0, 3, 1]]);
    expect(pending.isGivenUp(batch(3, 5, [4]))).toBe(true);
    pending.committed('t/0', 3);
    expect(pending.settle()).toEqual([failure(3)]);
    expect(pending.size).toBe(0);
  });
});

describe('halves', () => {
  it('are about equal, join without a gap, and lose nothing', () => {
    const batches = fc
      .array(fc.uniqueArray(fc.nat(20), { maxLength: 8 }), { maxLength: 4 })
      .map((lists) => lists.map((offsets, partition) => batch(0, 21, [...offsets].sort((a, b) => a - b), partition))); // prettier-ignore
    fc.assert(
      fc.property(batches, (given) => {
        const [first, second] = halves(given);
        const count = (list: readonly DecodedBatch[]): number => list.reduce((n, b) => n + b.records.length, 0);
        expect(count(first)).toBe(Math.floor(count(given) / 2));
        for (const whole of given) {
          const parts = [...first, ...second].filter(({ partition }) => partition === whole.partition);
          expect(parts.flatMap(({ records }) => records)).toEqual(whole.records);
          expect([parts[0]!.from, parts.at(-1)!.next]).toEqual([whole.from, whole.next]);
          expect(parts.slice(1).every((part, i) => part.from === parts[i]!.next)).toBe(true);
        }
      }),
    );
  });
});
