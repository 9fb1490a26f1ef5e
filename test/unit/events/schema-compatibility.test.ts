import { Type } from 'avsc';
import fc from 'fast-check';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { obstacles } from '../../../src/events/adapters/avro/compatibility';
import { defineEventType, eventTypeOf } from '../../../src/events/event-type';
import type { CompatibilityMode, SchemaRegistry } from '../../../src/events/schema-registry';
import { breakText } from '../../../src/events/schema-verdict';
import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { EventTypes } from '../../../src/events/event-types';
import { bound } from '../../conformance/schema-registry.suite';
import { errorOf, eventClass, recordOf, startedSerde } from './serde-fixture';

const id = { name: 'id', type: 'string' };
const serdeOf = (schema: object, registry: SchemaRegistry): AvroSerde =>
  new AvroSerde({ types: new EventTypes([eventClass({ schema })]), registry, source: 'shop' });
const withMode = (registry: SchemaRegistry, mode: CompatibilityMode): SchemaRegistry => ({
  ...bound(registry),
  subject: async (subject) => ({ ...(await registry.subject(subject)), mode }),
});
/** The verdict on the last schema after the earlier ones were registered, and the reasons in words. */
const verdictOn = async (schemas: readonly object[], mode: CompatibilityMode = 'BACKWARD_TRANSITIVE') => {
  const registry = new MemorySchemaRegistry();
  for (const schema of schemas.slice(0, -1)) {
    const text = JSON.stringify({ type: 'record', name: 'Thing', namespace: 'orders', 'refold.version': 1, ...schema });
    await registry.register('orders.Thing.v1', text);
  }
  const [verdict] = await serdeOf(schemas.at(-1)!, withMode(registry, mode)).check();
  return { ...verdict!, reasons: verdict!.breaks.map(breakText) };
};
const enumOf = (...symbols: string[]): object => ({ type: 'enum', name: 'Status', symbols });

describe('what registering a schema would break', () => {
  test('nothing registered yet; the same; a field with a default', async () => {
    expect(await verdictOn([recordOf(id)])).toMatchObject({ state: 'unregistered', subject: 'orders.Thing.v1', changes: [], breaks: [] });
    const registry = new MemorySchemaRegistry();
    await startedSerde([eventClass({ schema: recordOf(id) })], registry);
    expect(await serdeOf(recordOf(id), registry).check()).toMatchObject([{ state: 'identical', id: 1, version: 1, mode: 'BACKWARD_TRANSITIVE' }]);
    const more = recordOf(id, { name: 'note', type: 'string', default: '' });
    expect(await serdeOf(more, registry).check()).toMatchObject([{ state: 'compatible', changes: ['field note added'], breaks: [] }]);
    expect((await registry.subject('orders.Thing.v1')).schemas).toHaveLength(1);
  });

  test.each<[string, object, object, string]>([
    ['a type', recordOf(id, { name: 'n', type: 'string' }), recordOf(id, { name: 'n', type: 'int' }), 'field n: string cannot be read as int'],
    ['a field without a default', recordOf(id), recordOf(id, { name: 'n', type: 'int' }), 'field n: was not written and has no default'],
    ['a symbol', recordOf({ name: 's', type: enumOf('A', 'B') }), recordOf({ name: 's', type: enumOf('A') }), 'field s: B could not be read any more'],
    [
      'a branch of a union',
      recordOf({ name: 'n', type: ['null', 'string'] }),
      recordOf({ name: 'n', type: 'string' }),
      'field n: null | string cannot be read as string',
    ],
    [
      'a field deep inside',
      recordOf({ name: 'lines', type: { type: 'array', items: { type: 'record', name: 'Line', fields: [{ name: 'sku', type: 'string' }] } } }),
      recordOf({ name: 'lines', type: { type: 'array', items: { type: 'record', name: 'Line', fields: [{ name: 'sku', type: 'long' }] } } }),
      'field lines[].sku: string cannot be read as long',
    ],
    [
      'the values of a map',
      recordOf({ name: 'm', type: { type: 'map', values: 'string' } }),
      recordOf({ name: 'm', type: { type: 'map', values: 'double' } }),
      'field m{}: string cannot be read as double',
    ],
  ])('%s that changed is named with its path', async (_, before, after, reason) => {
    expect(await verdictOn([before, after])).toMatchObject({ state: 'incompatible', reasons: [`${reason} (written with schema id 1)`] });
  });

  test('every registered schema counts, whatever the mode: a replay reads them all', async () => {
    const schemas = [
      recordOf({ name: 'n', type: 'string' }),
      recordOf({ name: 'm', type: 'int', default: 1 }),
      recordOf({ name: 'n', type: 'int', default: 0 }),
    ];
    for (const mode of ['NONE', 'BACKWARD', 'FORWARD'] as const) {
      expect(await verdictOn(schemas, mode)).toMatchObject({ state: 'incompatible', mode, breaks: [{ id: 1, direction: 'backward', field: 'n' }] });
    }
  });

  test('other readers count where the mode says so: the last schema, or all', async () => {
    const [first, second, third] = [recordOf(id, { name: 'n', type: 'int' }), recordOf(id, { name: 'n', type: 'int', default: 0 }), recordOf(id)];
    expect(await verdictOn([first, third], 'BACKWARD_TRANSITIVE')).toMatchObject({ state: 'compatible', changes: ['field n removed'] });
    expect(await verdictOn([first, third], 'FULL')).toMatchObject({
      state: 'incompatible',
      reasons: ['field n: was not written and has no default (read with schema id 1)'],
    });
    expect(await verdictOn([first, second, third], 'FORWARD')).toMatchObject({ state: 'compatible' });
    expect(await verdictOn([first, second, third], 'FULL_TRANSITIVE')).toMatchObject({ state: 'incompatible', breaks: [{ id: 1, direction: 'forward' }] });
  });

  test('the event type may demand more than the registry: by default that all readers of before can read it', async () => {
    class Thing {
      id = '';
    }
    const options = { name: 'orders.Thing', version: 1, topic: 'orders', key: () => 'k', schema: recordOf(id) };
    defineEventType(Thing, options);
    expect(eventTypeOf(Thing).compatibility).toBe('FULL_TRANSITIVE');
    const states = async (compatibility: CompatibilityMode) => {
      const registry = new MemorySchemaRegistry();
      await startedSerde([eventClass({ schema: recordOf(id, { name: 'n', type: 'int' }) })], registry);
      const serde = new AvroSerde({ types: new EventTypes([eventClass({ schema: recordOf(id), compatibility })]), registry, source: 'shop' });
      return (await serde.check()).map(({ state, mode, compatibility: demanded }) => [state, mode, demanded]);
    };
    expect(await states('FULL_TRANSITIVE')).toEqual([['incompatible', 'BACKWARD_TRANSITIVE', 'FULL_TRANSITIVE']]);
    expect(await states('FORWARD')).toEqual([['incompatible', 'BACKWARD_TRANSITIVE', 'FORWARD']]);
    expect(await states('BACKWARD')).toEqual([['compatible', 'BACKWARD_TRANSITIVE', 'BACKWARD']]);
  });

  test('one that would break something keeps all from being registered', async () => {
    const registry = new MemorySchemaRegistry();
    await startedSerde([eventClass({ schema: recordOf({ name: 'n', type: 'string' }) })], registry);
    const [Changed, New] = [eventClass({ schema: recordOf({ name: 'n', type: 'int' }) }), eventClass({ name: 'orders.New', schema: recordOf(id) })];
    const error = await errorOf(() => startedSerde([New, Changed], registry));
    expect(error).toMatchObject({ code: 'schema.incompatible', facts: { subjects: ['orders.Thing.v1'] } });
    expect(error.message).toContain('orders.Thing.v1 (BACKWARD_TRANSITIVE): field n: string cannot be read as int (written with schema id 1)');
    expect(await registry.byId(2)).toBeUndefined();
  });

  test('obstacles are found exactly where Avro cannot resolve', () => {
    const leaf = fc.constantFrom<unknown>('int', 'long', 'float', 'double', 'string', 'bytes', 'boolean', 'null', ['null', 'int'], ['null', 'string']);
    const field = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      type: fc.oneof(
        leaf,
        leaf.map((items) => ({ type: 'array', items })),
      ),
    });
    const record = fc
      .uniqueArray(field, { selector: ({ name }) => name, minLength: 1 })
      .map((fields) => Type.forSchema({ type: 'record', name: 'R', fields } as never));
    fc.assert(
      fc.property(record, record, (reader, writer) => {
        let resolves = true;
        try {
          reader.createResolver(writer);
        } catch {
          resolves = false;
        }
        const found = obstacles(reader, writer);
        expect(found.length === 0).toBe(resolves);
        expect(found.every(({ field: at, reason }) => /^[abc](\[\])?$/.test(at) && reason !== '')).toBe(true);
      }),
    );
  });
});
