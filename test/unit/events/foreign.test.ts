import { Type } from 'avsc';
import { defineApp } from '../../../src/app/define-app';
import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { EventType } from '../../../src/events/event-type';
import { EventTypes } from '../../../src/events/event-types';
import { foreignTopic, type ForeignMapper, type ForeignRecord, type ForeignTopic } from '../../../src/events/foreign';
import { ForeignSerde } from '../../../src/events/foreign-serde';
import type { LogRecord } from '../../../src/events/event-log';
import { aggregateSource } from '../../../src/commands/aggregate';
import { decider } from '../../../src/commands/aggregate';
import { Command } from '../../../src/commands/command';
import { Decimal } from '../../../src/kernel/decimal';
import { count, text } from '../../../src/projections/columns';
import { projectionDefinition } from '../../../src/projections/definition';
import { projection, projectionSource } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { APPENDED_AT, errorOf } from './serde-fixture';

const amount = { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } as const;
const fields = [
  { name: 'id', type: 'string' },
  { name: 'amount', type: amount },
  { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
] as const;

@EventType({ name: 'sales.Sold', version: 1, topic: 'legacy', key: (e) => e.id, time: (e) => e.at, schema: { type: 'record', fields } })
class Sold {
  constructor(
    readonly id: string,
    readonly amount: Decimal,
    readonly at: Date,
  ) {}
}
@EventType({ name: 'sales.Cancelled', version: 1, topic: 'legacy', key: (e) => e.id, schema: { type: 'record', fields: [{ name: 'id', type: 'string' }] } })
class Cancelled {
  constructor(readonly id: string) {}
}
@EventType({ name: 'sales.Ours', version: 1, topic: 'ours', key: (e) => e.id, schema: { type: 'record', fields: [{ name: 'id', type: 'string' }] } })
class Ours {
  constructor(readonly id: string) {}
}
const classes = [Sold, Cancelled, Ours];
const AT = new Date('2020-05-06T07:08:09Z');

const record = (value: string | Buffer | null, more: Partial<LogRecord> = {}): LogRecord => ({
  topic: 'legacy',
  partition: 1,
  offset: 5,
  timestamp: APPENDED_AT,
  key: null,
  value: typeof value === 'string' ? Buffer.from(value) : value,
  headers: {},
  ...more,
});
const json = (map: ForeignMapper): ForeignTopic => foreignTopic({ topic: 'legacy', version: 1, format: 'json', map });
const sold = ({ value }: ForeignRecord): Sold => {
  const { id, amount: digits, at } = value as { id: string; amount: string; at: string };
  return new Sold(id, Decimal.parse(digits), new Date(at));
};
const serdeOf = async (topic: ForeignTopic, registry = new MemorySchemaRegistry()): Promise<ForeignSerde> => {
  const types = new EventTypes(classes);
  const serde = new ForeignSerde(new AvroSerde({ types, registry, source: 'test' }), new Map([[topic.topic, topic]]), types);
  await serde.start();
  return serde;
};
const SALE = JSON.stringify({ id: 'a', amount: '1.50', at: AT.toISOString() });

describe('a foreign topic of JSON', () => {
  it('is read through its mapper, with key and time of the event types', async () => {
    const decoder = (await serdeOf(json(sold))).decoder(classes);
    const given = record(SALE);
    await decoder.prepare([given]);
    expect(decoder.facts(given)).toEqual({ time: AT.getTime(), type: undefined });
    const [event] = decoder.decode(given);
    expect(event).toEqual({ type: 'sales.Sold', event: new Sold('a', Decimal.parse('1.50'), AT), key: 'a', time: AT.getTime(), index: 0 });
    expect(event!.event).toBeInstanceOf(Sold);
  });

  it('may make several events of a record, or none, and only those wanted are answered', async () => {
    const map: ForeignMapper = ({ value, key, headers, bytes, ...place }) => {
      expect({ key, headers, bytes: bytes?.length, ...place }).toEqual({
        key: 'k',
        headers: { h: 'x' },
        bytes: 3,
        topic: 'legacy',
        partition: 1,
        offset: 5,
        timestamp: APPENDED_AT,
      });
      return (value as readonly number[]).length === 0 ? [] : [new Cancelled('a'), new Sold('b', Decimal.parse('1'), AT)];
    };
    const serde = await serdeOf(json(map));
    const given = record('[1]', { key: Buffer.from('k'), headers: { h: 'x' } });
    expect(serde.decoder(classes).decode(given)).toMatchObject([
      { type: 'sales.Cancelled', key: 'a', time: APPENDED_AT, index: 0 },
      { type: 'sales.Sold', key: 'b', time: AT.getTime(), index: 1 },
    ]);
    const one = serde.decoder([Sold]);
    expect(one.decode(given)).toMatchObject([{ type: 'sales.Sold', index: 1 }]);
    expect(one.facts(given).time).toBe(APPENDED_AT); // the later of both, wanted or not
    const nothing = serdeOf(json(() => undefined));
    expect((await nothing).decoder(classes).facts(record('[]'))).toEqual({ time: undefined, type: undefined });
    expect((await nothing).decoder(classes).decode(record('[]'))).toEqual([]);
  });

  it('gives tombstones to the mapper as null', async () => {
    const map: ForeignMapper = ({ value, key, bytes }) => (value === null && bytes === null ? new Cancelled(key!) : undefined);
    const decoder = (await serdeOf(json(map))).decoder(classes);
    expect(decoder.decode(record(null, { key: Buffer.from('gone') }))).toMatchObject([{ type: 'sales.Cancelled', key: 'gone' }]);
  });

  it('runs the mapper once per record, whatever is asked', async () => {
    let calls = 0;
    const decoder = (await serdeOf(json((given) => ((calls += 1), sold(given))))).decoder(classes);
    const given = record(SALE);
    decoder.facts(given);
    decoder.decode(given);
    expect(calls).toBe(1);
  });

  it.each<[string, string | Buffer, ForeignMapper, RegExp]>([
    ['not JSON', '{', sold, /JSON/],
    [
      'a mapper that throws',
      '{}',
      () => {
        throw new Error('no such field');
      },
      /no such field/,
    ],
    ['an asynchronous mapper', '{}', async () => Promise.resolve(), /Promise is not registered/],
    ['something else than events', '{}', () => ['x'] as never, /make events, or nothing/],
    ['a class nobody registered', '{}', () => new (class Other {})(), /Other is not registered/],
    ['an event of another topic', '{}', () => new Ours('a'), /sales.Ours is an event of topic ours/],
    ['an event that does not fit its schema', '{}', () => new Sold('a', 1 as never, AT), /amount is not a Decimal/],
    ['an event without a key', '{}', () => new Cancelled(''), /key must be/],
    ['an event without a time', '{}', () => new Sold('a', Decimal.parse('1'), new Date(Number.NaN)), /invalid Date|not a valid Date/],
  ])('stops at what is %s, with the position', async (_, value, map, message) => {
    const decoder = (await serdeOf(json(map))).decoder(classes);
    const given = record(value);
    expect(decoder.facts(given).time).toBeUndefined();
    const error = await errorOf(() => decoder.decode(given));
    expect(error).toMatchObject({ code: 'event.undecodable', facts: { topic: 'legacy', partition: 1, offset: 5 } });
    expect(error.message).toMatch(message);
  });

  it('is never written to, while other topics are read and written as ever', async () => {
    const serde = await serdeOf(json(sold));
    const error = await errorOf(() => serde.encode(new Sold('a', Decimal.parse('1'), AT)));
    expect(error).toMatchObject({ code: 'event.foreign-topic', facts: { type: 'sales.Sold', topic: 'legacy' } });
    const { value, headers } = serde.encode(new Ours('a'));
    const given = record(value, { topic: 'ours', headers, key: Buffer.from('a') });
    const decoder = serde.decoder(classes);
    await decoder.prepare([given]);
    expect(decoder.decode(given)).toMatchObject([{ type: 'sales.Ours', key: 'a' }]);
    expect(decoder.facts(given).type).toBe('sales.Ours');
    expect((await serde.check()).map(({ type }) => type).sort()).toEqual(['sales.Cancelled', 'sales.Ours', 'sales.Sold']);
  });

  it('takes a replacement as the event it is, keyed by itself', async () => {
    const serde = await serdeOf(json(() => undefined));
    const { record: written, json: shown } = serde.fromJson('sales.Sold', { id: 'a', amount: '2', at: AT.toISOString() });
    const given = record(written.value, { headers: written.headers, key: Buffer.from('other'), erratum: 1 });
    const decoder = serde.decoder(classes);
    await decoder.prepare([given]);
    expect(decoder.decode(given)).toMatchObject([{ type: 'sales.Sold', key: 'a', event: { amount: Decimal.parse('2.00') } }]);
    expect(decoder.facts(given).time).toBe(AT.getTime());
    expect(serde.toJson(decoder.decode(given)[0]!.event)).toBe(shown);
  });
});

describe('a foreign topic of Avro', () => {
  const schema = { type: 'record', name: 'com.other.Sale', fields };
  const theirs = Type.forSchema(schema as never);
  const wire = (id: number, body: Buffer): Buffer => {
    const prefix = Buffer.alloc(5);
    prefix.writeInt32BE(id, 1);
    return Buffer.concat([prefix, body]);
  };
  const body = theirs.toBuffer({ id: 'a', amount: Buffer.from([0, 150]), at: AT.getTime() });
  const map: ForeignMapper = ({ value }) => {
    const sale = value as { id: string; amount: Decimal; at: Date };
    return new Sold(sale.id, sale.amount, sale.at);
  };
  const topic = foreignTopic({ topic: 'legacy', version: 1, format: 'avro', map });

  it('is read by the schema of its writer, without headers and whatever that is called', async () => {
    const registry = new MemorySchemaRegistry();
    const id = await registry.register('com.other.Sale', JSON.stringify(schema));
    const decoder = (await serdeOf(topic, registry)).decoder(classes);
    const given = record(wire(id, body));
    await decoder.prepare([given]);
    expect(decoder.facts(given).time).toBe(AT.getTime());
    expect(decoder.decode(given)).toEqual([{ type: 'sales.Sold', event: new Sold('a', Decimal.parse('1.50'), AT), key: 'a', time: AT.getTime(), index: 0 }]);
    for (const wrong of [wire(id, body.subarray(1)), wire(id, Buffer.concat([body, Buffer.from([0])]))]) {
      expect(await errorOf(() => decoder.decode(record(wrong)))).toMatchObject({ code: 'event.undecodable' });
    }
  });

  it('says what is wrong with a record, with the position', async () => {
    const decoder = (await serdeOf(topic)).decoder(classes);
    const unknown = record(wire(77, body));
    await decoder.prepare([unknown]);
    expect(await errorOf(() => decoder.decode(unknown))).toMatchObject({ code: 'event.unknown-schema-id', facts: { schemaId: 77, offset: 5 } });
    expect(await errorOf(() => decoder.decode(record('{"plain":"json"}')))).toMatchObject({ code: 'event.wrong-magic-byte', facts: { offset: 5 } });
  });
});

describe('an application with a foreign topic', () => {
  const counted = readModel('counted', { id: text().key(), n: count() });
  const sales = projection({ name: 'sales', version: 1, into: counted }).on(Sold, ({ id }) => counted.contribution({ id }, { n: 1 }));

  it('makes its own topics only, unless told otherwise', () => {
    const options = { name: 'shop', events: classes, projections: [sales], foreign: [json(sold)] };
    expect(defineApp(options).topics).toEqual([{ topic: 'ours', partitions: 4 }]);
    expect(defineApp({ ...options, topics: { legacy: { partitions: 2 } } }).topics.map(({ topic }) => topic)).toEqual(['legacy', 'ours']);
    expect(defineApp(options).projections[0]!.topics).toEqual(['legacy']);
  });

  it('has the version of the mapper in the definition of its projections, and its source among what is only warned of', () => {
    const source = projectionSource(sales);
    const of = (topic: ForeignTopic) => projectionDefinition(source, { foreign: new Map([['legacy', topic]]) });
    const [plain, mapped, newer, other] = [projectionDefinition(source), of(json(sold)), of({ ...json(sold), version: 2 }), of(json(() => undefined))];
    expect(new Set([plain, mapped, newer].map(({ hash }) => hash)).size).toBe(3);
    expect(other.hash).toBe(mapped.hash);
    expect(other.sourceHash).not.toBe(mapped.sourceHash);
    expect(mapped.description).toMatchObject({ events: [{ mapper: { format: 'json', version: 1 } }] });
  });

  it('is refused with everything that is wrong', () => {
    class Sell extends Command {
      readonly id = 'a';
    }
    const till = decider({ name: 'till', stateVersion: 1, streamId: (c: Sell) => c.id, initialState: () => 0 })
      .evolve(Cancelled, (n) => n)
      .decide(Sell, () => []);
    expect(aggregateSource(till).name).toBe('till');
    const foreign = [json(sold), { ...json(sold), version: 0 }, foreignTopic({ topic: 'nobodys', version: 1, format: 'xml' as never, map: sold })];
    const error = (() => {
      try {
        return defineApp({ name: 'shop', events: classes, projections: [], aggregates: [till], foreign });
      } catch (thrown) {
        return thrown as Error;
      }
    })() as Error;
    for (const fault of [
      'foreign topic legacy is there twice',
      'foreign topic legacy: its version must be a whole number',
      'foreign topic nobodys: it needs the format json or avro',
      'foreign topic nobodys is not the topic of any event type',
      'aggregate till would write Cancelled to a topic of others',
    ]) {
      expect(error.message).toContain(fault);
    }
  });
});
