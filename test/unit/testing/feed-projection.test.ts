import { Decimal } from '../../../src/kernel/decimal';
import { bigint, count, integer, json, max, sum, text, timestamp, windowEnd, windowStart } from '../../../src/projections/columns';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { hopping, session, tumbling } from '../../../src/projections/windows/window';
import { feedProjection, jsonOf, jsonRows } from '../../../src/testing';
import { OrderErased, OrderPlaced, OrderShipped, OrderSummary } from '../../support/shop';

interface Sale {
  readonly region: string | null;
  readonly product: string | null;
  readonly amount: number | null;
}

const Sales = jsonRows<Sale>('sales');
const bounds = { window_start: windowStart(), window_end: windowEnd() };
const sold = readModel('sold', { region: text().key(), product: text().key(), ...bounds, n: count(), amount: sum(integer()), most: max(integer().nullable()) });

const selling = (options: { emit?: 'changes' | 'final'; having?: { column: 'n'; is: '>='; value: number } } = {}) =>
  projection({ name: 'sold', version: 1, into: sold, window: tumbling(10, { grace: 5 }), ...options }).on(Sales, ({ value }) =>
    value === null || value.region === null || value.product === null
      ? undefined
      : sold.contribution({ region: value.region, product: value.product }, { n: 1, amount: value.amount ?? 0, most: value.amount }),
  );

const sale = (timestampMs: number, region: string | null, amount: number | null, product: string | null = 'p') => ({
  key: 'k',
  value: { region, product, amount },
  timestamp: timestampMs,
});

describe('feedProjection', () => {
  it('says after each record what readers see change, with the record that did it', async () => {
    const feed = await feedProjection(selling());
    expect(await feed.feed({ ...sale(1, 'n', 5), offset: 7 }, sale(2, 'n', null, 'q'), sale(12, 'n', 3))).toEqual([
      {
        key: { region: 'n', product: 'p' },
        windowStart: 0,
        windowEnd: 10,
        row: { region: 'n', product: 'p', window_start: new Date(0), window_end: new Date(10), n: 1n, amount: 5n, most: 5 },
        timestamp: 1,
        partition: 0,
        offset: 7,
      },
      expect.objectContaining({ key: { region: 'n', product: 'q' }, offset: 8, row: expect.objectContaining({ n: 1n, amount: 0n, most: null }) }),
      expect.objectContaining({ windowStart: 10, offset: 9, timestamp: 12 }),
    ]);
    expect(feed.changes).toHaveLength(3);
  });

  it('tombstones of a stream, null groups and parts of groups change nothing', async () => {
    const feed = await feedProjection(selling());
    expect(await feed.feed({ key: 'k', value: null, timestamp: 1 }, sale(1, null, 1), sale(1, 'n', 1, null))).toEqual([]);
    expect(await feed.counters()).toMatchObject({ read: 3, filtered: 3, applied: 0 });
  });

  it('a change that writes the same row is a change', async () => {
    const feed = await feedProjection(
      projection({ name: 'most', version: 1, into: sold, window: tumbling(10) }).on(Sales, ({ value }) =>
        sold.contribution({ region: 'n', product: 'p' }, { most: value!.amount }),
      ),
    );
    const changes = await feed.feed(sale(1, 'n', 5), sale(1, 'n', 3));
    expect(changes.map(({ row }) => row?.most)).toEqual([5, 5]);
  });

  it('finals appear once, with the record that moved time, by start and key; later records are late', async () => {
    const feed = await feedProjection(selling({ emit: 'final' }));
    await feed.feed(sale(1, 'z', 1), sale(2, 'a', 1), sale(1, 'z', 2), sale(11, 'a', 9));
    expect(feed.changes).toEqual([]);
    const closed = await feed.advanceTo(25);
    expect(closed.map(({ key, windowStart: start, row, offset }) => [key['region'], start, row?.amount, offset])).toEqual([
      ['a', 0, 1n, 4],
      ['z', 0, 3n, 4],
      ['a', 10, 9n, 4],
    ]);
    expect(await feed.feed(sale(3, 'z', 5))).toEqual([]);
    expect(feed.late).toEqual([expect.objectContaining({ eventTime: 3, streamTime: 25, windowStart: 0, offset: 5 })]);
    expect(await feed.table()).toHaveLength(3);
    expect(await feed.counters()).toMatchObject({ read: 6, applied: 4, filtered: 1, late: 1 });
  });

  it('rows that having hides change nothing until they meet it', async () => {
    const feed = await feedProjection(selling({ having: { column: 'n', is: '>=', value: 2 } }));
    expect(await feed.feed(sale(1, 'n', 5))).toEqual([]);
    expect((await feed.feed(sale(1, 'n', 5))).map(({ row }) => row?.n)).toEqual([2n]);
  });

  it('rows that leave having are gone, and come again; what never met it says nothing (R37)', async () => {
    const few = projection({
      name: 'few',
      version: 1,
      into: sold,
      window: tumbling(10),
      having: [
        { column: 'amount', is: '>=', value: 5 },
        { column: 'n', is: '<', value: 3 },
      ],
    }).on(Sales, ({ value }) => sold.contribution({ region: value!.region!, product: 'p' }, { n: 1, amount: value!.amount ?? 0 }));
    const feed = await feedProjection(few);
    await feed.feed(sale(1, 'n', 2), sale(1, 's', 1), sale(2, 'n', 3), sale(3, 'n', 9), sale(4, 's', 1), sale(5, 'n', 9));
    expect(feed.changes.map(({ key, row, offset }) => [key['region'], row === null ? null : Number(row.amount), offset])).toEqual([
      ['n', 5, 2],
      ['n', null, 3],
    ]);
    expect(await feed.table()).toEqual([]);
  });

  it('sessions that meet having are deleted as Kafka does only where they were seen', async () => {
    const busy = projection({ name: 'busy', version: 1, into: sold, window: session(5), having: { column: 'n', is: '>=', value: 2 } }).on(Sales, () =>
      sold.contribution({ region: 'n', product: 'p' }, { n: 1 }),
    );
    const feed = await feedProjection(busy, { form: 'kafka' });
    await feed.feed(sale(20, 'n', 1), sale(22, 'n', 1), sale(25, 'n', 1));
    expect(feed.changes.map(({ windowEnd: end, row }) => [end, row === null ? null : Number(row.n)])).toEqual([
      [22, 2],
      [22, null],
      [25, 3],
    ]);
  });

  it('a large jump of time shows all finals at once, by the start of their windows', async () => {
    const over = projection({ name: 'over', version: 1, into: sold, window: hopping(10, { advance: 5, grace: 0 }), emit: 'final' }).on(Sales, ({ value }) =>
      sold.contribution({ region: value!.region!, product: 'p' }, { n: 1 }),
    );
    const feed = await feedProjection(over);
    await feed.feed(sale(7, 'z', 1), sale(8, 'a', 1), sale(1000, 'z', 1));
    expect(feed.changes.map(({ key, windowStart: start, offset }) => [key['region'], start, offset])).toEqual([
      ['a', 0, 2],
      ['z', 0, 2],
      ['a', 5, 2],
      ['z', 5, 2],
    ]);
  });

  it('overlapping windows change by their start', async () => {
    const over = projection({ name: 'over', version: 1, into: sold, window: hopping(10, { advance: 5 }) }).on(Sales, () =>
      sold.contribution({ region: 'n', product: 'p' }, { n: 1 }),
    );
    const feed = await feedProjection(over);
    expect((await feed.feed(sale(7, 'n', 1))).map(({ windowStart: start }) => start)).toEqual([0, 5]);
  });

  it('tells sessions plainly, or as Kafka does', async () => {
    const over = projection({ name: 'over', version: 1, into: sold, window: session(5) }).on(Sales, () =>
      sold.contribution({ region: 'n', product: 'p' }, { n: 1 }),
    );
    const told = async (form: 'plain' | 'kafka') => {
      const feed = await feedProjection(over, { form });
      await feed.feed(sale(20, 'n', 1), sale(20, 'n', 1), sale(28, 'n', 1), sale(24, 'n', 1), sale(24, 'n', 1));
      return feed.changes.map(({ windowStart: start, windowEnd: end, row }) => [start, end, row === null ? null : Number(row.n)]);
    };
    expect(await told('plain')).toEqual([
      [20, 25, 1],
      [20, 25, 2],
      [28, 33, 1],
      [28, 33, null],
      [20, 33, 4],
      [20, 33, 5],
    ]);
    expect(await told('kafka')).toEqual([
      [20, 20, 1],
      [20, 20, 2],
      [28, 28, 1],
      [20, 20, null],
      [28, 28, null],
      [20, 28, 4],
      [20, 28, null],
      [20, 28, 5],
    ]);
  });

  it('models without windows have changes without bounds', async () => {
    const totals = readModel('totals', { region: text().key(), n: count() });
    const feed = await feedProjection(
      projection({ name: 'totals', version: 1, into: totals }).on(Sales, ({ value }) => totals.contribution({ region: value!.region! }, { n: 1 })),
    );
    expect(await feed.feed(sale(1, 'n', 1))).toEqual([expect.objectContaining({ key: { region: 'n' }, windowStart: null, windowEnd: null })]);
  });

  it('rows by key are replaced and deleted; a tombstone deletes', async () => {
    const latest = readModel('latest', { id: text().key(), amount: integer() });
    const feed = await feedProjection(
      projection({ name: 'latest', version: 1, into: latest }).on(Sales, ({ key, value }) =>
        value === null ? undefined : { id: key!, amount: value.amount! },
      ),
    );
    await feed.feed(sale(1, 'n', 1), sale(1, 'n', 2), { key: 'k', value: null, timestamp: 2 }, { key: 'k', value: null, timestamp: 2 });
    expect(feed.changes.map(({ row, offset }) => [row?.amount ?? null, offset])).toEqual([
      [1, 0],
      [2, 1],
      [null, 2],
    ]);
    expect(await feed.table()).toEqual([]);
  });

  it('takes events, whose time is their own', async () => {
    const feed = await feedProjection(OrderSummary);
    const at = new Date('2026-03-01T10:00:00Z');
    const changes = await feed.feed(
      { value: new OrderPlaced('1', 'ann', Decimal.parse('2.00'), at) },
      { value: new OrderShipped('1', at) },
      { value: new OrderErased('1'), timestamp: 5 },
    );
    expect(changes.map(({ key, row, timestamp: time }) => [key['order_id'], row?.status, time])).toEqual([
      ['1', 'placed', at.getTime()],
      ['1', 'shipped', at.getTime()],
      ['1', undefined, 5],
    ]);
  });

  it('JSON keeps what it is: nested values, exact integers as text, headers, records without a key', async () => {
    const seen = readModel('seen', { id: text().key(), value: json(), headers: json(), n: bigint() });
    const Any = jsonRows('any thing.1');
    const feed = await feedProjection(
      projection({ name: 'seen', version: 1, into: seen }).on(Any, ({ key, value, headers }, _, context) => ({
        id: context.key,
        value: { key, value },
        headers,
        n: BigInt((value as { n: string }).n),
      })),
    );
    await feed.feed({ value: { a: [1, null, 'x'], n: 2n ** 60n }, timestamp: -1, headers: { h: 'v' } });
    expect(await feed.table()).toEqual([
      { id: '(none)', value: { key: null, value: { a: [1, null, 'x'], n: '1152921504606846976' } }, headers: { h: 'v' }, n: 2n ** 60n },
    ]);
  });

  it('partitions have times of their own, and a restart changes nothing', async () => {
    const feed = await feedProjection(selling(), { partitions: 2 });
    await feed.feed(sale(1, 'n', 1));
    await feed.advanceTo(100, 0);
    await feed.restart();
    await feed.feed({ ...sale(2, 'n', 1), partition: 1 }, sale(2, 'n', 1));
    expect((await feed.table()).map(({ n }) => n)).toEqual([2n]);
    expect(feed.late).toEqual([expect.objectContaining({ partition: 0, offset: 2 })]);
  });

  it.each([
    ['a record without a time', { key: 'k', value: { region: 'n' } }],
    ['an offset that is taken', { ...sale(1, 'n', 1), offset: 0 }],
    ['a topic that is not read', { ...sale(1, 'n', 1), topic: 'other' }],
  ])('%s is refused', async (_, record) => {
    const feed = await feedProjection(selling());
    await feed.feed(sale(1, 'n', 1));
    await expect(feed.feed(record)).rejects.toMatchObject({ code: 'event.invalid' });
  });

  it('a handler that throws rejects, and the partition stays there', async () => {
    const feed = await feedProjection(
      projection({ name: 'bad', version: 1, into: sold, window: tumbling(10) }).on(Sales, ({ value }) => {
        if (value!.amount === 13) {
          throw new Error('unlucky');
        }
        return sold.contribution({ region: 'n', product: 'p' }, { n: 1 });
      }),
    );
    await expect(feed.feed(sale(1, 'n', 1), sale(1, 'n', 13))).rejects.toMatchObject({ code: 'handler.failed' });
    expect(feed.changes).toHaveLength(1);
    await expect(feed.feed(sale(1, 'n', 1))).rejects.toMatchObject({ code: 'handler.failed' });
  });

  it('jsonOf: numbers where they are exact, decimals as text, times in milliseconds', () => {
    const row = { a: 3n, b: 2n ** 60n, c: Decimal.parse('1.50'), d: new Date(5), e: [1n, null], f: { g: 1 } };
    expect(jsonOf(row)).toEqual({ a: 3, b: '1152921504606846976', c: '1.50', d: 5, e: [1, null], f: { g: 1 } });
  });
});

it('two topics of JSON rows: a record says which', async () => {
  const Returns = jsonRows<Sale>('returns');
  const both = readModel('both', { region: text().key(), sales: count(), returns: count(), last: max(timestamp()) });
  const feed = await feedProjection(
    projection({ name: 'both', version: 1, into: both })
      .on(Sales, ({ timestamp: last }) => both.contribution({ region: 'n' }, { sales: 1, last }))
      .on(Returns, ({ timestamp: last }) => both.contribution({ region: 'n' }, { returns: 1, last })),
  );
  await feed.feed({ ...sale(1, 'n', 1), topic: 'sales' }, { ...sale(3, 'n', 1), topic: 'returns' });
  expect((await feed.table()).map(jsonOf)).toEqual([{ region: 'n', sales: 1, returns: 1, last: 3 }]);
  await expect(feed.feed(sale(1, 'n', 1))).rejects.toMatchObject({ code: 'event.invalid' });
});

it('a table as source: a row of a key replaces the one before, and a tombstone takes it back', async () => {
  const perRegion = readModel('per_region', { region: text().key(), n: count(), amount: sum(integer()) });
  const feed = await feedProjection(
    projection({ name: 'per-region', version: 1, into: perRegion, replaces: true }).on(Sales, ({ value }) =>
      value === null || value.region === null ? undefined : perRegion.contribution({ region: value.region }, { n: 1, amount: value.amount ?? 0 }),
    ),
  );
  await feed.feed(
    { ...sale(1, 'n', 5), key: 'a' },
    { ...sale(2, 'n', 3), key: 'b' },
    { ...sale(3, 's', 5), key: 'a' },
    { key: 'b', value: null, timestamp: 4 },
  );
  expect(feed.changes.map(({ key, row, offset }) => [offset, key['region'], row && Number(row.n), row && Number(row.amount)])).toEqual([
    [0, 'n', 1, 5],
    [1, 'n', 2, 8],
    [2, 'n', 1, 3],
    [2, 's', 1, 5],
    [3, 'n', null, null], // a group of nothing is none
  ]);
});
