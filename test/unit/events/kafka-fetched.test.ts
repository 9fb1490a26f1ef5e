import fc from 'fast-check';
import { readBatches } from '../../../src/events/adapters/kafka/batch-reader';
import { COMPRESSIONS } from '../../../src/events/adapters/kafka/codecs';
import { crc32c } from '../../../src/events/adapters/kafka/crc32c';
import type { AbortedTransaction } from '../../../src/events/adapters/kafka/fetch';
import { toBatch, toRange, type FetchedPartition } from '../../../src/events/adapters/kafka/fetched';
import { splitBySize } from '../../../src/events/adapters/kafka/record-batch';
import { FetchQueues } from '../../../src/events/fetch-queues';
import type { LogBatch, NewRecord } from '../../../src/events/event-log';
import { batchBytes, type Given } from '../../support/fetched-batches';

const ABORT = Buffer.from([0, 0, 0, 0]);
const COMMIT = Buffer.from([0, 0, 0, 1]);
const NO_LIMIT = { records: Infinity, bytes: Infinity };

const one = (offset: number, producerId?: number, more: Partial<NewRecord> = {}): Given => ({
  first: offset,
  records: [{ value: Buffer.from(`v${String(offset)}`), ...more }],
  ...(producerId === undefined ? {} : { producerId }),
});
const marker = (offset: number, producerId: number, key: Buffer): Given => ({ first: offset, records: [{ key }], producerId, isControl: true });
const from = (offset: number) => ({ topic: 't', partition: 0, offset });
const fetched = async (given: readonly Given[], aborted: readonly AbortedTransaction[] = []): Promise<FetchedPartition> => {
  const { batches, fault } = await readBatches(Buffer.concat(await Promise.all(given.map(batchBytes))));
  expect(fault).toBeUndefined();
  return { batches, aborted };
};
const offsets = ({ records }: LogBatch): number[] => records.map(({ offset }) => offset);
const aborted = (producerId: number, firstOffset: number): AbortedTransaction => ({ producerId: BigInt(producerId), firstOffset });

describe('what readers see of a fetched partition', () => {
  it('is nothing aborted where the later transaction ends first', async () => {
    const given = [one(10, 1), one(11, 2), marker(12, 2, ABORT), one(13, 1), marker(14, 1, ABORT), one(15, 1), marker(16, 1, COMMIT)];
    const batch = toBatch(from(10), await fetched(given, [aborted(2, 11), aborted(1, 10)]), NO_LIMIT);
    expect([offsets(batch), batch.next]).toEqual([[15], 17]);
  });

  it('is nothing aborted of two transactions that were open when the fetch began', async () => {
    const given = [one(10, 2), one(11, 1), one(12), marker(13, 1, ABORT), marker(14, 2, ABORT), one(15, 2)];
    expect(offsets(toBatch(from(10), await fetched(given, [aborted(1, 1), aborted(2, 2)]), NO_LIMIT))).toEqual([12, 15]);
  });

  it('is not ended by a key of zeros', async () => {
    const given = [one(10, 1, { key: ABORT }), one(11, 1), marker(12, 1, ABORT)];
    expect(offsets(toBatch(from(10), await fetched(given, [aborted(1, 10)]), NO_LIMIT))).toEqual([]);
  });

  it('is, in whatever order transactions begin and end, what was committed', async () => {
    const step = fc.record({
      producer: fc.integer({ min: 1, max: 3 }),
      end: fc.constantFrom(undefined, undefined, ABORT, COMMIT),
      size: fc.integer({ min: 1, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.nat(), async (steps, seed) => {
        const given: Given[] = [];
        const begun = new Map<number, { first: number; offsets: number[] }>();
        const committed: number[] = [];
        const abortedOnes: { transaction: AbortedTransaction; last: number }[] = [];
        let offset = 0;
        const end = (producer: number, key: Buffer): void => {
          const open = begun.get(producer);
          if (open === undefined) {
            return;
          }
          given.push(marker(offset, producer, key));
          offset += 1;
          begun.delete(producer);
          if (key === COMMIT) {
            committed.push(...open.offsets);
          } else {
            abortedOnes.push({ transaction: aborted(producer, open.first), last: offset - 1 }); // in the order of the ends, as the broker names them
          }
        };
        for (const { producer, end: key, size } of steps) {
          if (key !== undefined) {
            end(producer, key);
            continue;
          }
          given.push({ first: offset, producerId: producer, records: Array.from({ length: size }, () => ({ key: ABORT })) });
          const open = begun.get(producer) ?? { first: offset, offsets: [] };
          open.offsets.push(...Array.from({ length: size }, (_, i) => offset + i));
          begun.set(producer, open);
          offset += size;
        }
        [...begun.keys()].forEach((producer) => {
          end(producer, COMMIT);
        });
        if (given.length === 0) {
          return;
        }
        const start = given[seed % given.length]!.first; // a fetch begins anywhere
        const rest = given.filter(({ first }) => first >= start);
        const seen = toBatch(
          from(start),
          await fetched(
            rest,
            abortedOnes.filter(({ last }) => last >= start).map(({ transaction }) => transaction),
          ),
          NO_LIMIT,
        );
        expect([offsets(seen), seen.next]).toEqual([committed.filter((one) => one >= start).sort((a, b) => a - b), offset]);
      }),
    );
  });
});

describe('a fetched batch', () => {
  const record = fc.record({
    key: fc.uint8Array({ minLength: 1, maxLength: 70 }).map((bytes) => Buffer.from(bytes)),
    value: fc.option(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      { nil: null },
    ),
    headers: fc.dictionary(
      fc.constantFrom('ce_id', 'ce_type', 'ce_time', 'ä', 'toString'),
      fc.oneof(fc.constantFrom('same', 'sane'), fc.string({ unit: 'binary' })),
    ),
    timestamp: fc.integer({ min: 0, max: 4_102_444_800_000 }),
  });

  it('is the same where it is taken apart late, in whatever portions it is taken', async () => {
    const batches = fc.array(fc.tuple(fc.array(record, { minLength: 1, maxLength: 8 }), fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(batches, fc.nat({ max: 12 }), fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1 }), async (given, skipped, portions) => {
        let first = 7;
        const all = given.map(([records, gap]): Given => {
          const at = first + gap;
          first = at + records.length;
          return { first: at, records };
        });
        const position = from(7 + skipped);
        const whole = toBatch(position, await fetched(all), NO_LIMIT);
        const queues = new FetchQueues([position], new Map([['t/0', position.offset]]), { maxQueuedRecords: 1_000, maxQueuedBytes: 1_000_000 });
        queues.offer(toRange(position, await fetched(all), NO_LIMIT));
        const taken: LogBatch[] = [];
        for (let i = 0; !queues.isEmpty; i += 1) {
          taken.push(...queues.take(portions[i % portions.length]!));
        }
        expect(taken.flatMap(({ records }) => records)).toEqual(whole.records);
        expect(taken.flatMap(({ records }) => records)).toEqual(whole.records); // as often as one likes
        expect(taken.map(({ from: begin }) => begin)).toEqual([position.offset, ...taken.slice(0, -1).map(({ next }) => next)].slice(0, taken.length));
        expect(taken.at(-1)?.next ?? position.offset).toBe(whole.next);
        expect(queues.held()).toEqual({ records: 0, bytes: 0, mostRecords: 0 });
      }),
    );
  });

  it('that is queued ends where a limit is reached, and one is taken however large it is', async () => {
    const given = [
      { first: 10, records: [{}, {}, {}] },
      { first: 13, records: [{}] },
      { first: 14, records: [{}] },
    ];
    expect(toRange(from(10), await fetched(given), { records: 4, bytes: Infinity })).toMatchObject({ from: 10, next: 14, parts: [{ count: 3 }, { count: 1 }] });
    expect(toRange(from(11), await fetched(given), { records: 9, bytes: 1 })).toMatchObject({ from: 11, next: 13, parts: [{ count: 2 }] });
    expect(toRange(from(11), await fetched(given), { records: 1, bytes: 1 })).toMatchObject({ from: 11, next: 12, parts: [{ count: 1 }] });
    expect(toRange(from(10), await fetched(given), { records: 0, bytes: 0 })).toMatchObject({ from: 10, next: 11, parts: [{ count: 1 }] });
  });

  it.each(COMPRESSIONS)('is read as it was written, with %s', async (compression) => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 8 }), async (records) => {
        const { records: found, next } = toBatch(from(7), await fetched([{ first: 7, records, compression }]), NO_LIMIT);
        const plain = ({ key, value, headers, timestamp }: (typeof records)[number]) => [
          key.toString('hex'),
          value?.toString('hex'),
          { ...headers },
          timestamp,
        ];
        expect(found.map((one) => plain(one as (typeof records)[number]))).toEqual(records.map(plain));
        expect([found.map(({ offset }) => offset), next]).toEqual([records.map((_, i) => 7 + i), 7 + records.length]);
      }),
      { numRuns: compression === 'none' ? 200 : 10 },
    );
  });

  it('has the time of appending where the topic keeps that', async () => {
    const { records } = toBatch(from(1), await fetched([{ first: 1, records: [{}, { timestamp: 99 }], appendedAt: 77 }]), NO_LIMIT);
    expect(records.map(({ timestamp }) => timestamp)).toEqual([77, 77]);
  });

  it('has of several headers of one name the last, and none where that is null', async () => {
    const { batches } = await fetched([{ first: 1, records: [{ headers: { a: 'ü', b: '12' } }] }]);
    const records = Buffer.from(batches[0]!.records);
    const renamed = Buffer.from(records.map((byte) => (byte === 'b'.charCodeAt(0) ? 'a'.charCodeAt(0) : byte)));
    const read = (bytes: Buffer) => toBatch(from(1), { batches: [{ ...batches[0]!, records: bytes }], aborted: [] }, NO_LIMIT).records[0]!.headers;
    expect([read(records), read(renamed)]).toEqual([{ a: 'ü', b: '12' }, { a: '12' }]);
    const withNull = Buffer.concat([renamed.subarray(0, renamed.length - 3), Buffer.from([1])]); // -1 in place of the length, and nothing behind
    withNull[0] = withNull[0]! - 4; // two bytes less
    expect(read(withNull)).toEqual({});
  });
});

describe('the range of a fetched partition', () => {
  it('counts markers, aborted records and the compacted end of a batch', async () => {
    const last: Given = { first: 11, records: [{}, {}], lastOffset: 14 };
    expect(toBatch(from(10), await fetched([marker(10, 1, COMMIT), last]), NO_LIMIT)).toMatchObject({
      from: 10,
      next: 15,
      records: [{ offset: 11 }, { offset: 12 }],
    });
    expect(toBatch(from(10), await fetched([marker(10, 1, COMMIT)]), NO_LIMIT)).toMatchObject({ from: 10, next: 11, records: [] });
  });

  it('leaves out what lies before the position, and does not move on an empty answer', async () => {
    expect(toBatch(from(11), await fetched([{ first: 10, records: [{}, {}] }]), NO_LIMIT)).toMatchObject({ from: 11, next: 12, records: [{ offset: 11 }] });
    expect(toBatch(from(11), { batches: [], aborted: [] }, NO_LIMIT)).toEqual({ topic: 't', partition: 0, from: 11, next: 11, records: [] });
  });

  it('is cut where a limit falls, before the record that stays', async () => {
    const given = await fetched([one(10), marker(11, 1, COMMIT), { first: 12, records: [{}, {}] }]);
    expect(toBatch(from(10), given, { records: 1, bytes: Infinity })).toMatchObject({ next: 12, records: [{ offset: 10 }] });
    expect(toBatch(from(10), given, { records: 9, bytes: 1 })).toMatchObject({ next: 12, records: [{ offset: 10 }] });
    expect(toBatch(from(10), given, { records: 2, bytes: Infinity })).toMatchObject({ next: 13, records: [{ offset: 10 }, { offset: 12 }] });
  });

  it('ends before a batch that is cut off', async () => {
    const bytes = Buffer.concat([await batchBytes(one(10)), await batchBytes(one(11))]);
    for (const length of [bytes.length - 1, bytes.length / 2 + 20, bytes.length / 2 + 3]) {
      const { batches, fault } = await readBatches(bytes.subarray(0, length));
      expect([batches.map(({ next }) => next), fault]).toEqual([[11], undefined]);
    }
  });

  it('ends before a batch that cannot be read, which is an error with its position when it comes first', async () => {
    const [good, bad] = [await batchBytes(one(10)), await batchBytes(one(11))];
    bad[bad.length - 3]! ^= 1;
    const { batches, fault } = await readBatches(Buffer.concat([good, bad]));
    expect([batches.map(({ next }) => next), fault]).toEqual([
      [11],
      expect.objectContaining({ code: 'log.batch-unreadable', summary: expect.stringContaining('checksum') }),
    ]);

    const broken = await batchBytes({ first: 11, records: [{}, {}] });
    broken[61] = broken[61]! + 2; // the first record claims one byte more
    broken.writeUInt32BE(crc32c(broken, 21), 17);
    const read = await readBatches(Buffer.concat([good, broken]));
    expect(toBatch(from(10), { batches: read.batches, aborted: [] }, NO_LIMIT)).toMatchObject({ next: 11, records: [{ offset: 10 }] });
    expect(() => toBatch(from(11), { batches: read.batches.slice(1), aborted: [] }, NO_LIMIT)).toThrow(
      expect.objectContaining({ code: 'log.batch-unreadable', facts: expect.objectContaining({ topic: 't', partition: 0, offset: 11 }) }),
    );
  });

  it('never ends otherwise than with records or our error, whatever the bytes', async () => {
    const whole = Buffer.concat([await batchBytes({ first: 10, records: [{ headers: { a: 'b' } }, {}] }), await batchBytes(one(12))]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }), fc.boolean(), async (changes, isChecked) => {
        const bytes = Buffer.from(whole);
        changes.forEach(([at, byte]) => (bytes[at] = byte));
        if (!isChecked) {
          bytes.writeUInt32BE(crc32c(bytes, 21, Math.min(bytes.length, Math.max(21, 12 + bytes.readInt32BE(8)))), 17);
        }
        try {
          const { batches } = await readBatches(bytes);
          expect(toBatch(from(10), { batches, aborted: [] }, NO_LIMIT).next).toBeGreaterThanOrEqual(10);
        } catch (error) {
          expect(error).toMatchObject({ code: 'log.batch-unreadable' });
        }
      }),
    );
  });

  it('refuses a batch of before Kafka 0.11', async () => {
    const bytes = await batchBytes(one(10));
    bytes[16] = 1;
    expect(await readBatches(bytes)).toMatchObject({ batches: [], fault: { code: 'log.batch-unreadable', summary: expect.stringContaining('0.11') } });
  });
});

describe('splitBySize', () => {
  it('keeps order, loses nothing, and lets a record that is too large go alone', () => {
    const records = [10, 50, 500, 1, 1].map((size, i) => ({ topic: 't', key: Buffer.from(String(i)), value: Buffer.alloc(size), headers: {} }));
    const parts = splitBySize(records, 150);
    expect(parts.flat()).toEqual(records);
    expect(parts.map((part) => part.length)).toEqual([2, 1, 2]);
  });
});
