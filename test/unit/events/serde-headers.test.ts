import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { EventTypes } from '../../../src/events/event-types';
import type { RegisteredSchema } from '../../../src/events/schema-registry';
import { RefoldError } from '../../../src/kernel/errors';
import { answering, APPENDED_AT, decodedWith, errorOf, eventClass, recordOf, startedSerde, stored } from './serde-fixture';

const schema = recordOf({ name: 'id', type: 'string' });
const at = Date.UTC(1997, 0, 12, 10, 20, 30, 45);
const Thing = eventClass({ schema, key: (e: { id: string }) => e.id, time: () => new Date(at) });

test('a record carries the wire format, the stream id as key and the CloudEvents headers', async () => {
  const serde = await startedSerde([Thing]);
  const record = serde.encode(new Thing({ id: 'ö1' }), { id: 'e-1', correlationId: 'c-1', causationId: 'c-2' });
  expect(record).toEqual({
    topic: 'orders',
    key: Buffer.from('ö1'),
    value: Buffer.from([0, 0, 0, 0, 1, 6, 0xc3, 0xb6, 0x31]),
    headers: {
      ce_id: 'e-1',
      ce_type: 'orders.Thing',
      ce_source: '/shop',
      ce_specversion: '1.0',
      ce_time: '1997-01-12T10:20:30.045Z',
      ce_subject: 'ö1',
      ce_correlationid: 'c-1',
      ce_causationid: 'c-2',
      'content-type': 'application/avro',
    },
  });
});

test('without metadata the id is a new UUID each time, and without a time function the time is now', async () => {
  const Now = eventClass({ schema });
  const clock = { now: () => 1000, sleep: () => Promise.resolve() };
  const serde = new AvroSerde({ types: new EventTypes([Now]), registry: new MemorySchemaRegistry(), source: 'shop', clock });
  await serde.start();
  const [a, b] = [serde.encode(new Now({ id: 'x' })), serde.encode(new Now({ id: 'x' }))];
  expect(a.headers.ce_id).toMatch(/^[0-9a-f-]{36}$/);
  expect(a.headers.ce_id).not.toBe(b.headers.ce_id);
  expect(a.headers.ce_time).toBe('1970-01-01T00:00:01.000Z');
  expect(Object.keys(a.headers)).not.toContain('ce_correlationid');
});

test('the registry is given one text per type and version, with its name and version inside', async () => {
  const registry = new MemorySchemaRegistry();
  await startedSerde([eventClass({ schema: { ...schema, name: 'Ignored', namespace: 'ignored' }, version: 3, name: 'a.b.C' })], registry);
  const registered = await registry.byId(1);
  expect((await registry.subject('a.b.C.v3')).schemas).toEqual([registered]);
  expect(registered?.schema).toBe('{"type":"record","name":"C","namespace":"a.b","refold.version":3,"fields":[{"name":"id","type":"string"}]}');
});

test('a foreign record: no headers and no key', async () => {
  const registry = new MemorySchemaRegistry();
  const serde = await startedSerde([Thing], registry);
  const record = stored({ ...serde.encode(new Thing({ id: 'x' })), key: null, headers: {} });
  expect(await decodedWith([Thing], registry, record)).toEqual([
    { type: 'orders.Thing', event: new Thing({ id: 'x' }), key: 'x', time: APPENDED_AT, index: 0 },
  ]);
  expect(serde.decoder([Thing]).facts(record)).toEqual({ time: APPENDED_AT, type: undefined });
});

describe('a record key that is coarser than the stream id', () => {
  const both = recordOf({ name: 'id', type: 'string' }, { name: 'customer', type: 'string' });
  interface Order {
    readonly id: string;
    readonly customer: string;
  }
  const Order = eventClass({ schema: both, key: (e: Order) => e.id, partitionKey: (e: Order) => e.customer, time: () => new Date(at) });

  test('decides on the partition, while the event names its stream', async () => {
    const registry = new MemorySchemaRegistry();
    const record = (await startedSerde([Order], registry)).encode(new Order({ id: 'o1', customer: 'c1' }));
    expect(record.key).toEqual(Buffer.from('c1'));
    expect(record.headers.ce_subject).toBe('o1');
    expect(await decodedWith([Order], registry, stored(record))).toMatchObject([{ key: 'o1' }]);
    expect(await decodedWith([Order], registry, stored({ ...record, headers: {} }))).toMatchObject([{ key: 'o1' }]);
  });

  test.each(['', 7, '\ud800'])('is refused where it cannot be a key: %j', async (customer) => {
    const Odd = eventClass({ schema, key: () => 'o1', partitionKey: () => customer as string });
    const serde = await startedSerde([Odd]);
    expect((await errorOf(() => serde.encode(new Odd({ id: 'x' })))).message).toContain('its partitionKey');
  });
});

test('the time of the header is the time of the event', async () => {
  const registry = new MemorySchemaRegistry();
  const serde = await startedSerde([Thing], registry);
  const record = stored(serde.encode(new Thing({ id: 'x' })));
  expect((await decodedWith([Thing], registry, record))[0]?.time).toBe(at);
  const foreign = { ...record, headers: { ...record.headers, ce_time: '1997-01-12T12:20:30.045999+02:00' } };
  expect((await decodedWith([Thing], registry, foreign))[0]?.time).toBe(at);
});

describe('schemas that are not known here', () => {
  const setUp = async () => {
    const known = new MemorySchemaRegistry();
    const record = stored((await startedSerde([Thing], known)).encode(new Thing({ id: 'x' })));
    const asked: number[] = [];
    let now = 0;
    const answer: { give: (id: number) => Promise<RegisteredSchema | undefined> } = { give: (id) => known.byId(id) };
    const registry = answering((id) => (asked.push(id), answer.give(id)));
    const clock = { now: () => now, sleep: () => Promise.resolve() };
    const serde = new AvroSerde({ types: new EventTypes([Thing]), registry, source: 'shop', clock });
    return { record, asked, answer, serde, pass: (ms: number) => (now += ms), known };
  };

  test('are fetched once, by however many ask at a time and afterwards', async () => {
    const { record, asked, serde } = await setUp();
    const [a, b] = [serde.decoder([Thing]), serde.decoder([Thing])];
    await Promise.all([a.prepare([record, record]), b.prepare([record]), a.prepare([record])]);
    await b.prepare([record]);
    expect(asked).toEqual([1]);
    expect(b.decode(record)).toHaveLength(1);
  });

  test('an unknown id is believed for a few seconds only', async () => {
    const { record, asked, answer, serde, pass, known } = await setUp();
    answer.give = () => Promise.resolve(undefined);
    const decoder = serde.decoder([Thing]);
    await decoder.prepare([record]);
    await decoder.prepare([record]);
    expect(asked).toEqual([1]);
    expect((await errorOf(() => decoder.decode(record))).code).toBe('event.unknown-schema-id');
    answer.give = (id) => known.byId(id);
    pass(3_000);
    await decoder.prepare([record]);
    expect(decoder.decode(record)).toHaveLength(1);
  });

  test('a registry that does not answer is an error of prepare, and is asked again', async () => {
    const { record, asked, answer, serde, known } = await setUp();
    answer.give = () => Promise.reject(new RefoldError('schema.unreachable', 'no answer'));
    const decoder = serde.decoder([Thing]);
    expect((await errorOf(() => decoder.prepare([record]))).code).toBe('schema.unreachable');
    answer.give = (id) => known.byId(id);
    await decoder.prepare([record]);
    expect(asked).toEqual([1, 1]);
  });
});
