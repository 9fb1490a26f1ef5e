import fc from 'fast-check';
import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { defineApp } from '../../../src/app/define-app';
import { modelCorrectionsOf } from '../../../src/app/model-corrections';
import { Decimal } from '../../../src/kernel/decimal';
import { projection } from '../../../src/projections/projection';
import { tumbling } from '../../../src/projections/windows/window';
import { caughtUp, until } from '../../support/harness';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { OrderErased, OrderPlaced, OrderShipped, customerDaily, orderSummary, shopEvents, type OrderRow } from '../../support/shop';
import { startWorker, type WorkerHandle } from '../replay/world';

const BOTH = ['postgres', 'clickhouse'] as const;
type Store = (typeof BOTH)[number];

const summary = projection({ name: 'order-summary', version: 1, store: BOTH, into: orderSummary })
  .on(OrderPlaced, (e): OrderRow => ({ order_id: e.orderId, customer_id: e.customerId, status: 'placed', amount: e.amount, changed_at: e.placedAt }))
  .on(OrderShipped, { missing: 'skip' }, (e, row): OrderRow => ({ ...row, status: 'shipped', changed_at: e.shippedAt }))
  .on(OrderErased, () => undefined);
const daily = projection({
  name: 'customer-daily',
  version: 1,
  store: BOTH,
  into: customerDaily,
  storage: 'partials',
  window: tumbling('1 day', { grace: '400 days' }),
}).on(OrderPlaced, (e) => customerDaily.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount, smallest: e.amount }));
const shop = defineApp({ name: 'shop', events: [...shopEvents], projections: [summary, daily] });

const KEYS = 12;
const DAY = 86_400_000;
const at = (n: number): Date => new Date(Date.UTC(2026, 0, 1) + n * 3_600_000);
const keyOf = (k: number): string => `k${String(k)}`;

interface Op {
  readonly kind: 'place' | 'ship' | 'erase';
  readonly key: number;
  readonly cents: number;
}
const op = fc.record<Op>({ kind: fc.constantFrom('place', 'place', 'ship', 'erase'), key: fc.nat(KEYS - 1), cents: fc.integer({ min: 1, max: 99_999 }) });
const keys = fc.uniqueArray(fc.nat(KEYS - 1), { minLength: 1 });

/** `status amount` per order, and `orders cents` per customer and day: said plainly, apart from the engine. */
class Reference {
  readonly orders = new Map<string, string>();
  readonly days = new Map<string, { orders: number; cents: number }>();
  #n = 0;

  take({ kind, key, cents }: Op): object {
    const [id, n] = [keyOf(key), (this.#n += 1)];
    const was = this.orders.get(id);
    if (kind === 'place') {
      this.orders.set(id, `placed ${(cents / 100).toFixed(2)}`);
      const day = `c${String(key % 3)} ${String(Math.floor(at(n).getTime() / DAY))}`;
      const sums = this.days.get(day) ?? { orders: 0, cents: 0 };
      this.days.set(day, { orders: sums.orders + 1, cents: sums.cents + cents });
      return new OrderPlaced(id, `c${String(key % 3)}`, new Decimal(BigInt(cents), 2), at(n));
    }
    if (kind === 'ship') {
      if (was !== undefined) {
        this.orders.set(id, was.replace('placed', 'shipped'));
      }
      return new OrderShipped(id, at(n));
    }
    this.orders.delete(id);
    return new OrderErased(id);
  }
}

describeWithClickHouse('a repair in both stores', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let connection: ConnectedApp;
  let worker: WorkerHandle;
  const reference = new Reference();

  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('repair-both'), freshClickHouse('repair-both')]);
    connection = await connect(shop, {
      configuration: { postgresUrl: database.url, clickhouseUrl: analytics.url },
      environment: {},
    });
    await connection.migrate();
    worker = startWorker(connection, 'one');
    await until(async () => (await connection.generations()).filter(({ generation }) => generation.status === 'active').length === 4, 'all are active');
  });
  afterAll(async () => {
    await worker.stop();
    await connection.close();
    await Promise.all([database.drop(), analytics.drop()]);
  });

  const settled = async (): Promise<void> => {
    const catalog = connection.container.resolve(TOKENS.catalog);
    await until(async () => {
      const following = (await catalog.list()).filter(({ status }) => status === 'active');
      return (await Promise.all(following.map((generation) => caughtUp(catalog, connection.log, generation)))).every(Boolean);
    }, 'all have caught up');
  };
  const ordersIn = async (store: Store): Promise<ReadonlyMap<string, string>> => {
    const rows = (await connection.query('order_summary' as never, { store })) as readonly { order_id: string; status: string; amount: Decimal }[];
    return new Map(rows.map(({ order_id, status, amount }) => [order_id, `${status} ${amount.toString()}`]));
  };
  const daysIn = async (store: Store): Promise<ReadonlyMap<string, object>> => {
    const rows = (await connection.query('customer_daily' as never, { store })) as readonly {
      customer_id: string;
      window_start: Date;
      orders: bigint;
      revenue: Decimal;
    }[];
    return new Map(
      rows.map((row) => [
        `${row.customer_id} ${String(row.window_start.getTime() / DAY)}`,
        { orders: Number(row.orders), cents: Math.round(Number(row.revenue.toString()) * 100) },
      ]),
    );
  };
  const quoted = (all: readonly number[]): string => ['nobody', ...all.map(keyOf)].map((key) => `'${key}'`).join(', ');
  /** Other values, rows that are gone, rows that never were. */
  const corrupt = async (store: Store, changed: readonly number[], gone: readonly number[]): Promise<void> => {
    if (store === 'postgres') {
      const pool = connection.container.resolve(TOKENS.pool);
      await pool.query(`UPDATE order_summary__v1_r1 SET amount = amount + 1, _offset = 0 WHERE order_id IN (${quoted(changed)})`);
      await pool.query(`DELETE FROM order_summary__v1_r1 WHERE order_id IN (${quoted(gone)})`);
      await pool.query(`INSERT INTO order_summary__v1_r1 VALUES ('ghost', 'x', 'placed', 5, now(), 'orders', 3, 0) ON CONFLICT DO NOTHING`);
      return;
    }
    const clickhouse = connection.container.resolve(TOKENS.clickhouse);
    const table = 'order_summary__v1_r1_rows';
    await clickhouse.command(`ALTER TABLE ${table} UPDATE amount = amount + 1 WHERE order_id IN (${quoted(changed)}) SETTINGS mutations_sync = 2`);
    await clickhouse.command(`ALTER TABLE ${table} DELETE WHERE order_id IN (${quoted(gone)}) SETTINGS mutations_sync = 2`);
    await clickhouse.command(
      `INSERT INTO ${table} (order_id, customer_id, status, amount, changed_at, _topic, _partition, _offset, _version, _deleted)
       VALUES ('ghost', 'x', 'placed', 5, now(), 'orders', 3, 0, 1, false)`,
    );
  };

  it.each(BOTH)('makes the keys given what the log says, whatever was done to which rows: %s', async (store) => {
    await fc.assert(
      fc.asyncProperty(fc.array(op, { minLength: 5, maxLength: 40 }), keys, keys, keys, async (ops, changed, gone, wanted) => {
        await connection.emit(ops.map((one) => reference.take(one)));
        await settled();
        await corrupt(store, changed, gone);
        const before = await ordersIn(store);
        const later = ops.slice(0, 5).map((one) => reference.take(one)); // arrives while the repair is under way
        const touched = new Set(ops.slice(0, 5).map(({ key }) => keyOf(key)));
        await Promise.all([
          connection.corrections.repair({ projection: 'order-summary', store, keys: [...wanted.map(keyOf), 'ghost'] }),
          connection.emit(later),
        ]);
        await settled();
        const after = await ordersIn(store);
        for (const key of wanted.map(keyOf)) {
          expect([key, after.get(key)]).toEqual([key, reference.orders.get(key)]);
        }
        expect(after.has('ghost')).toBe(false);
        for (const [key, row] of before) {
          if (!touched.has(key) && key !== 'ghost' && !wanted.map(keyOf).includes(key)) {
            expect([key, after.get(key)]).toEqual([key, row]);
          }
        }
        await connection.corrections.repair({ projection: 'order-summary', store, all: true });
        expect([...(await ordersIn(store))].sort()).toEqual([...reference.orders].sort());
      }),
      { numRuns: 2 },
    );
  });

  it.each(BOTH)('puts right partials by key and by time: %s', async (store) => {
    await settled();
    const before = await daysIn(store);
    expect([...before].sort()).toEqual([...reference.days].sort());
    if (store === 'postgres') {
      const pool = connection.container.resolve(TOKENS.pool);
      await pool.query(`UPDATE customer_daily__v1_r1_partials SET orders = orders + 1 WHERE customer_id = 'c1'`);
      await pool.query(`DELETE FROM customer_daily__v1_r1_partials WHERE customer_id = 'c2' AND _partition = 1`);
      await pool.query(
        `INSERT INTO customer_daily__v1_r1_partials SELECT * FROM (SELECT DISTINCT ON (1) customer_id || 'x', window_start, window_end, orders, revenue, largest, smallest, _topic, _partition, _offset FROM customer_daily__v1_r1_partials) x`,
      );
    } else {
      const clickhouse = connection.container.resolve(TOKENS.clickhouse);
      const table = 'customer_daily__v1_r1_partials';
      await clickhouse.command(`ALTER TABLE ${table} UPDATE orders = orders + 1 WHERE customer_id = 'c1' SETTINGS mutations_sync = 2`);
      await clickhouse.command(`ALTER TABLE ${table} DELETE WHERE customer_id = 'c2' AND _partition = 1 SETTINGS mutations_sync = 2`);
      await clickhouse.command(
        `INSERT INTO ${table} SELECT concat(customer_id, 'x'), window_start, window_end, orders, revenue, largest, smallest, _topic, _partition, _offset, _version, _deleted FROM ${table} LIMIT 3`,
      );
    }
    const [byKey] = await connection.corrections.repair({ projection: 'customer-daily', store, keys: ['c1'] });
    expect(byKey!.changed).toBeGreaterThan(0);
    await connection.corrections.repair({ projection: 'customer-daily', store, fromTime: Date.UTC(2026, 0, 1) });
    expect(await daysIn(store)).toEqual(before);
    expect(await connection.corrections.audit({ projection: 'customer-daily', store })).toMatchObject([{ drift: 0 }]);
  });

  it.each(BOTH)('goes on where it died before its rows were written, and what an owner of before folds is refused: %s', async (store) => {
    await settled();
    const dying = modelCorrectionsOf(
      connection.app,
      connection.container,
      () => Promise.resolve(),
      (step) => {
        if (step === 'repair:writing') {
          throw new Error('dead');
        }
      },
    );
    await corrupt(store, [1, 2, 3, 4, 5], []);
    await expect(dying.repair({ projection: 'order-summary', store, all: true })).rejects.toThrow('dead');
    const generation = (await connection.container.resolve(TOKENS.catalog).list()).find(
      (g) => g.projection === 'order-summary' && g.store === store && g.status === 'active',
    )!;
    const zombie = await connection.container
      .resolve(TOKENS.stores)
      .get(store)!
      .open(
        generation,
        connection.app.projections.find(({ name }) => name === 'order-summary')!,
      );
    const [claimed] = await zombie.claim([{ topic: 'orders', partition: 0 }], 'zombie');
    await connection.corrections.repair({ projection: 'order-summary', store, all: true });
    const advance = {
      ...claimed!,
      from: claimed!.next,
      counters: { ...claimed!.counters, read: 0, applied: 0, filtered: 0, late: 0, parked: 0, discarded: 0, errata: 0, control: 0 },
    };
    const row = { order_id: 'k1', customer_id: 'x', status: 'lost', amount: Decimal.parse('1.00'), changed_at: new Date() };
    const upserts = [{ row, stamp: { topic: 'orders', partition: 0, offset: claimed!.next }, isStored: true }];
    expect(await zombie.commit({ advances: [advance], upserts, deletes: [], merges: [], late: [], parked: [] })).toMatchObject({ status: 'fenced' });
    expect([...(await ordersIn(store))].sort()).toEqual([...reference.orders].sort());
    await connection.emit([reference.take({ kind: 'place', key: 1, cents: 100 })]);
    await settled();
    expect([...(await ordersIn(store))].sort()).toEqual([...reference.orders].sort());
  });

  it('says where a row in ClickHouse has a version beyond all others', async () => {
    const clickhouse = connection.container.resolve(TOKENS.clickhouse);
    const table = 'order_summary__v1_r1_rows';
    await clickhouse.command(
      `INSERT INTO ${table} (order_id, customer_id, status, amount, changed_at, _topic, _partition, _offset, _version, _deleted)
       VALUES ('k1', 'x', 'placed', 5, now(), 'orders', 0, 0, bitShiftLeft(toUInt128(1), 127), false)`,
    );
    const request = { projection: 'order-summary', store: 'clickhouse', keys: ['k1'] } as const;
    await expect(connection.corrections.repair(request)).rejects.toMatchObject({ code: 'repair.not-effective' });
    expect((await connection.corrections.list())[0]).toMatchObject({ state: 'failed', error: { code: 'repair.not-effective' } });
    await clickhouse.command(`ALTER TABLE ${table} DELETE WHERE _version >= bitShiftLeft(toUInt128(1), 127) SETTINGS mutations_sync = 2`);
  });
});
