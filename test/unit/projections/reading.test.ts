import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { MemoryEventLog } from '../../../src/events/adapters/memory/memory-event-log';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { defineApp, type App } from '../../../src/app/define-app';
import { foldEvents } from '../../../src/testing';
import type { EventClass, EventTypeOptions } from '../../../src/events/event-type';
import { asEvent } from '../../../src/events/upcasting';
import { MemoryCatalog } from '../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../src/projections/adapters/memory/store';
import { count, integer, text } from '../../../src/projections/columns';
import { projection, type AnyProjection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { buildGeneration, caughtUp, startRunner, totals, until } from '../../support/harness';
import { eventClass, recordOf } from '../events/serde-fixture';

type Definition = Partial<EventTypeOptions<unknown, never>> & { readonly schema: unknown };
const id = { name: 'id', type: 'string' };
const keyed = (definition: Definition) => eventClass({ key: (e: { id: string }) => e.id, ...definition });
const rows = readModel('things', { id: text().key(), n: integer() });
const counting = (event: EventClass<object>) =>
  projection({ name: 'things', version: 1, into: rows }).on(event, (e, row) => ({ id: (e as { id: string }).id, n: (row?.n ?? 0) + 1 }));
const appOf = (events: readonly EventClass[], of: AnyProjection, unknownEvents?: 'hold' | 'ignore'): App =>
  defineApp({ name: 'shop', events, projections: [of], ...(unknownEvents === undefined ? {} : { unknownEvents }) });
const definitionIn = (app: App) => app.projections[0]!;

/** A log that an application wrote, as another release of it reads it. */
const released = async (written: readonly object[]) => {
  const [log, registry] = [new MemoryEventLog(), new MemorySchemaRegistry()];
  await log.createTopics([{ topic: 'orders', partitions: 1 }]);
  const serdeOf = async (app: App): Promise<AvroSerde> => {
    const serde = new AvroSerde({ types: app.events, registry, source: 'shop' });
    await serde.start();
    return serde;
  };
  const classes = [...new Set(written.map((event) => event.constructor as EventClass))];
  const serde = await serdeOf(defineApp({ name: 'shop', events: classes, projections: [] }));
  await log.append(written.map((event) => serde.encode(event)));
  const catalog = new MemoryCatalog({ app: 'shop' });
  const store = new MemoryReadModelStore({ catalog });
  return {
    read: async (app: App) => {
      const generation = await buildGeneration(catalog, store, log, definitionIn(app));
      const running = startRunner({ log, serde: await serdeOf(app) }, store, generation, definitionIn(app));
      const stopped = () => running.events.flatMap((event) => (event.kind === 'stopped' ? [event.failure] : []))[0];
      await until(async () => stopped() !== undefined || (await caughtUp(catalog, log, generation)), 'it was read');
      await running.stop();
      const { read, applied, filtered } = totals(await catalog.checkpoints(generation.id)) as Record<'read' | 'applied' | 'filtered', number>;
      return { rows: store.rows(generation.id), counters: { read, applied, filtered }, stopped: stopped() };
    },
  };
};

describe('events of types that nobody registered', () => {
  const [Known, Newer] = [keyed({ schema: recordOf(id) }), keyed({ name: 'orders.Newer', schema: recordOf(id) })];
  const written = [new Known({ id: 'a' }), new Newer({ id: 'a' }), new Known({ id: 'a' })];

  test('hold the partition at their place, and nothing is lost', async () => {
    const { read } = await released(written);
    expect(await read(appOf([Known], counting(Known)))).toMatchObject({
      rows: [{ id: 'a', n: 1 }],
      counters: { read: 1, applied: 1 },
      stopped: { offset: 1, error: { code: 'event.unknown-type' } },
    });
    expect(await read(appOf([Known, Newer], counting(Known)))).toMatchObject({ rows: [{ id: 'a', n: 2 }], stopped: undefined });
  });

  test.each([
    ['the application', appOf([Known], counting(Known), 'ignore')],
    ['the projection, whatever the application says', appOf([Known], ignoring(counting(Known)), 'hold')],
  ])('are read past and counted as filtered where %s says so', async (_who, app) => {
    const { read } = await released(written);
    expect(await read(app)).toEqual({ rows: [{ id: 'a', n: 2 }], counters: { read: 3, applied: 2, filtered: 1 }, stopped: undefined });
  });

  test('the choice is no other projection: the rows are the same', () => {
    expect(definitionIn(appOf([Known], counting(Known), 'ignore')).hash).toBe(definitionIn(appOf([Known], counting(Known))).hash);
  });
});

function ignoring(of: ReturnType<typeof counting>): AnyProjection {
  return { ...of, source: { ...of.source, unknownEvents: 'ignore' } } as AnyProjection;
}

describe('a projection of events that others become', () => {
  const Old = keyed({ schema: recordOf(id, { name: 'paid', type: 'boolean' }) });
  const Paid = keyed({ name: 'orders.Paid', schema: recordOf(id) });
  const today = (more: Partial<Definition> = {}) =>
    keyed({
      version: 2,
      schema: recordOf(id),
      becomes: ['orders.Paid'],
      upcasters: { 1: ({ id: of, paid }) => [{ id: of }, ...(paid === true ? [asEvent('orders.Paid', 1, { id: of })] : [])] },
      ...more,
    });

  test('folds the parts of old records', async () => {
    const { read } = await released([new Old({ id: 'a', paid: true }), new Old({ id: 'b', paid: false })]);
    expect(await read(appOf([today(), Paid], counting(Paid)))).toEqual({
      rows: [{ id: 'a', n: 1 }],
      counters: { read: 2, applied: 1, filtered: 1 },
      stopped: undefined,
    });
  });

  test('is another projection when what becomes its events changes', () => {
    const hashOf = (Thing: EventClass): string => definitionIn(appOf([Thing, Paid], counting(Paid))).hash;
    const plain = hashOf(keyed({ schema: recordOf(id) }));
    const split = hashOf(today());
    const later = hashOf(today({ version: 3, upcasters: { 1: () => [], 2: () => [] } }));
    expect(new Set([plain, split, later]).size).toBe(3);
    expect(hashOf(today())).toBe(split);
  });
});

describe('code identity', () => {
  const hashOf = (more: Partial<Definition>) => {
    const Thing = keyed({ schema: recordOf(id), ...more });
    const { hash, sourceHash } = definitionIn(appOf([Thing], counting(Thing)));
    return { hash, sourceHash };
  };

  test('a step of upcasting and a former name are part of the definition; the code of a step warns only, as that of handlers does', () => {
    const up = { 1: () => [] };
    const [one, two, stepped, other, named] = [
      hashOf({}),
      hashOf({ version: 2 }),
      hashOf({ version: 2, upcasters: up }),
      hashOf({ version: 2, upcasters: { 1: (f) => f } }),
      hashOf({ formerNames: ['orders.Before'] }),
    ];
    expect(new Set([one.hash, two.hash, stepped.hash, named.hash]).size).toBe(4);
    expect(other.hash).toBe(stepped.hash);
    expect(other.sourceHash).not.toBe(stepped.sourceHash);
    expect(one.sourceHash).toBe(two.sourceHash);
  });
});

describe('declared fields', () => {
  const wide = recordOf(id, { name: 'n', type: 'int' }, { name: 'other', type: 'string' });
  class Wide {
    constructor(
      readonly id: string,
      readonly n: number,
      readonly other: string,
    ) {}
  }
  const Thing = Object.assign(keyed({ schema: wide }), {}) as unknown as EventClass<Wide> & (new (fields: object) => Wide);
  const reading = projection({ name: 'things', version: 1, into: rows }).on(Thing, { fields: ['id', 'n'] }, (e) => ({ id: e.id, n: e.n }));

  test('are all that the handler gets', async () => {
    const event = new Thing({ id: 'a', n: 5, other: 'x' });
    expect((await foldEvents(reading, [event])).rows).toEqual([{ id: 'a', n: 5 }]);
    const sly = projection({ name: 'things', version: 1, into: rows }).on(Thing, { fields: ['id'] }, (e) => ({ id: e.id, n: (e as Wide).n }));
    await expect(foldEvents(sly, [event])).rejects.toMatchObject({ code: 'handler.failed', message: expect.stringContaining('field n') });
  });

  test('must be in the schema', () => {
    const wrong = projection({ name: 'things', version: 1, into: rows }).on(Thing, { fields: ['id', 'm' as never] }, (e) => ({ id: e.id, n: 0 }));
    expect(() => appOf([Thing], wrong)).toThrow('its handler of orders.Thing declares the field m, which is not in the schema');
  });

  test('are what the definition depends on: others may come and go', () => {
    const hashOf = (schema: unknown, fields?: readonly never[]): string => {
      const Type = keyed({ schema });
      const base = projection({ name: 'things', version: 1, into: rows });
      const handle = (): { id: string; n: number } => ({ id: 'x', n: 0 });
      return definitionIn(appOf([Type], fields === undefined ? base.on(Type, handle) : base.on(Type, { fields }, handle))).hash;
    };
    const more = recordOf(id, { name: 'n', type: 'int' }, { name: 'added', type: 'string', default: '' });
    const otherwise = recordOf(id, { name: 'n', type: 'long' }, { name: 'other', type: 'string' });
    const declared = ['n', 'id'] as never[];
    expect(hashOf(more, declared)).toBe(hashOf(wide, declared));
    expect(hashOf(wide, [...declared].reverse())).toBe(hashOf(wide, declared));
    expect(new Set([hashOf(wide), hashOf(more), hashOf(wide, declared), hashOf(otherwise, declared), hashOf(wide, ['id'] as never[])]).size).toBe(5);
  });
});

describe('event types that do not go together', () => {
  const faults = (...events: readonly EventClass[]): string => {
    try {
      defineApp({ name: 'shop', events, projections: [] });
    } catch (error) {
      expect(error).toMatchObject({ code: 'definition.invalid' });
      return (error as Error).message;
    }
    throw new Error('nothing was refused');
  };
  const named = (name: string, more: Partial<Definition> = {}) => keyed({ name, schema: recordOf(id), ...more });

  test('are refused with the reason', () => {
    const before = faults(named('shop.A', { formerNames: ['shop.B', 'shop.C'] }), named('shop.B'), named('shop.D', { formerNames: ['shop.C'] }));
    expect(before).toContain('event type shop.B is registered, and is a former name of another');
    expect(before).toContain('shop.C is the former name of two event types');
    expect(faults(named('shop.A', { becomes: ['shop.X'] }))).toContain('event type shop.A becomes shop.X, which is not registered');
    expect(faults(named('shop.A', { becomes: ['shop.B'] }), named('shop.B', { topic: 'elsewhere' }))).toContain('both must be of one topic');
  });
});

test('measures may declare fields too', async () => {
  const counted = readModel('counted', { id: text().key(), events: count() });
  const Thing = keyed({ schema: recordOf(id, { name: 'other', type: 'string' }) });
  const value = projection({ name: 'counted', version: 1, into: counted }).on(Thing, { fields: ['id' as never] }, (e) =>
    counted.contribution({ id: (e as { id: string }).id }, { events: 1 }),
  );
  expect((await foldEvents(value, [new Thing({ id: 'a', other: '' })])).rows).toMatchObject([{ id: 'a', events: 1n }]);
});
