import { defineApp } from '../../../src/app/define-app';
import { defineEventType, EventType } from '../../../src/events/event-type';
import { count, integer, text, timestamp, windowStart } from '../../../src/projections/columns';
import { storageIn } from '../../../src/projections/definition';
import { generationNames, partialsTable, rowTables } from '../../../src/projections/generations';
import { Projection, projection, type AnyProjection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { tumbling } from '../../../src/projections/windows/window';
import { RefoldError } from '../../../src/kernel/errors';
import {
  CustomerDaily,
  customerDaily,
  customerDailyV2,
  OrderErased,
  orderSummary,
  OrderNoted,
  OrderPlaced,
  OrderSummary,
  shopEvents,
} from '../../support/shop';
import { definitionOf } from '../../support/harness';

@EventType({ name: 'shop.Elsewhere', version: 1, topic: 'elsewhere', key: (e) => e.id, schema: { type: 'record', fields: [{ name: 'id', type: 'string' }] } })
class Elsewhere {
  constructor(readonly id: string) {}
}

const faultsOf = (define: () => unknown): string => {
  try {
    define();
  } catch (error) {
    expect(error).toMatchObject({ code: 'definition.invalid' });
    return (error as RefoldError).message;
  }
  throw new Error('nothing was refused');
};
const withProjections = (...projections: readonly AnyProjection[]): string =>
  faultsOf(() => defineApp({ name: 'shop', events: [...shopEvents, Elsewhere], projections }));

const counted = readModel('counted', { a: text().key(), n: count() });

describe('defineApp', () => {
  it('takes classes and values and says the topics', () => {
    const app = defineApp({
      name: 'shop',
      events: [...shopEvents],
      projections: [OrderSummary, CustomerDaily, customerDailyV2],
      topics: { orders: { partitions: 3 } },
    });
    expect(app.topics).toEqual([{ topic: 'orders', partitions: 3 }]);
    expect(app.projections.map(({ name, version, kind }) => [name, version, kind])).toEqual([
      ['order-summary', 1, 'row-fold'],
      ['customer-daily', 1, 'merged'],
      ['customer-daily', 2, 'merged'],
    ]);
    expect(defineApp({ name: 'shop', events: [...shopEvents], projections: [] }).topics[0]!.partitions).toBe(4);
  });

  it('reports everything wrong at once', () => {
    class Undecorated {}
    const message = faultsOf(() =>
      defineApp({
        name: 'My Shop',
        events: [OrderPlaced, OrderPlaced, Undecorated],
        projections: [CustomerDaily, CustomerDaily, OrderSummary],
        topics: { nowhere: { partitions: 0 } },
      }),
    );
    expect(message).toContain('the name "My Shop" must be lower-case');
    expect(message).toContain('event type shop.OrderPlaced is registered twice');
    expect(message).toContain('class Undecorated is not an event type: decorate it with @EventType');
    expect(message).toContain('projection customer-daily v1 is defined twice');
    expect(message).toContain('it handles shop.OrderShipped, which is not registered');
    expect(message).toContain('topic nowhere is not the topic of any event type');
    expect(message).toContain('topic nowhere: its numbers of partitions and of copies must be whole numbers from 1');
  });

  it.each([
    ['no handler', projection({ name: 'p', version: 1, into: orderSummary }), 'it handles no event'],
    [
      'two handlers of one event',
      projection({ name: 'p', version: 1, into: orderSummary })
        .on(OrderErased, () => undefined)
        .on(OrderErased, () => undefined),
      'handles shop.OrderErased twice',
    ],
    ['a bad name', projection({ name: 'P P', version: 1, into: orderSummary }).on(OrderErased, () => undefined), 'its name must be'],
    ['a bad version', projection({ name: 'p', version: 0, into: orderSummary }).on(OrderErased, () => undefined), 'its version must be'],
    ['no store', projection({ name: 'p', version: 1, into: orderSummary, store: [] }).on(OrderErased, () => undefined), 'it needs a store'],
    [
      'rows from two topics',
      projection({ name: 'p', version: 1, into: orderSummary })
        .on(OrderErased, () => undefined)
        .on(Elsewhere, () => undefined),
      'folded from one topic',
    ],
    [
      'rows with two keys',
      projection({ name: 'p', version: 1, into: readModel('two', { a: text().key(), b: text().key() }) }).on(OrderErased, () => undefined),
      'exactly one key column',
    ],
    [
      'rows keyed by time',
      projection({ name: 'p', version: 1, into: readModel('t', { a: timestamp().key() }) }).on(OrderErased, () => undefined),
      'exactly one key column',
    ],
    [
      'a window over rows',
      projection({ name: 'p', version: 1, into: orderSummary, window: tumbling('1 day') }).on(OrderErased, () => undefined),
      'needs measures',
    ],
    [
      'a window without its start',
      projection({ name: 'p', version: 1, into: readModel('n', { a: text().key(), n: count() }), window: tumbling('1 day') }).on(OrderErased, () => undefined),
      'exactly one windowStart()',
    ],
    [
      'window columns without a window',
      projection({ name: 'p', version: 1, into: customerDaily }).on(OrderErased, () => undefined),
      'window columns need a window',
    ],
    [
      'failures that go nowhere',
      projection({ name: 'p', version: 1, into: orderSummary, failures: { overflow: 'drop' as never } }).on(OrderErased, () => undefined),
      'overflow is "drop"; it can be stop, log, topic',
    ],
    [
      'a storage of rows without measures',
      projection({ name: 'p', version: 1, into: orderSummary, storage: 'partials' as never }).on(OrderErased, () => undefined),
      'storage is a choice of models with measures',
    ],
    [
      'merged rows in ClickHouse',
      projection({ name: 'p', version: 1, into: counted, store: ['postgres', 'clickhouse'], storage: 'merged' }).on(OrderErased, () => undefined),
      "storage 'merged' cannot be had in ClickHouse, which cannot add to a row in place: leave storage out",
    ],
  ])('refuses %s', (_, given, fault) => {
    expect(withProjections(given as AnyProjection)).toContain(fault);
  });

  it('refuses event types whose schema or versions cannot be used', () => {
    class Odd {
      constructor(readonly id: string) {}
    }
    const define = (version: number, schema: unknown, upcasters = {}): string => {
      defineEventType(Odd, { name: 'shop.Odd', version, topic: 'orders', key: (e) => e.id, schema, upcasters });
      return faultsOf(() => defineApp({ name: 'shop', events: [Odd], projections: [] }));
    };
    expect(define(1, { type: 'record', fields: [{ name: 'id', type: 'strong' }] })).toContain('event type shop.Odd:');
    expect(define(3, { type: 'record', fields: [{ name: 'id', type: 'string' }] }, { 2: (f: object) => f })).toContain('there is no upcaster from version 1');
    expect(define(0, { type: 'record', fields: [{ name: 'id', type: 'string' }] })).toContain('its version must be a whole number');
  });

  it('refuses two projections that fill one read model, and a class without @Projection', () => {
    const other = projection({ name: 'other', version: 1, into: orderSummary }).on(OrderErased, () => undefined);
    expect(withProjections(OrderSummary, other)).toContain('read model order_summary is filled by two projections');
    expect(withProjections(class Plain { readonly into = orderSummary; })).toContain('class Plain is not a projection: Decorate the class with @Projection'); // prettier-ignore
  });

  it('read models refuse at run time what the compiler cannot see', () => {
    expect(faultsOf(() => readModel('x'.repeat(41), { a: text().key() }))).toContain('1 to 40 bytes');
    const columns: Record<string, never> = { a: text() as never };
    expect(faultsOf(() => readModel('m', columns as never))).toContain('needs a key');
    expect(faultsOf(() => readModel('m', { a: text().key(), b: text(), n: count() }))).toContain('must be part of the key');
  });
});

describe('the definition hash', () => {
  const base = projection({ name: 'p', version: 1, into: orderSummary }).on(OrderErased, () => undefined);

  it('does not change with the handlers code, the order of handlers or the version', () => {
    const same = projection({ name: 'p', version: 7, into: orderSummary }).on(OrderErased, (event) => void event);
    expect(definitionOf(same).hash).toBe(definitionOf(base).hash);
    expect(definitionOf(same).sourceHash).not.toBe(definitionOf(base).sourceHash);
  });

  it.each([
    [
      'columns',
      projection({ name: 'p', version: 1, into: readModel('order_summary', { order_id: text().key(), n: integer() }) }).on(OrderErased, () => undefined),
    ],
    ['event types', base.on(OrderNoted, (_, row) => row)],
    ['missing', projection({ name: 'p', version: 1, into: orderSummary }).on(OrderErased, { missing: 'skip' }, () => undefined)],
  ])('changes with the %s', (_, changed) => {
    expect(definitionOf(changed).hash).not.toBe(definitionOf(base).hash);
  });

  it('changes with partials; merged rows are what it means to say nothing', () => {
    const hashOf = (storage?: 'merged' | 'partials'): string =>
      definitionOf(projection({ name: 'p', version: 1, into: counted, ...(storage && { storage }) }).on(OrderErased, () => undefined)).hash;
    expect(hashOf('merged')).toBe(hashOf());
    expect(hashOf('partials')).not.toBe(hashOf());
  });

  it('changes with a partition key: row keys come from elsewhere', () => {
    const hashes = [{}, { partitionKey: () => 'c' }].map((more) => {
      class Noted {}
      defineEventType(Noted, { name: 'shop.Noted', version: 1, topic: 'orders', key: () => 'o', schema: { type: 'record', fields: [] }, ...more });
      return definitionOf(projection({ name: 'p', version: 1, into: orderSummary }).on(Noted, () => undefined)).hash;
    });
    expect(new Set(hashes).size).toBe(2);
  });

  it('changes with the window', () => {
    const model = readModel('n', { a: text().key(), w: windowStart(), n: count() });
    const hashes = ['1 day', '1 hour'].map(
      (size) => definitionOf(projection({ name: 'p', version: 1, into: model, window: tumbling(size) }).on(OrderErased, () => undefined)).hash,
    );
    expect(new Set(hashes).size).toBe(2);
  });
});

describe('how rows are kept', () => {
  const storages = (given: AnyProjection): readonly string[] =>
    (['postgres', 'memory', 'clickhouse'] as const).map((store) => storageIn(definitionOf(given), store));
  const base = { name: 'p', version: 1, into: counted } as const;

  it('is what the projection says, else what the store does best', () => {
    @Projection({ name: 'p', version: 1, storage: 'partials' })
    class Parts {
      readonly into = counted;
    }
    expect(storages(OrderSummary)).toEqual(['rows', 'rows', 'rows']);
    expect(storages(projection(base))).toEqual(['merged', 'merged', 'partials']);
    expect(storages(projection({ ...base, storage: 'partials' }))).toEqual(['partials', 'partials', 'partials']);
    expect(storages(Parts)).toEqual(['partials', 'partials', 'partials']);
  });

  it('gives partials a table whose name Postgres keeps', () => {
    const table = (version: number): string => generationNames('shop', 'm'.repeat(40), { projection: 'p', store: 'postgres', version, run: 1 }).table;
    expect(partialsTable({ table: table(2) })).toBe(`${'m'.repeat(40)}__v2_r1_partials`);
    expect([2, 20_260_131, 2_147_483_647].map((version) => Buffer.byteLength(partialsTable({ table: table(version) })) <= 63)).toEqual([true, true, true]);
    expect(partialsTable({ table: table(2_147_483_647) })).not.toBe(table(2_147_483_647));
    const groups = (version: number, store: 'postgres' | 'clickhouse') => rowTables({ store, storage: 'groups', table: table(version) });
    expect(groups(2, 'postgres')).toEqual([table(2), `${table(2)}_groups`]);
    expect(groups(2_147_483_647, 'postgres').map((name) => Buffer.byteLength(name) <= 63)).toEqual([true, true]);
    expect(groups(2, 'clickhouse')).toEqual([`${table(2)}_rows`, `${table(2)}_groups`]);
  });
});
