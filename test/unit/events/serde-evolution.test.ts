import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import type { EventClass } from '../../../src/events/event-type';
import { asEvent, type Fields, type Upcasters } from '../../../src/events/upcasting';
import type { DecodedEvent } from '../../../src/events/event-serde';
import { Decimal } from '../../../src/kernel/decimal';
import { answering, decodedWith, errorOf, eventClass, recordOf, startedSerde, stored } from './serde-fixture';

type Thing = ReturnType<typeof eventClass>;

/** Writes with one class and reads with another of the same application. */
const across = async (Old: Thing, fields: object, New: EventClass): Promise<readonly DecodedEvent[]> => {
  const registry = new MemorySchemaRegistry();
  const record = stored((await startedSerde([Old], registry)).encode(new Old(fields)));
  return decodedWith([New], registry, record);
};
const events = (decoded: readonly DecodedEvent[]): readonly object[] => decoded.map(({ event }) => event);
const id = { name: 'id', type: 'string' };
const decimal = (precision: number, scale: number): object => ({ type: 'bytes', logicalType: 'decimal', precision, scale });

describe("by Avro's rules", () => {
  const Old = eventClass({ schema: recordOf(id, { name: 'n', type: 'int' }) });

  test('an added field has its default', async () => {
    const schema = recordOf(
      id,
      { name: 'n', type: 'int' },
      { name: 'note', type: ['null', 'string'], default: null },
      { name: 'total', type: 'long', default: 5 },
      { name: 'price', type: decimal(5, 2), default: '\u0001\u0000' },
      { name: 'raw', type: 'bytes', default: '\u00ff' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' }, default: 1_000_000 },
    );
    const New = eventClass({ schema });
    const [event] = events(await across(Old, { id: 'x', n: 1 }, New));
    expect(event).toStrictEqual(
      new New({ id: 'x', n: 1, note: null, total: 5n, price: Decimal.parse('2.56'), raw: new Uint8Array([255]), at: new Date(1000) }),
    );
  });

  test('a removed field is skipped', async () => {
    const New = eventClass({ schema: recordOf({ name: 'n', type: 'int' }) });
    const [event] = events(await across(Old, { id: 'x', n: 1 }, New));
    expect(event).toStrictEqual(new New({ n: 1 }));
  });

  test('a renamed field is found by its alias, a widened one by promotion', async () => {
    const New = eventClass({ schema: recordOf({ name: 'key', aliases: ['id'], type: 'string' }, { name: 'n', type: 'long' }) });
    const [event] = events(await across(Old, { id: 'x', n: 1 }, New));
    expect(event).toStrictEqual(new New({ key: 'x', n: 1n }));
  });

  test('a renamed event type is found by its alias', async () => {
    const New = eventClass({ name: 'shop.Renamed', schema: { ...recordOf(id), aliases: ['orders.Thing'] } });
    const decoded = await across(Old, { id: 'x', n: 1 }, New);
    expect(decoded).toMatchObject([{ type: 'shop.Renamed', event: new New({ id: 'x' }) }]);
  });

  test('a decimal of another scale is read where its value fits, and refused where digits would be lost', async () => {
    const Fine = eventClass({ schema: recordOf({ name: 'a', type: decimal(10, 4) }) });
    const Coarse = eventClass({ schema: recordOf({ name: 'a', type: decimal(6, 2) }) });
    expect(events(await across(Coarse, { a: Decimal.parse('1.25') }, Fine))).toEqual([new Fine({ a: Decimal.parse('1.2500') })]);
    expect(events(await across(Fine, { a: Decimal.parse('1.2500') }, Coarse))).toEqual([new Coarse({ a: Decimal.parse('1.25') })]);
    for (const lost of ['1.2501', '123456.00']) {
      expect((await errorOf(() => across(Fine, { a: Decimal.parse(lost) }, Coarse))).code).toBe('event.undecodable');
    }
  });

  test('decimals over fixed are written and read', async () => {
    const Fixed = eventClass({
      schema: recordOf({ name: 'a', type: { type: 'fixed', name: 'Money', size: 3, logicalType: 'decimal', precision: 7, scale: 2 } }),
    });
    for (const text of ['-0.01', '0.00', '83886.07', '-83886.08']) {
      expect(events(await across(Fixed, { a: Decimal.parse(text) }, Fixed))).toEqual([new Fixed({ a: Decimal.parse(text) })]);
    }
  });

  test('micro- and milliseconds are read as each other; what a Date cannot hold is cut off towards the past', async () => {
    const time = (unit: string): object => recordOf({ name: 'at', type: { type: 'long', logicalType: `timestamp-${unit}` } });
    const [Micros, Millis, Plain] = [
      eventClass({ schema: time('micros') }),
      eventClass({ schema: time('millis') }),
      eventClass({ schema: recordOf({ name: 'at', type: 'long' }) }),
    ];
    expect(events(await across(Micros, { at: new Date(-5) }, Millis))).toEqual([new Millis({ at: new Date(-5) })]);
    expect(events(await across(Millis, { at: new Date(-5) }, Micros))).toEqual([new Micros({ at: new Date(-5) })]);
    expect(events(await across(Plain, { at: -1n }, Micros))).toEqual([new Micros({ at: new Date(-1) })]);
    expect(events(await across(Plain, { at: -8_000_000_000_000_000_001n }, Micros))).toEqual([new Micros({ at: new Date(-8_000_000_000_000_001) })]);
    expect((await errorOf(() => across(Plain, { at: 2n ** 62n }, Millis))).message).toContain('beyond what a Date holds');
  });

  test('what Avro cannot resolve is undecodable, with the reason', async () => {
    const New = eventClass({ schema: recordOf(id, { name: 'added', type: 'int' }) });
    const registry = new MemorySchemaRegistry();
    const record = stored((await startedSerde([Old], registry)).encode(new Old({ id: 'x', n: 1 })));
    const foreign = answering((one) => registry.byId(one)); // where others registered it, nobody asked us first
    const error = await errorOf(() => decodedWith([New], foreign, record));
    expect([error.code, error.message]).toEqual(['event.undecodable', expect.stringContaining('added')]);
  });

  test('a schema without a version, as foreign producers register it, counts as the current version', async () => {
    const registry = new MemorySchemaRegistry();
    await registry.register(
      'foreign',
      JSON.stringify({ type: 'record', name: 'orders.Thing', fields: [id, { name: 'extra', type: { type: 'map', values: 'int' } }] }),
    );
    const New = eventClass({
      version: 2,
      schema: recordOf(id),
      upcasters: {
        1: () => {
          throw new Error('not for this one');
        },
      },
    });
    const value = Buffer.from([0, 0, 0, 0, 1, 2, 0x78, 2, 2, 0x61, 14, 0]);
    expect(events(await decodedWith([New], registry, stored({ value, headers: {} })))).toEqual([new New({ id: 'x' })]);
  });
});

describe('by upcasters', () => {
  const Old = eventClass({ version: 1, schema: recordOf({ name: 'name', type: 'string' }, { name: 'n', type: 'int' }) });
  const schema = recordOf({ name: 'first', type: 'string' }, { name: 'n', type: 'long' }, { name: 'note', type: 'string', default: 'none' });

  test('a field is renamed, a type changed, a default filled in; the result is an instance', async () => {
    const New = eventClass({ version: 2, schema, upcasters: { 1: (f) => ({ first: f.name, n: BigInt(f.n as number) }) } });
    const [event] = events(await across(Old, { name: 'a', n: 1 }, New));
    expect(event).toStrictEqual(new New({ first: 'a', n: 1n, note: 'none' }));
    expect(event).toBeInstanceOf(New);
  });

  test('an event is split into several, in order, with indexes; or dropped', async () => {
    const upcasters = {
      1: (f: Readonly<Record<string, unknown>>) => Array.from({ length: f.n as number }, (_, i) => ({ first: `${f.name as string}${String(i)}`, n: 1n })),
    };
    const New = eventClass({ version: 2, schema, upcasters });
    const decoded = await across(Old, { name: 'a', n: 2 }, New);
    expect(decoded).toMatchObject([
      { index: 0, key: 'k1', event: new New({ first: 'a0', n: 1n, note: 'none' }) },
      { index: 1, key: 'k1', event: new New({ first: 'a1', n: 1n, note: 'none' }) },
    ]);
    expect(await across(Old, { name: 'a', n: 0 }, New)).toEqual([]);
  });

  test('versions are climbed one by one; one without an upcaster keeps its fields, aliases count', async () => {
    const New = eventClass({
      version: 4,
      schema: recordOf({ name: 'given', aliases: ['first'], type: 'string' }, { name: 'n', type: 'int' }),
      upcasters: { 1: (f) => ({ first: f.name, n: f.n }), 3: (f) => ({ ...f, n: (f.n as number) + 1 }) },
    });
    expect(events(await across(Old, { name: 'a', n: 1 }, New))).toEqual([new New({ given: 'a', n: 2 })]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('boom');
      },
      'boom',
    ],
    ['returns nothing', () => undefined as never, 'must return fields'],
    ['returns fields that do not fit', () => ({ first: 5, n: 1n }), 'field first is not a string'],
    ['leaves a field out', () => ({ first: 'x' }), 'field n is missing'],
  ])('an upcaster that %s makes the record undecodable', async (_name, up, reason) => {
    const New = eventClass({ version: 2, schema, upcasters: { 1: up } });
    const error = await errorOf(() => across(Old, { name: 'a', n: 1 }, New));
    expect([error.code, error.message, error.facts.offset]).toEqual(['event.undecodable', expect.stringContaining(reason), 7]);
  });

  test('a newer version than ours without an upcaster between is read by Avro alone', async () => {
    const Newer = eventClass({ version: 3, schema: recordOf(id, { name: 'extra', type: 'int' }) });
    const Ours = eventClass({ version: 2, schema: recordOf(id), upcasters: { 1: () => [] } });
    expect(events(await across(Newer, { id: 'x', extra: 1 }, Ours))).toEqual([new Ours({ id: 'x' })]);
  });

  test('a newer version that means something else, or that Avro cannot resolve, is held and says so', async () => {
    const Ours = eventClass({ version: 1, schema: recordOf(id) });
    const Meant = eventClass({ version: 2, schema: recordOf(id), upcasters: { 1: (f) => f } });
    const Other = eventClass({ version: 2, schema: recordOf({ name: 'id', type: 'int' }) });
    for (const [Newer, given] of [
      [Meant, 'x'],
      [Other, 1],
    ] as const) {
      const error = await errorOf(() => across(Newer, { id: given }, Ours));
      expect([error.code, error.facts, error.remedy]).toEqual([
        'event.newer-version',
        expect.objectContaining({ written: 2, known: 1, offset: 7 }),
        expect.stringContaining('Deploy the newer code'),
      ]);
    }
    expect(events(await across(Meant, { id: 'x' }, Meant))).toEqual([new Meant({ id: 'x' })]);
  });

  test('an event is split into others of today, and each reader gets its part under the place it has for all', async () => {
    const registry = new MemorySchemaRegistry();
    const Whole = eventClass({ version: 1, schema: recordOf(id, { name: 'paid', type: 'long' }) });
    const record = stored((await startedSerde([Whole], registry)).encode(new Whole({ id: 'x', paid: 5n })));
    const Paid = eventClass({
      name: 'orders.Paid',
      version: 2,
      schema: recordOf({ name: 'cents', type: 'long' }),
      upcasters: { 1: (f) => ({ cents: (f.euros as bigint) * 100n }) },
    });
    const Left = eventClass({ name: 'orders.Left', schema: recordOf(id) });
    const Thing = eventClass({
      version: 2,
      schema: recordOf(id),
      becomes: ['orders.Paid'],
      upcasters: { 1: (f) => [{ id: f.id }, asEvent('orders.Paid', 1, { euros: f.paid })] },
    });
    const all = [Thing, Paid, Left];
    const [thing, paid] = [
      { type: 'orders.Thing', event: new Thing({ id: 'x' }), key: 'k1', index: 0 },
      { type: 'orders.Paid', event: new Paid({ cents: 500n }), key: 'k1', index: 1 },
    ];
    expect(await decodedWith(all, registry, record)).toMatchObject([thing, paid]);
    expect(await decodedWith(all, registry, record, [Paid])).toMatchObject([paid]);
    expect(await decodedWith(all, registry, record, [Thing])).toMatchObject([thing]);
    expect(await decodedWith(all, registry, record, [Left])).toEqual([]);
    const today = stored((await startedSerde(all, registry)).encode(new Thing({ id: 'y' })));
    expect(await decodedWith(all, registry, today, [Paid])).toEqual([]);
    const Later = eventClass({ version: 3, schema: recordOf({ name: 'id', type: 'int' }), upcasters: { 1: () => [], 2: () => [] } });
    const later = stored((await startedSerde([Later], registry)).encode(new Later({ id: 1 })));
    expect(await decodedWith(all, registry, later, [Paid])).toEqual([]); // none of the old ones that become it
    expect((await errorOf(() => decodedWith(all, registry, later, [Thing]))).code).toBe('event.newer-version');
  });

  test('a field is filled from the record', async () => {
    const New = eventClass({
      version: 2,
      schema: recordOf(
        { name: 'name', type: 'string' },
        { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
        { name: 'by', type: 'string' },
      ),
      upcasters: { 1: ({ name }, { time, headers, key, offset }) => ({ name, at: time, by: `${headers.ce_source ?? ''} ${key ?? ''} ${String(offset)}` }) },
    });
    const Timed = eventClass({ schema: recordOf({ name: 'name', type: 'string' }), time: () => new Date(1234) });
    expect(events(await across(Timed, { name: 'a' }, New))).toEqual([new New({ name: 'a', at: new Date(1234), by: '/shop k1 7' })]);
  });
});

describe('by former names', () => {
  const Old = eventClass({ name: 'Thing', schema: recordOf({ name: 'name', type: 'string' }) });

  test.each([1, 2])('a type that was renamed is read under its present name, at version %i', async (version) => {
    const upcasters: Upcasters = version === 1 ? {} : { 1: (f: Fields) => ({ first: f.name }) };
    const schema = recordOf({ name: version === 1 ? 'name' : 'first', type: 'string' });
    const New = eventClass({ name: 'shop.Renamed', version, formerNames: ['orders.Other', 'Thing'], schema, upcasters });
    const event = new New(version === 1 ? { name: 'a' } : { first: 'a' });
    expect(await across(Old, { name: 'a' }, New)).toMatchObject([{ type: 'shop.Renamed', event }]);
  });

  test('also where the writer named no type', async () => {
    const New = eventClass({ name: 'shop.Renamed', formerNames: ['Thing'], schema: recordOf({ name: 'name', type: 'string' }) });
    const registry = new MemorySchemaRegistry();
    const { value } = (await startedSerde([Old], registry)).encode(new Old({ name: 'a' }));
    expect(await decodedWith([New], registry, stored({ value, headers: {} }))).toMatchObject([{ type: 'shop.Renamed' }]);
  });
});

test('an event of a type that nobody registered stops the reader, or is read past where it says so', async () => {
  const registry = new MemorySchemaRegistry();
  const [Newer, Known] = [eventClass({ name: 'orders.Newer', schema: recordOf(id) }), eventClass({ schema: recordOf(id) })];
  const { value, headers } = (await startedSerde([Newer], registry)).encode(new Newer({ id: 'x' }));
  const serde = await startedSerde([Known], registry);
  for (const record of [stored({ value, headers }), stored({ value, headers: {} })]) {
    const [holds, ignores] = [serde.decoder([Known]), serde.decoder([Known], { unknownEvents: 'ignore' })];
    await Promise.all([holds.prepare([record]), ignores.prepare([record])]);
    expect(await errorOf(() => holds.decode(record))).toMatchObject({ code: 'event.unknown-type', remedy: expect.stringContaining('Deploy') });
    expect(ignores.decode(record)).toEqual([]);
  }
});
