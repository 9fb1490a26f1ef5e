import fc from 'fast-check';
import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { defineEventType, type FromAvro } from '../../../src/events/event-type';
import { EventTypes } from '../../../src/events/event-types';
import { Decimal } from '../../../src/kernel/decimal';
import { stored } from './serde-fixture';

const schema = {
  type: 'record',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'flag', type: 'boolean' },
    { name: 'small', type: 'int' },
    { name: 'real', type: 'double' },
    { name: 'large', type: 'long' },
    { name: 'raw', type: 'bytes' },
    { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 38, scale: 4 } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'status', type: { type: 'enum', name: 'Status', symbols: ['placed', 'shipped'] } },
    { name: 'counts', type: { type: 'map', values: 'long' } },
    { name: 'maybe', type: ['null', 'long'] },
    { name: 'either', type: ['string', 'double'] },
    {
      name: 'lines',
      type: {
        type: 'array',
        items: {
          type: 'record',
          name: 'Line',
          fields: [{ name: 'price', type: ['null', { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 }] }],
        },
      },
    },
  ],
} as const;
type Fields = FromAvro<typeof schema>;

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the fields of the schema, set in the constructor
class Everything {
  constructor(fields: Fields) {
    Object.assign(this, fields);
  }
}
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- as above
interface Everything extends Fields {}
defineEventType(Everything, { name: 'json.Everything', version: 1, topic: 'json', key: (e) => e.id, time: (e) => e.at, schema });

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const decimalOf = (digits: number, scale: number): fc.Arbitrary<Decimal> =>
  fc.bigInt({ min: -(10n ** BigInt(digits)) + 1n, max: 10n ** BigInt(digits) - 1n }).map((unscaled) => new Decimal(unscaled, scale));
const fields: fc.Arbitrary<Fields> = fc.record({
  id: fc.string({ minLength: 1 }),
  flag: fc.boolean(),
  small: fc.integer(),
  real: fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
  large: int64,
  raw: fc.uint8Array({ maxLength: 20 }),
  amount: decimalOf(38, 4),
  at: fc.date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
  status: fc.constantFrom('placed' as const, 'shipped' as const),
  counts: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), int64),
  maybe: fc.option(int64),
  either: fc.oneof(
    fc.string(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
  ),
  lines: fc.array(fc.record({ price: fc.option(decimalOf(12, 2)) }), { maxLength: 3 }),
});

const SAMPLE = {
  id: 'a',
  flag: true,
  small: 1,
  real: 1.5,
  large: '9223372036854775807',
  raw: 'AAEC',
  amount: '12.5',
  at: '2026-01-02T03:04:05Z',
  status: 'placed',
  counts: { z: 1, a: '2' },
  maybe: null,
  either: 'x',
  lines: [{ price: 0.1 }],
};

describe('events as JSON', () => {
  const serde = new AvroSerde({ types: new EventTypes([Everything]), registry: new MemorySchemaRegistry(), source: 'test' });
  const decoded = async (record: ReturnType<typeof serde.encode>): Promise<object> => {
    const decoder = serde.decoder([Everything]);
    await decoder.prepare([stored(record)]);
    return decoder.decode(stored(record))[0]!.event;
  };
  beforeAll(() => serde.start());

  it('go there and back with every digit, and are one text for one event', async () => {
    await fc.assert(
      fc.asyncProperty(fields, async (given) => {
        const event = new Everything(given);
        const json = serde.toJson(event);
        const written = serde.fromJson('json.Everything', JSON.parse(json));
        expect(written.json).toBe(json);
        expect(serde.toJson(await decoded(written.record))).toBe(json);
        expect(written.time).toBe(given.at.getTime());
      }),
      { numRuns: 200 },
    );
  });

  it('may be written with numbers where they keep every digit, and with keys in any order', async () => {
    const { record, json } = serde.fromJson('json.Everything', Object.fromEntries(Object.entries(SAMPLE).reverse()));
    expect(JSON.parse(json)).toEqual({
      ...SAMPLE,
      at: '2026-01-02T03:04:05.000Z',
      amount: '12.5000',
      counts: { a: '2', z: '1' },
      lines: [{ price: '0.10' }],
    });
    expect(json).toContain('{"a":"2","z":"1"}');
    expect(await decoded(record)).toMatchObject({ large: 2n ** 63n - 1n, lines: [{ price: Decimal.parse('0.10') }], amount: Decimal.parse('12.5000') });
  });

  it.each([
    ['a text', 'no fields', /JSON object/],
    ['a list', [], /JSON object/],
    ['a field that is not there', { ...SAMPLE, other: 1 }, /no field other/],
    ['a field that is missing', { ...SAMPLE, flag: undefined }, /flag is missing/],
    ['a time without an offset', { ...SAMPLE, at: '2026-01-02T03:04:05' }, /at is not a Date/],
    ['a time as a number', { ...SAMPLE, at: 12 }, /at is not a Date/],
    ['a decimal with too many decimals', { ...SAMPLE, amount: '1.23456' }, /more than 4 decimals/],
    ['a number that has lost digits', { ...SAMPLE, large: 2 ** 60 }, /large is not a bigint/],
    ['a long beyond 64 bits', { ...SAMPLE, large: '9223372036854775808' }, /64 bits/],
    ['bytes that are not Base64', { ...SAMPLE, raw: '?' }, /raw is not a Uint8Array/],
    ['an unknown symbol', { ...SAMPLE, status: 'lost' }, /placed, shipped/],
    ['a union of which nothing fits', { ...SAMPLE, either: true }, /either/],
    ['a list in the place of a map', { ...SAMPLE, counts: [] }, /counts/],
    ['fields in the place of a list', { ...SAMPLE, lines: {} }, /lines/],
    ['a text in the place of fields', { ...SAMPLE, lines: ['x'] }, /lines/],
  ])('are refused: %s', (_, json, message) => {
    expect(() => serde.fromJson('json.Everything', json)).toThrow(expect.objectContaining({ code: 'event.invalid', message: expect.stringMatching(message) }));
  });

  it('of types nobody registered are refused', () => {
    expect(() => serde.fromJson('json.Other', SAMPLE)).toThrow(expect.objectContaining({ code: 'event.not-registered' }));
  });
});
