import fc from 'fast-check';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import type { DecodedEvent } from '../../../src/events/event-serde';
import { errorOf, eventClass, recordOf, startedSerde, stored } from './serde-fixture';

type Thing = ReturnType<typeof eventClass>;
const line = { type: 'record', name: 'Line', fields: [{ name: 'sku', type: 'string' }] };
const schema = recordOf(
  { name: 'id', type: 'string' },
  { name: 'first', type: { type: 'array', items: line } },
  { name: 'counts', type: { type: 'map', values: 'long' } },
  { name: 'second', type: ['null', 'Line'] },
  { name: 'n', type: 'long' },
  { name: 'last', type: 'double' },
);
const ALL = ['id', 'first', 'counts', 'second', 'n', 'last'];

const narrowed = async (Type: Thing, fields: readonly string[], event: object, key?: null): Promise<DecodedEvent> => {
  const serde = await startedSerde([Type], new MemorySchemaRegistry());
  const record = stored({ ...serde.encode(event), ...(key === undefined ? {} : { key }) });
  const decoder = serde.decoder([Type], { fields: new Map([['orders.Thing', fields]]) });
  await decoder.prepare([record]);
  expect(decoder.decode(record)).toEqual(decoder.decode(record));
  return decoder.decode(record)[0] as DecodedEvent;
};
const example = { id: 'a', first: [{ sku: 's' }], counts: { x: 1n }, second: { sku: 't' }, n: 2n, last: 0.5 };

test('whatever fields are declared, they have the values of the whole event', async () => {
  const Type = eventClass({ schema });
  const lines = fc.record({ sku: fc.string() }, { noNullPrototype: true });
  const events = fc.record({
    id: fc.string(),
    first: fc.array(lines, { maxLength: 3 }),
    counts: fc.dictionary(fc.string(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { noNullPrototype: true, maxKeys: 3 }),
    second: fc.option(lines),
    n: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    last: fc.double(),
  });
  await fc.assert(
    fc.asyncProperty(events, fc.subarray(ALL), async (fields, declared) => {
      const { event } = await narrowed(Type, declared, new Type(fields));
      expect(event).toBeInstanceOf(Type);
      for (const name of declared) {
        expect((event as Record<string, unknown>)[name]).toStrictEqual((fields as Record<string, unknown>)[name]);
      }
    }),
    { numRuns: 60 },
  );
});

test('a field that was not declared throws instead of being undefined; a type that only it spells out is still found', async () => {
  const Type = eventClass({ schema });
  const { event } = await narrowed(Type, ['n'], new Type(example));
  expect(Object.keys(event)).toEqual(['n']);
  expect(() => (event as { id: string }).id).toThrow('field id of orders.Thing is not among the fields that the handler declares');
  const { event: second } = await narrowed(Type, ['second'], new Type(example));
  expect(second).toMatchObject({ second: { sku: 't' } });
});

test.each([
  ['a partition key', { partitionKey: () => 'p' }, undefined],
  ['no record key', {}, null],
])('with %s the stream id comes from the event, declared or not', async (_why, more, key) => {
  const Type = eventClass({ schema, key: (e: { id: string }) => `id ${e.id}`, ...more });
  for (const fields of [['n'], ['n', 'id']]) {
    const decoded = await narrowed(Type, fields, new Type(example), key);
    expect(decoded.key).toBe('id a');
    expect(Object.keys(decoded.event).sort()).toEqual([...fields].sort());
  }
});

test('a record that is too short, or goes on, is still undecodable', async () => {
  const Type = eventClass({ schema });
  const serde = await startedSerde([Type]);
  const { value, headers } = serde.encode(new Type(example));
  const decoder = serde.decoder([Type], { fields: new Map([['orders.Thing', ['id']]]) });
  for (const wrong of [value!.subarray(0, value!.length - 1), Buffer.concat([value!, Buffer.from([0])])]) {
    const record = stored({ value: wrong, headers });
    await decoder.prepare([record]);
    expect((await errorOf(() => decoder.decode(record))).code).toBe('event.undecodable');
  }
});
