import fc from 'fast-check';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { defineEventType, type FromAvro } from '../../../src/events/event-type';
import { EventTypes } from '../../../src/events/event-types';
import { Decimal } from '../../../src/kernel/decimal';
import { stored } from './serde-fixture';

const everything = {
  type: 'record',
  fields: [
    { name: 'text', type: 'string' },
    { name: 'flag', type: 'boolean' },
    { name: 'small', type: 'int' },
    { name: 'large', type: 'long' },
    { name: 'single', type: 'float' },
    { name: 'real', type: 'double' },
    { name: 'raw', type: 'bytes' },
    { name: 'nothing', type: 'null' },
    { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 38, scale: 4 } },
    { name: 'millis', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'micros', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'status', type: { type: 'enum', name: 'Status', symbols: ['placed', 'shipped'] } },
    { name: 'tags', type: { type: 'array', items: 'string' } },
    { name: 'counts', type: { type: 'map', values: 'long' } },
    {
      name: 'lines',
      type: {
        type: 'array',
        items: {
          type: 'record',
          name: 'Line',
          fields: [
            { name: 'sku', type: 'string' },
            { name: 'price', type: ['null', { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 }] },
          ],
        },
      },
    },
    { name: 'maybeText', type: ['null', 'string'] },
    { name: 'maybeLong', type: ['null', 'long'] },
    { name: 'maybeBytes', type: ['null', 'bytes'] },
    { name: 'maybeTime', type: ['null', { type: 'long', logicalType: 'timestamp-millis' }] },
    { name: 'uuid', type: { type: 'string', logicalType: 'uuid' } },
    { name: 'maybeUuid', type: ['null', { type: 'string', logicalType: 'uuid' }] },
    { name: 'textOrLong', type: ['string', 'long'] },
  ],
} as const;

type Fields = FromAvro<typeof everything>;

class Everything {
  constructor(fields: Fields) {
    Object.assign(this, fields);
  }
}
defineEventType<typeof everything, Everything>(Everything, {
  name: 'test.Everything',
  version: 1,
  topic: 't',
  key: (e) => `k${(e as Fields).text}`,
  time: () => new Date(0),
  schema: everything,
});

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const edges64 = fc.constantFrom(
  -(2n ** 63n),
  2n ** 63n - 1n,
  -1n,
  0n,
  2n ** 53n,
  -(2n ** 53n) - 1n,
  2n ** 47n,
  -(2n ** 47n),
  2n ** 48n - 1n,
  2n ** 55n,
  2n ** 56n,
);
const long = fc.oneof(int64, edges64, fc.bigInt({ min: -100n, max: 100n }));
const text = fc.string({ unit: 'binary' });
const date = fc.oneof(
  fc.date({ noInvalidDate: true }),
  fc.constantFrom(new Date(-1), new Date(0), new Date(8.64e15), new Date(-8.64e15), new Date('1912-06-23T00:00:00.001Z')),
);
const decimal = (digits: number, scale: number): fc.Arbitrary<Decimal> =>
  fc.bigInt({ min: -(10n ** BigInt(digits)) + 1n, max: 10n ** BigInt(digits) - 1n }).map((unscaled) => new Decimal(unscaled, scale));
const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => new Uint8Array(array));
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });

const fields: fc.Arbitrary<Fields> = fc.record(
  {
    text,
    flag: fc.boolean(),
    small: fc.integer().map((n) => n | 0),
    large: long,
    single: fc.float(),
    real: fc.double(),
    raw: bytes,
    nothing: fc.constant(null),
    amount: fc.oneof(
      decimal(38, 4),
      decimal(3, 4),
      fc.constantFrom(...[0n, -1n, 127n, 128n, -128n, -129n, 2n ** 47n, -(2n ** 47n), 2n ** 63n].map((n) => new Decimal(n, 4))),
    ),
    millis: date,
    micros: date,
    status: fc.constantFrom('placed', 'shipped'),
    tags: fc.array(text),
    counts: fc.dictionary(fc.oneof(text, fc.constant('__proto__')), long, { noNullPrototype: true }),
    lines: fc.array(fc.record({ sku: text, price: maybe(decimal(12, 2)) }, { noNullPrototype: true })),
    maybeText: maybe(text),
    maybeLong: maybe(long),
    maybeBytes: maybe(bytes),
    maybeTime: maybe(date),
    uuid: fc.uuid(),
    maybeUuid: maybe(fc.uuid()),
    textOrLong: fc.oneof(text, long),
  },
  { noNullPrototype: true },
);

test('an event of any supported fields comes back equal, as an instance of its class', async () => {
  const serde = new AvroSerde({ types: new EventTypes([Everything]), registry: new MemorySchemaRegistry(), source: 'shop' });
  await serde.start();
  const decoder = serde.decoder([Everything]);
  await decoder.prepare([stored(serde.encode(new Everything(fc.sample(fields, 1)[0] as Fields)))]);
  fc.assert(
    fc.property(fields, (given) => {
      const event = new Everything(given);
      const record = stored(serde.encode(event));
      const [decoded, ...more] = decoder.decode(record);
      expect(more).toEqual([]);
      expect(decoded).toStrictEqual({ type: 'test.Everything', event, key: `k${given.text}`, time: 0, index: 0 });
      expect(decoded?.event).toBeInstanceOf(Everything);
      expect(decoded?.event.constructor).toBe(Everything);
    }),
    { numRuns: 500 },
  );
});
