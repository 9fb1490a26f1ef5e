import fc from 'fast-check';
import { MemorySchemaPins } from '../../../src/events/adapters/memory/schema-pins';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { EventTypes } from '../../../src/events/event-types';
import { PinnedSchemaRegistry, schemaFingerprint } from '../../../src/events/schema-pins';
import { bound } from '../../conformance/schema-registry.suite';
import { errorOf, eventClass, recordOf, startedSerde, stored } from './serde-fixture';

const schema = recordOf({ name: 'id', type: 'string' });

describe('the fingerprint of a schema', () => {
  test('does not depend on blanks and the order of keys, but on everything else', () => {
    const of = (...texts: readonly string[]): number => new Set(texts.map(schemaFingerprint)).size;
    expect(of('{"a":1,"b":[1,{"c":2,"d":3}]}', '{ "b": [1, {"d":3,"c":2}],\n "a": 1 }')).toBe(1);
    expect(of('{"a":1}', '{"a":2}', '{"b":1}', '[1,2]', '[2,1]', 'syntax = "proto3";', 'syntax = "proto2";')).toBe(7);
    fc.assert(fc.property(fc.jsonValue(), (value) => of(JSON.stringify(value), JSON.stringify(value, null, 2)) === 1));
  });
});

describe('a registry whose ids are held', () => {
  const setUp = async () => {
    const [Thing, Other] = [eventClass({ schema }), eventClass({ name: 'orders.Other', schema })];
    const [registry, pins] = [new MemorySchemaRegistry(), new MemorySchemaPins()];
    let now = 0;
    const answers = { from: registry as Pick<MemorySchemaRegistry, 'byId'> };
    const pinned = new PinnedSchemaRegistry({ ...bound(registry), byId: (id) => answers.from.byId(id) }, pins);
    const serde = new AvroSerde({
      types: new EventTypes([Thing]),
      registry: pinned,
      source: 'shop',
      clock: { now: () => now, sleep: () => Promise.resolve() },
    });
    await serde.start();
    const record = stored(serde.encode(new Thing({ id: 'x' })));
    const restored = new MemorySchemaRegistry(); // gives the id 1 to another schema
    await startedSerde([Other], restored);
    return { Thing, pins, pinned, registry, restored, answers, serde, record, pass: (ms: number) => (now += ms) };
  };

  test('a record under an id with another meaning is not decoded, until the registry is right again', async () => {
    const { Thing, answers, restored, registry, serde, record, pass } = await setUp();
    const decoder = serde.decoder([Thing]);
    answers.from = restored;
    await decoder.prepare([record]);
    const error = await errorOf(() => decoder.decode(record));
    expect([error.code, error.facts]).toEqual(['schema.id-reassigned', { topic: 'orders', partition: 3, offset: 7, key: 'k1', schemaId: 1 }]);
    answers.from = registry;
    await decoder.prepare([record]);
    expect((await errorOf(() => decoder.decode(record))).code).toBe('schema.id-reassigned'); // believed for a few seconds
    pass(3_000);
    await decoder.prepare([record]);
    expect(decoder.decode(record)).toHaveLength(1);
  });

  test('looking up and checking hold nothing; reading and registering do', async () => {
    const { pins, pinned, registry } = await setUp();
    expect([...(await pins.find([1, 2])).keys()]).toEqual([1]);
    const text = '{"type":"record","name":"X","fields":[]}';
    expect(await registry.register('x', text)).toBe(2);
    expect([await pinned.idOf('x', text), (await pinned.subject('x')).schemas.length]).toEqual([2, 1]);
    expect([...(await pins.find([1, 2])).keys()]).toEqual([1]);
    await pinned.byId(2);
    expect([...(await pins.find([1, 2])).keys()]).toEqual([1, 2]);
  });

  test('nobody writes under a changed id: start, register and check refuse', async () => {
    const { Thing, pinned, answers, restored } = await setUp();
    answers.from = restored;
    const again = new AvroSerde({ types: new EventTypes([Thing]), registry: pinned, source: 'shop' });
    for (const work of [() => again.start(), () => again.register(), () => again.check()]) {
      expect((await errorOf(work)).code).toBe('schema.id-reassigned');
    }
  });
});
