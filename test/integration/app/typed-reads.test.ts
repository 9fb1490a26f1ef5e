import { connect, type ConnectedApp } from '../../../src/app/connect';
import { defineApp } from '../../../src/app/define-app';
import { Decimal } from '../../../src/kernel/decimal';
import type { StoreKind } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { decimal, integer, json, text, timestamp } from '../../../src/projections/columns';
import { readModel } from '../../../src/projections/read-model';
import { rowSelection } from '../../../src/projections/row-query';
import { poolOf } from '../../support/connected';
import { until } from '../../support/harness';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { OrderPlaced, OrderShipped, shopEvents } from '../../support/shop';

const orders = readModel('shop_orders', {
  order_id: text().key(),
  size: integer(),
  amount: decimal(12, 2),
  placed_at: timestamp(),
  shipped_at: timestamp().nullable(),
  facts: json(),
});
const shopOrders = projection({ name: 'shop-orders', version: 1, into: orders, store: ['postgres', 'clickhouse'] })
  .on(OrderPlaced, (e) => ({ order_id: e.orderId, size: e.orderId.length, amount: e.amount, placed_at: e.placedAt, shipped_at: null, facts: {} }))
  .on(OrderShipped, { missing: 'skip' }, (e, row) => ({ ...row, shipped_at: e.shippedAt }));
const shop = defineApp({ name: 'shop', events: [...shopEvents], projections: [shopOrders] });

const day = (n: number): Date => new Date(Date.UTC(2026, 0, n));
const placed = (id: string, amount: string, n: number): OrderPlaced => new OrderPlaced(id, 'c', Decimal.parse(amount), day(n));

describe('which rows are meant', () => {
  const selected = (query: Parameters<typeof rowSelection>[1]) => () => rowSelection(orders.definition, query);

  it('is refused for columns, conditions and limits that cannot be', () => {
    for (const query of [
      { where: { nothing: 1 } },
      { columns: ['nothing'] },
      { orderBy: ['-nothing'] },
      { where: { facts: { a: 1 } } },
      { where: { size: { like: 1 } } },
      { where: { size: { gt: null } } },
      { limit: -1 },
      { limit: 1.5 },
    ]) {
      expect(selected(query as never)).toThrow(expect.objectContaining({ code: 'config.invalid' }));
    }
  });
});

describeWithClickHouse('typed reads', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let connection: ConnectedApp<readonly [typeof shopOrders]>;
  beforeAll(async () => {
    [database, analytics] = [await freshDatabase('typed_reads'), await freshClickHouse('typed_reads')];
    connection = await connect(shop, { configuration: { postgresUrl: database.url, clickhouseUrl: analytics.url }, environment: {} });
    await connection.migrate();
    await connection.emit([placed('a', '1.00', 1), placed("b'\\", '20.50', 2), placed('ccc', '3.10', 3), new OrderShipped('a', day(4))]);
    void connection.worker({ options: { pollMs: 20 } }).run();
    await until(async () => {
      const states = await connection.generations();
      return (
        states.length === 2 &&
        states.every(({ generation, checkpoints }) => generation.status === 'active' && checkpoints.reduce((sum, { next }) => sum + next, 0) === 4)
      );
    }, 'all is folded');
  });
  afterAll(async () => {
    await connection?.close();
    await Promise.all([database?.drop(), analytics?.drop()]);
  });

  it.each<StoreKind>(['postgres', 'clickhouse'])('choose rows, columns, order and number, the same in every store: %s', async (store) => {
    const ids = async (query: Parameters<typeof connection.query<'shop_orders'>>[1]): Promise<readonly string[]> =>
      (await connection.query('shop_orders', { store, ...query })).map(({ order_id }) => order_id);
    expect(await ids({})).toEqual(['a', "b'\\", 'ccc']);
    expect(await ids({ where: { order_id: "b'\\" } })).toEqual(["b'\\"]);
    expect(await ids({ where: { order_id: ['ccc', 'a', 'z'] } })).toEqual(['a', 'ccc']);
    expect(await ids({ where: { order_id: [] } })).toEqual([]);
    expect(await ids({ where: { amount: { gt: Decimal.parse('1.00'), lte: Decimal.parse('3.10') } } })).toEqual(['ccc']);
    expect(await ids({ where: { amount: Decimal.parse('20.50'), size: 3 } })).toEqual(["b'\\"]);
    expect(await ids({ where: { placed_at: { gte: day(2) } }, orderBy: ['-placed_at'], limit: 1 })).toEqual(['ccc']);
    expect(await ids({ where: { shipped_at: null } })).toEqual(["b'\\", 'ccc']);
    expect(await ids({ where: { shipped_at: { not: null } } })).toEqual(['a']);
    expect(await ids({ where: { size: { not: 1 } }, orderBy: ['size', '-amount'] })).toEqual(["b'\\", 'ccc']);
    const narrow = await connection.query('shop_orders', { store, columns: ['amount', 'shipped_at'], limit: 1 });
    expect(narrow).toEqual([{ amount: Decimal.parse('1.00'), shipped_at: day(4) }]);
  });

  it('read as a role that may only read; writing as it is refused with what to do', async () => {
    const role = `reader_${new URL(database.url).pathname.slice(1)}`.slice(0, 60);
    const pool = poolOf(connection);
    await pool.query(`CREATE ROLE "${role}" LOGIN PASSWORD 'x'`);
    try {
      await pool.query(`GRANT USAGE ON SCHEMA public TO "${role}"`);
      await pool.query(`GRANT SELECT ON shop_orders TO "${role}"`);
      const url = new URL(database.url);
      [url.username, url.password] = [role, 'x'];
      const reading = await connect(shop, { configuration: { postgresUrl: database.url, readerUrl: url.href, clickhouseUrl: analytics.url }, environment: {} });
      try {
        const rows = await reading.db.selectFrom('shop_orders').select(['order_id', 'amount']).where('size', '=', 1).execute();
        expect(rows).toEqual([{ order_id: 'a', amount: Decimal.parse('1.00') }]);
        const writing = reading.db
          .with('written', (db) =>
            db
              .insertInto('shop_orders')
              .values({ order_id: 'x' } as never)
              .returning('order_id'),
          )
          .selectFrom('written')
          .selectAll();
        await expect(writing.execute()).rejects.toMatchObject({ code: 'store.read-only', facts: { sqlstate: '42501' } });
      } finally {
        await reading.close();
      }
    } finally {
      await pool.query(`DROP OWNED BY "${role}"`);
      await pool.query(`DROP ROLE "${role}"`);
    }
  });
});
