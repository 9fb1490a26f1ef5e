import fc from 'fast-check';
import { COMPRESSIONS, registerCodecs } from '../../../src/events/adapters/kafka/codecs';
import { crc32c } from '../../../src/events/adapters/kafka/crc32c';
import { encodeBatch, sizeOf } from '../../../src/events/adapters/kafka/record-batch';
import type { NewRecord } from '../../../src/events/event-log';

interface DecodedBatch {
  readonly attributes: number;
  readonly producerId: string;
  readonly producerEpoch: number;
  readonly firstTimestamp: string;
  readonly maxTimestamp: string;
  readonly lastOffsetDelta: number;
  readonly records: readonly {
    readonly key: Buffer;
    readonly value: Buffer | null;
    readonly headers: Record<string, Buffer>;
    readonly timestamp: string;
    readonly offset: string;
  }[];
}

/* eslint-disable @typescript-eslint/no-require-imports -- the library's own reader, which its types do not show */
const Decoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object;
const decodeByLibrary = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (decoder: unknown) => Promise<DecodedBatch>;
const crcByLibrary = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;
/* eslint-enable @typescript-eslint/no-require-imports */

const bytes = (maxLength: number): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const text = fc.string({ unit: 'binary', maxLength: 80 });
const records = fc.array(
  fc.record({
    topic: fc.constant('t'),
    key: bytes(70).map((key) => (key.length === 0 ? Buffer.from('k') : key)),
    value: fc.option(
      fc.oneof(
        bytes(200),
        fc.integer({ min: 0, max: 20_000 }).map((length) => Buffer.alloc(length, 7)),
      ),
      { nil: null },
    ),
    headers: fc.dictionary(
      text.filter((name) => !(name in {})), // such names the library reads wrong
      text,
      { maxKeys: 4 },
    ),
    timestamp: fc.integer({ min: 0, max: 4_102_444_800_000 }),
  }),
  { minLength: 1, maxLength: 20 },
) as fc.Arbitrary<NewRecord[]>;
const origin = { producerId: 4_294_967_297n, producerEpoch: 3, sequence: 2_147_483_640 };

const decoded = (batch: Buffer): Promise<DecodedBatch> => decodeByLibrary(new Decoder(batch));

/** Comparable; buffers themselves are compared slowly. */
const plain = ({ key, value, headers, timestamp }: Pick<NewRecord, 'key' | 'value'> & { headers: object; timestamp?: unknown }): unknown => [
  key.toString('hex'),
  value?.toString('hex'),
  Object.entries(headers).map(([name, header]) => [name, String(header)]),
  Number(timestamp),
];

describe('a batch of records', () => {
  beforeAll(registerCodecs);

  it.each(COMPRESSIONS)('is read by the library as it was given, compressed with %s', async (compression) => {
    await fc.assert(
      fc.asyncProperty(records, async (given) => {
        const batch = await encodeBatch(given, given.map(sizeOf), 0, origin, compression);
        const { records: found, ...head } = await decoded(batch);
        expect(found.map(plain)).toEqual(given.map(plain));
        expect(head).toMatchObject({ producerEpoch: 3, lastOffsetDelta: given.length - 1 });
        expect(String(head.producerId)).toBe('4294967297');
        expect(Number(head.maxTimestamp)).toBe(Math.max(...given.map(({ timestamp }) => timestamp!)));
        expect(batch.readInt32BE(8)).toBe(batch.length - 12);
        expect(batch.readInt32BE(53)).toBe(origin.sequence);
        expect(batch.readUInt32BE(17)).toBe(crcByLibrary(batch.subarray(21)) >>> 0);
      }),
      { numRuns: compression === 'none' ? 100 : 20 },
    );
  });

  it('carries headers that are bytes beside those that are text', async () => {
    const binaryHeaders = { offset: Buffer.from([0, 0xff, 0xc0, 0x80]), empty: Buffer.alloc(0) };
    const given: NewRecord = { topic: 't', key: Buffer.from('k'), value: null, headers: { one: 'two' }, binaryHeaders };
    const { records: found } = await decoded(await encodeBatch([given], [sizeOf(given)], 0, origin, 'none'));
    expect(found[0]!.headers).toEqual({ one: Buffer.from('two'), ...binaryHeaders });
  });

  it('is no larger than its records were said to be', async () => {
    await fc.assert(
      fc.asyncProperty(records, async (given) => {
        const batch = await encodeBatch(given, given.map(sizeOf), 0, origin, 'none');
        expect(batch.length).toBeLessThanOrEqual(given.map(sizeOf).reduce((sum, size) => sum + size, 61));
      }),
    );
  });

  it('gives the time of the batch to records without one', async () => {
    const record: NewRecord = { topic: 't', key: Buffer.from('k'), value: null, headers: {} };
    const { records: found } = await decoded(await encodeBatch([record, { ...record, timestamp: 5 }], [100, 100], 1_700_000_000_000, origin, 'none'));
    expect(found.map(({ timestamp }) => Number(timestamp))).toEqual([1_700_000_000_000, 5]);
  });

  it('has the checksum of the standard', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283); // RFC 3720, B.4, and its polynomial's check value
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  });
});
