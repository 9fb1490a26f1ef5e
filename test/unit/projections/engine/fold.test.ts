import fc from 'fast-check';
import { Decimal } from '../../../../src/kernel/decimal';
import { partitionId } from '../../../../src/events/position';
import type { DecodedEvent } from '../../../../src/events/event-serde';
import { cutBatch, restOfBatch, type DecodedBatch, type DecodedRecord } from '../../../../src/projections/engine/decoded';
import { storageIn } from '../../../../src/projections/definition';
import { foldBatches, touchedKeys, type FoldResult } from '../../../../src/projections/engine/fold';
import { projection } from '../../../../src/projections/projection';
import type { StampedRow } from '../../../../src/projections/read-model-store';
import { CustomerDaily, OrderErased, OrderPlaced, OrderShipped, orderSummary, OrderSummary, type OrderRow } from '../../../support/shop';
import { definitionOf } from '../../../support/harness';

const DAY = 86_400_000;
const dec = Decimal.parse;
const summary = definitionOf(OrderSummary);
const daily = definitionOf(CustomerDaily);
const NAMES: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [OrderPlaced, 'shop.OrderPlaced'],
  [OrderShipped, 'shop.OrderShipped'],
  [OrderErased, 'shop.OrderErased'],
]);

const eventOf = (event: object, key: string, time: number, index = 0): DecodedEvent => ({ type: NAMES.get(event.constructor)!, event, key, time, index });
const recordOf = (offset: number, time: number, events: readonly object[], key = 'a'): DecodedRecord => ({
  offset,
  timestamp: 7,
  id: `id-${String(offset)}`,
  time,
  events: events.map((event, index) => eventOf(event, key, time, index)),
  aside: undefined,
  failed: undefined,
  raw: { topic: 'orders', partition: 0, offset, timestamp: 7, key: Buffer.from(key), value: null, headers: {} },
});
const batchOf = (from: number, next: number, records: readonly DecodedRecord[], partition = 0): DecodedBatch => ({
  topic: 'orders',
  partition,
  from,
  next,
  records,
});
const fold = (definition: typeof summary, batches: readonly DecodedBatch[], loaded: ReadonlyMap<string, StampedRow> = new Map()): FoldResult =>
  foldBatches(
    definition,
    storageIn(definition, 'postgres'),
    batches,
    new Map(batches.map((b) => [partitionId(b), { epoch: 4, streamTime: undefined }])),
    loaded,
  );
const placed = (key = 'a', amount = '1.00', time = 0): OrderPlaced => new OrderPlaced(key, 'ann', dec(amount), new Date(time));
const rowOf = (key: string, partition = 0): StampedRow => ({
  row: { order_id: key, customer_id: 'ann', status: 'placed', amount: dec('1.00'), changed_at: new Date(0) },
  stamp: { topic: 'orders', partition, offset: 0 },
});

describe('folding a batch', () => {
  it('counts every offset of the range once', () => {
    const records = [recordOf(2, 0, [placed()]), recordOf(3, 0, []), { ...recordOf(5, 0, []), aside: 'discarded' as const }];
    const { advances } = fold(summary, [batchOf(1, 9, records)]).commit;
    expect(advances).toEqual([
      {
        topic: 'orders',
        partition: 0,
        from: 1,
        next: 9,
        epoch: 4,
        streamTime: 0,
        counters: { read: 8, applied: 1, filtered: 1, late: 0, parked: 0, discarded: 1, errata: 0, control: 5 },
        fingerprint: { offset: 5, timestamp: 7, id: 'id-5' },
      },
    ]);
  });

  it('advances over a range without records, keeping stream time and fingerprint', () => {
    const { commit } = foldBatches(summary, 'rows', [batchOf(3, 6, [])], new Map([['orders/0', { epoch: 1, streamTime: 99 }]]), new Map());
    expect(commit.advances[0]).toMatchObject({ from: 3, next: 6, streamTime: 99, fingerprint: undefined, counters: { read: 3, control: 3 } });
  });

  it('stream time is the highest event time, of unhandled records too, and never falls', () => {
    const records = [recordOf(0, 50, []), recordOf(1, 90, []), recordOf(2, 10, [])];
    expect(fold(summary, [batchOf(0, 3, records)]).commit.advances[0]!.streamTime).toBe(90);
  });

  it('stops a partition right before the record that fails; the others go on', () => {
    const failing = projection({ name: 'p', version: 3, into: orderSummary }).on(OrderPlaced, (e): OrderRow => {
      if (e.amount.equals(dec('6.66'))) {
        throw new TypeError('no such luck');
      }
      return { order_id: e.orderId, customer_id: e.customerId, status: 'placed', amount: e.amount, changed_at: e.placedAt };
    });
    const { commit, failures } = fold(definitionOf(failing), [
      batchOf(0, 3, [recordOf(0, 1, [placed('a')], 'a'), recordOf(1, 500, [placed('b', '6.66')], 'b'), recordOf(2, 3, [placed('c')], 'c')]),
      batchOf(7, 8, [recordOf(7, 1, [placed('d')], 'd')], 1),
    ]);
    expect(commit.advances.map(({ partition, next, streamTime }) => [partition, next, streamTime])).toEqual([
      [0, 1, 1],
      [1, 8, 1],
    ]);
    expect(commit.upserts.map(({ row }) => row['order_id'])).toEqual(['a', 'd']);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatchObject({ partition: 0, offset: 1, error: { code: 'handler.failed' } });
    expect((failures[0]!.error as Error).message).toContain('no such luck');
    expect((failures[0]!.error as Error).message).toContain('projection=p v3 event=shop.OrderPlaced key=b topic=orders partition=0 offset=1');
  });

  it('folds a record of several events whole or not at all', () => {
    const records = [
      recordOf(0, 0, [placed('a'), new OrderShipped('a', new Date(5))], 'a'),
      recordOf(1, 0, [new OrderShipped('a', new Date(9)), placed('zzz')], 'a'),
    ];
    const { commit, failures } = fold(summary, [batchOf(0, 2, records)]);
    expect(failures[0]).toMatchObject({ offset: 1, error: { code: 'row.key-mismatch' } });
    expect(commit.upserts).toEqual([
      { row: expect.objectContaining({ status: 'shipped', changed_at: new Date(5) }), stamp: { topic: 'orders', partition: 0, offset: 0 }, isStored: false },
    ]);
  });

  it('writes a row once, deletes only what was loaded', () => {
    const touched = fold(summary, [
      batchOf(0, 3, [recordOf(0, 0, [placed('a')]), recordOf(1, 0, [new OrderErased('a')]), recordOf(2, 0, [placed('a', '2.00')])]),
    ]).commit;
    expect(touched.upserts.map(({ row, stamp }) => [row['amount'], stamp.offset])).toEqual([[dec('2.00'), 2]]);
    const erased = [recordOf(0, 0, [new OrderErased('a')])];
    expect(fold(summary, [batchOf(0, 1, erased)]).commit.deletes).toEqual([]);
    expect(fold(summary, [batchOf(0, 1, erased)], new Map([['a', rowOf('a')]])).commit.deletes).toEqual([
      { key: 'a', stamp: { topic: 'orders', partition: 0, offset: 0 } },
    ]);
  });

  it.each([
    ['row.key-mismatch', [placed('other')]],
    ['row.invalid', [placed('a', '1.001')]],
  ])('refuses with %s', (code, events) => {
    expect(fold(summary, [batchOf(0, 1, [recordOf(0, 0, events)])]).failures[0]).toMatchObject({ offset: 0, error: { code } });
  });

  it('refuses a row that was built from another partition', () => {
    const { failures } = fold(summary, [batchOf(0, 1, [recordOf(0, 0, [new OrderShipped('a', new Date(1))])])], new Map([['a', rowOf('a', 3)]]));
    expect(failures[0]).toMatchObject({ error: { code: 'key.moved', facts: { key: 'a', offset: 0 } } });
  });

  it('an event before its row is skipped, or stops the partition, as its handler says', () => {
    const shipped = [batchOf(0, 1, [recordOf(0, 0, [new OrderShipped('a', new Date(1))])])];
    expect(fold(summary, shipped).commit.advances[0]!.counters).toMatchObject({ filtered: 1, applied: 0 });
    const strict = projection({ name: 'p', version: 1, into: orderSummary }).on(OrderShipped, { missing: 'park' }, (_, row) => row);
    expect(fold(definitionOf(strict), shipped).failures[0]).toMatchObject({ error: { code: 'handler.row-missing' } });
  });

  it('refuses what is neither row nor contribution', () => {
    const untyped = (result: unknown) => (() => result) as never;
    const rows = definitionOf(projection({ name: 'p', version: 1, into: orderSummary }).on(OrderErased, untyped('text')));
    expect(fold(rows, [batchOf(0, 1, [recordOf(0, 0, [new OrderErased('a')])])]).failures[0]).toMatchObject({ error: { code: 'row.invalid' } });
    const merged = {
      ...daily,
      handlers: new Map([['shop.OrderPlaced', { ...daily.handlers.get('shop.OrderPlaced')!, fold: untyped({ group: {}, measures: {} }) }]]),
    };
    expect(fold(merged, [batchOf(0, 1, [recordOf(0, 0, [placed()])])]).failures[0]).toMatchObject({ error: { code: 'row.invalid' } });
  });

  it('keeps late contributions with everything needed to admit them later', () => {
    const records = [recordOf(0, 10 * DAY, [placed('a', '1.00', 10 * DAY)]), recordOf(1, 0, [placed('a', '2.00', 0)])];
    const { commit } = fold(daily, [batchOf(0, 2, records)]);
    expect(commit.late).toEqual([
      {
        topic: 'orders',
        partition: 0,
        offset: 1,
        ordinal: 0,
        eventTime: 0,
        streamTime: 10 * DAY,
        windowStart: 0,
        contribution: { group: { customer_id: 'ann' }, measures: { orders: 1n, revenue: dec('2.00'), largest: dec('2.00'), smallest: dec('2.00') } },
      },
    ]);
    expect(commit.advances[0]!.counters).toMatchObject({ applied: 1, late: 1 });
  });

  it('says which rows a batch touches', () => {
    const batches = [batchOf(0, 3, [recordOf(0, 0, [placed('a')], 'a'), recordOf(1, 0, [], 'b'), recordOf(2, 0, [placed('a')], 'a')])];
    expect(touchedKeys(summary, batches)).toEqual(['a']);
    expect(touchedKeys(daily, batches)).toEqual([]);
  });
});

describe('cutting a batch', () => {
  it('gives two ranges that join, wherever it is cut', () => {
    const offsets = fc.uniqueArray(fc.nat(30), { maxLength: 15 }).map((list) => [...list].sort((a, b) => a - b));
    fc.assert(
      fc.property(offsets, fc.integer({ min: -3, max: 40 }), (list, at) => {
        const batch = batchOf(
          0,
          31,
          list.map((offset) => recordOf(offset, 0, [])),
        );
        const [head, rest] = [cutBatch(batch, at), restOfBatch(batch, at)];
        expect(rest.from).toBe(head.next);
        expect([head.from, rest.next]).toEqual([0, 31]);
        expect([...head.records, ...rest.records]).toEqual(batch.records);
        expect(head.records.every(({ offset }) => offset < head.next) && rest.records.every(({ offset }) => offset >= rest.from)).toBe(true);
      }),
    );
  });
});
