import fc from 'fast-check';
import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { EventTypes } from '../../../src/events/event-types';
import { Decimal } from '../../../src/kernel/decimal';
import { RefoldError } from '../../../src/kernel/errors';
import { answering, APPENDED_AT, decodedWith, errorOf, eventClass, recordOf, startedSerde, stored } from './serde-fixture';

const money = { type: 'bytes', logicalType: 'decimal', precision: 5, scale: 2 };
const instant = { type: 'long', logicalType: 'timestamp-millis' };
const schema = recordOf(
  { name: 'amount', type: money },
  { name: 'at', type: instant },
  { name: 'count', type: 'long' },
  { name: 'name', type: 'string' },
  { name: 'uuid', type: ['null', { type: 'string', logicalType: 'uuid' }], default: null },
  { name: 'raw', type: ['null', 'bytes'], default: null },
  { name: 'status', type: { type: 'enum', name: 'Status', symbols: ['placed', 'shipped'] } },
  {
    name: 'lines',
    type: {
      type: 'array',
      items: { ...recordOf({ name: 'price', type: ['null', money] }), name: 'Line' },
    },
  },
);
const good = { amount: Decimal.parse('1.50'), at: new Date(5), count: 1n, name: 'n', uuid: null, raw: null, status: 'placed', lines: [] };
const Thing = eventClass({ schema });
const where = { topic: 'orders', partition: 3, offset: 7, key: 'k1' };

describe('encode refuses what does not fit, and names the field', () => {
  test.each([
    ['amount', Decimal.parse('1.505'), 'has more than 2 decimals'],
    ['amount', Decimal.parse('1000.00'), 'has more than 5 digits'],
    ['amount', 1.5, 'is not a Decimal'],
    ['at', new Date(Number.NaN), 'is an invalid Date'],
    ['at', 5, 'is not a Date'],
    ['count', 1, 'is not a bigint'],
    ['count', 2n ** 63n, 'does not fit 64 bits'],
    ['name', undefined, 'is missing'],
    ['name', 'a\ud800b', 'surrogate'],
    ['raw', 'text', 'is not a Uint8Array'],
    ['uuid', 'text', 'is not a UUID'],
    ['uuid', 5, 'is not a string'],
    ['status', 'toString', 'is none of placed, shipped'],
    ['status', ['placed'], 'is none of placed, shipped'],
    ['lines.1.price', [{ price: null }, { price: Decimal.parse('0.001') }], 'has more than 2 decimals'],
  ])('%s = %p', async (field, value, reason) => {
    const serde = await startedSerde([Thing]);
    const error = await errorOf(() => serde.encode(new Thing({ ...good, [field.split('.')[0] as string]: value })));
    expect(error.code).toBe('event.invalid');
    expect(error.facts).toEqual({ type: 'orders.Thing', field });
    expect(error.message).toContain(reason);
  });

  test('fewer decimals are padded, also in arithmetic that lost them, and trailing zeros beyond the scale are dropped', async () => {
    const registry = new MemorySchemaRegistry();
    const serde = await startedSerde([Thing], registry);
    for (const [given, expected] of [
      ['2', '2.00'],
      ['-2.5', '-2.50'],
      ['2.5000', '2.50'],
    ] as const) {
      const record = stored(serde.encode(new Thing({ ...good, amount: Decimal.parse(given) })));
      const [decoded] = await decodedWith([Thing], registry, record);
      expect(decoded?.event).toMatchObject({ amount: Decimal.parse(expected) });
    }
  });

  test.each([
    ['an empty key', { key: () => '' }, 'key'],
    ['a key that is no text', { key: () => 5 as unknown as string }, 'key'],
    [
      'a key that throws',
      {
        key: () => {
          throw new Error('boom');
        },
      },
      'boom',
    ],
    ['half a surrogate pair as key', { key: () => '\udc00' }, 'surrogate'],
    ['an invalid time', { time: () => new Date('x') }, 'valid Date'],
    ['a time that is no Date', { time: () => 5 as unknown as Date }, 'valid Date'],
    ['a year that RFC 3339 cannot write', { time: () => new Date(8.64e15) }, 'years 0 to 9999'],
  ])('%s', async (_name, definition, reason) => {
    const Wrong = eventClass({ schema, ...definition });
    const serde = await startedSerde([Wrong]);
    const error = await errorOf(() => serde.encode(new Wrong(good)));
    expect([error.code, error.message]).toEqual(['event.invalid', expect.stringContaining(reason)]);
  });

  test('an unregistered class', async () => {
    const serde = await startedSerde([Thing]);
    expect((await errorOf(() => serde.encode({}))).code).toBe('event.not-registered');
    expect((await errorOf(() => serde.decoder([eventClass({ schema, name: 'orders.Other' })]))).code).toBe('event.not-registered');
  });

  test('before it started', async () => {
    const serde = new AvroSerde({ types: new EventTypes([Thing]), registry: new MemorySchemaRegistry(), source: 'shop' });
    expect((await errorOf(() => serde.encode(new Thing(good)))).code).toBe('internal.invariant');
  });
});

describe('definitions that cannot work are refused when the serde is made', () => {
  const Getter = eventClass({ schema: recordOf({ name: 'derived', type: 'string' }) });
  Object.defineProperty(Getter.prototype, 'derived', { get: () => 'x' });
  test.each([
    ['a schema that is no record', eventClass({ schema: { type: 'array', items: 'int' } }), 'record'],
    ['a schema that is no schema', eventClass({ schema: 'int' }), 'record'],
    ['a decimal without a precision', eventClass({ schema: recordOf({ name: 'a', type: { type: 'bytes', logicalType: 'decimal' } }) }), 'precision'],
    ['a union that plain values cannot tell apart', eventClass({ schema: recordOf({ name: 'a', type: ['int', 'double'] }) }), 'ambiguous'],
    ['a name that Avro cannot hold', eventClass({ name: 'orders.order-placed', schema: recordOf() }), 'order-placed'],
    ['a field behind a getter', Getter, 'getter'],
  ])('%s', async (_name, target, reason) => {
    const error = await errorOf(() => new AvroSerde({ types: new EventTypes([target]), registry: new MemorySchemaRegistry(), source: 'shop' }));
    expect([error.code, error.message]).toEqual(['definition.invalid', expect.stringContaining(reason)]);
  });
});

describe('decode', () => {
  const Other = eventClass({ name: 'orders.Other', schema: recordOf({ name: 'n', type: 'int' }) });
  const setUp = async () => {
    const registry = new MemorySchemaRegistry();
    const serde = await startedSerde([Thing, Other], registry);
    return { registry, record: stored(serde.encode(new Thing(good))), other: stored(serde.encode(new Other({ n: 1 }))) };
  };

  test('a tombstone is no event', async () => {
    const { registry, record } = await setUp();
    expect(await decodedWith([Thing], registry, { ...record, value: null })).toEqual([]);
  });

  test('a type that was not asked for is skipped without looking at the body or asking the registry', async () => {
    const { other } = await setUp();
    const asked: number[] = [];
    const registry = answering((id) => (asked.push(id), Promise.resolve(undefined)));
    expect(await decodedWith([Thing, Other], registry, { ...other, value: Buffer.from([0, 0, 0, 0, 99, 1, 2, 3]) }, [Thing])).toEqual([]);
    expect(await decodedWith([Thing, Other], registry, { ...other, value: Buffer.from('{}') }, [Thing])).toEqual([]);
    expect(asked).toEqual([]);
  });

  test('a type that was not asked for is skipped too where only the schema names it', async () => {
    const { registry, other } = await setUp();
    expect(await decodedWith([Thing, Other], registry, { ...other, headers: {} }, [Thing])).toEqual([]);
  });

  test('a type nobody registered, by header and by schema', async () => {
    const { registry, other } = await setUp();
    for (const record of [other, { ...other, headers: {} }]) {
      const error = await errorOf(() => decodedWith([Thing], registry, record));
      expect([error.code, error.facts]).toEqual(['event.unknown-type', { ...where, type: 'orders.Other' }]);
    }
  });

  test('a wrong magic byte', async () => {
    const { registry, record } = await setUp();
    const error = await errorOf(() => decodedWith([Thing], registry, { ...record, value: Buffer.from('{"json":1}') }));
    expect([error.code, error.facts]).toEqual(['event.wrong-magic-byte', { ...where, byte: '0x7b' }]);
  });

  test('an unknown schema id', async () => {
    const { registry, record } = await setUp();
    const error = await errorOf(() => decodedWith([Thing], registry, { ...record, value: Buffer.from([0, 0, 0, 1, 0, 1]) }));
    expect([error.code, error.facts]).toEqual(['event.unknown-schema-id', { ...where, schemaId: 256 }]);
  });

  test.each([
    ['an empty value', () => Buffer.alloc(0), '0 bytes'],
    ['no whole schema id', (value: Buffer) => value.subarray(0, 4), '4 bytes'],
    ['a truncated body', (value: Buffer) => value.subarray(0, -1), 'shorter'],
    ['trailing bytes', (value: Buffer) => Buffer.concat([value, Buffer.from([0])]), '1 bytes are left'],
    ['a body of nonsense', (value: Buffer) => Buffer.concat([value.subarray(0, 5), Buffer.alloc(40, 0xff)]), 'orders.Thing'],
  ])('%s is undecodable', async (_name, change, reason) => {
    const { registry, record } = await setUp();
    const error = await errorOf(() => decodedWith([Thing], registry, { ...record, value: change(record.value as Buffer) }));
    expect(error.code).toBe('event.undecodable');
    expect(error.facts).toMatchObject(where);
    expect(error.message).toContain(reason);
  });

  test('a registered text that is no Avro schema is undecodable', async () => {
    const { record } = await setUp();
    for (const text of ['{', '"string"', '{"type":"record","name":"X"}']) {
      const registry = answering((id) => Promise.resolve({ id, schema: text }));
      expect((await errorOf(() => decodedWith([Thing], registry, record))).code).toBe('event.undecodable');
    }
  });

  test('any bytes decode or fail with a code, quickly', async () => {
    const { registry, record } = await setUp();
    const decoder = (await startedSerde([Thing], registry)).decoder([Thing]);
    await decoder.prepare([record]);
    const body = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.array(fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff), { maxLength: 60 }));
    fc.assert(
      fc.property(body, (bytes) => {
        try {
          expect(decoder.decode({ ...record, value: Buffer.concat([(record.value as Buffer).subarray(0, 5), Buffer.from(bytes)]) })).toHaveLength(1);
        } catch (error) {
          expect(error).toBeInstanceOf(RefoldError);
          expect((error as RefoldError).code).toBe('event.undecodable');
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('any bytes are skipped or refused, quickly, where fields of a foreign writer are left out', async () => {
    const nested = { type: 'array', items: { type: 'map', values: ['null', { type: 'array', items: ['bytes', 'null'] }] } };
    const registry = new MemorySchemaRegistry();
    await registry.register('foreign', JSON.stringify({ ...recordOf({ name: 'a', type: nested }, { name: 'n', type: 'int' }), name: 'orders.Other' }));
    const record = { ...stored({ value: null, headers: {} }), value: Buffer.from([0, 0, 0, 0, 1, 0, 2]) };
    const decoder = (await startedSerde([Other], registry)).decoder([Other]);
    await decoder.prepare([record]);
    expect(decoder.decode(record)).toMatchObject([{ event: { n: 1 } }]);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1, 2, 3, 0x7f, 0x80, 0xff), { maxLength: 40 }), (bytes) => {
        try {
          expect(decoder.decode({ ...record, value: Buffer.from([0, 0, 0, 0, 1, ...bytes]) })).toHaveLength(1);
        } catch (error) {
          expect((error as RefoldError).code).toBe('event.undecodable');
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('a time that cannot be read: facts fall back to the time of appending, decode refuses', async () => {
    const { registry, record } = await setUp();
    const decoder = (await startedSerde([Thing], registry)).decoder([Thing]);
    const broken = { ...record, headers: { ...record.headers, ce_time: 'yesterday' } };
    await decoder.prepare([broken]);
    expect(decoder.facts(broken)).toEqual({ time: APPENDED_AT, type: 'orders.Thing' });
    const error = await errorOf(() => decoder.decode(broken));
    expect([error.code, error.message]).toEqual(['event.undecodable', expect.stringContaining('yesterday')]);
  });
});
