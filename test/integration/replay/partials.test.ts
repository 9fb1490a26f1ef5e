import { defineApp } from '../../../src/app/define-app';
import { Decimal } from '../../../src/kernel/decimal';
import type { MeasureStorage } from '../../../src/projections/generations';
import { projection, type ProjectionValue } from '../../../src/projections/projection';
import { tumbling } from '../../../src/projections/windows/window';
import { CustomerDaily, OrderPlaced, OrderSummary, customerDaily, shopEvents } from '../../support/shop';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { openWorld, orders, type World } from './world';

/** The same as version 1, kept in another way. */
const daily = (version: number, storage: MeasureStorage): ProjectionValue<typeof customerDaily, OrderPlaced> =>
  projection({ name: 'customer-daily', version, into: customerDaily, window: tumbling('1 day'), storage }).on(OrderPlaced, (e) =>
    customerDaily.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount, smallest: e.amount }),
  );
const app = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary, CustomerDaily, daily(2, 'partials'), daily(3, 'merged')] });

describeWithPostgres('a replay into partials', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-partials', orders: 200, app: app as never });
  });
  afterAll(() => world.close());

  const ready = async (version: number): Promise<number> => {
    const coordinator = world.coordinator();
    const { id } = await coordinator.start({ projections: [{ name: 'customer-daily', version }] });
    await coordinator.runUntil(id, 'ready');
    return id;
  };
  /** Tables and views of the read model: `name kind`. */
  const relations = async (): Promise<readonly string[]> => {
    const { rows } = await world.pool.query<{ label: string }>(
      `SELECT relname || ' ' || relkind::text AS label FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname LIKE 'customer\\_daily%' ORDER BY 1`,
    );
    return rows.map(({ label }) => label);
  };
  const shape = async (relation: string): Promise<unknown> =>
    (
      await world.pool.query(
        `SELECT attname, format_type(atttypid, atttypmod) AS type, attcollation::regcollation::text AS collation
           FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`,
        [relation],
      )
    ).rows;

  it('gives identical rows, switches there and back with grants and dependents, and drops view and table', async () => {
    const reader = `reader_${String(process.pid)}_${String(Date.now())}`;
    await world.pool.query(`CREATE ROLE ${reader}`);
    await world.pool.query(`CREATE VIEW best AS SELECT customer_id, orders FROM customer_daily WHERE orders > 0`);
    await world.pool.query(`ALTER VIEW customer_daily SET (security_invoker = true)`);
    await world.pool.query(`GRANT ALL ON customer_daily, customer_daily__v1_r1 TO ${reader}`);
    const asReader = (relation: string): Promise<number> =>
      world.pool.transaction(async (sql) => {
        await sql.query(`SET LOCAL ROLE ${reader}`);
        return (await sql.query<{ n: number }>(`SELECT sum(orders)::int8 AS n FROM ${relation}`)).rows[0]!.n;
      });
    const best = async (): Promise<number> => (await world.pool.query<{ n: number }>('SELECT sum(orders)::int8 AS n FROM best')).rows[0]!.n;
    const shapeBefore = await shape('customer_daily');

    const there = await ready(2);
    const coordinator = world.coordinator();
    const { identical, members } = await coordinator.diff(there);
    expect(identical).toBe(true);
    expect(members[0]).toMatchObject({ keyColumns: ['customer_id', 'window_start'], addedColumns: [], removedColumns: [], changed: 0 });
    expect(members[0]!.rows.before).toBe(members[0]!.rows.after);
    expect(await shape('customer_daily__v2_r1')).toEqual(await shape('customer_daily__v1_r1'));
    expect(await relations()).toEqual(['customer_daily v', 'customer_daily__v1_r1 r', 'customer_daily__v2_r1 v', 'customer_daily__v2_r1_partials r']);
    const before = await world.total();
    await coordinator.cutover(there);
    expect([await world.total(), await shape('customer_daily')]).toEqual([before, shapeBefore]);
    expect([await asReader('customer_daily'), await best()]).toEqual([200, 200]);
    await expect(asReader('customer_daily__v2_r1_partials')).rejects.toMatchObject({ facts: { sqlstate: '42501' } });
    const { rows } = await world.pool.query<{ partials: number; groups: number }>(
      'SELECT count(*) AS partials, count(DISTINCT (customer_id, window_start)) AS groups FROM customer_daily__v2_r1_partials',
    );
    expect(rows[0]!.groups).toBe(before.rows);

    await coordinator.rollback(there);
    await world.shop.emit(orders(200, 230));
    await coordinator.cutover(there);
    await until(async () => (await world.total()).orders === 230, 'the partials follow');
    await coordinator.retire(there);

    const back = await ready(3);
    expect((await coordinator.diff(back)).identical).toBe(true);
    await coordinator.cutover(back);
    expect([(await world.total()).orders, await asReader('customer_daily'), await best(), await shape('customer_daily')]).toEqual([230, 230, 230, shapeBefore]);
    await coordinator.rollback(back);
    await coordinator.cutover(back);
    await coordinator.retire(back);
    expect(await relations()).toEqual(['customer_daily v', 'customer_daily__v3_r1 r']);
    await world.pool.query(`DROP VIEW best`);
    await world.pool.query(`DROP OWNED BY ${reader}`);
    await world.pool.query(`DROP ROLE ${reader}`);
  });

  it('names the rows that differ, and an abort leaves nothing of it', async () => {
    const coordinator = world.coordinator({
      observe: async ({ step }) => {
        if (step === 'verifying:held') {
          const [table] = (await relations()).flatMap((label) => /^(\S+_partials) r$/.exec(label)?.[1] ?? []);
          await world.pool.query(`UPDATE ${table!} SET orders = orders + 1 WHERE ctid = (SELECT min(ctid) FROM ${table!})`);
        }
      },
    });
    const { id } = await coordinator.start({ projections: [{ name: 'customer-daily', version: 2 }], again: true });
    await coordinator.runUntil(id, 'ready');
    const verdict = await coordinator.diff(id);
    expect(verdict.members[0]).toMatchObject({ changed: 1, changedByColumn: { orders: 1 }, onlyBefore: 0, onlyAfter: 0 });
    await coordinator.abort(id);
    expect(await relations()).toEqual(['customer_daily v', 'customer_daily__v3_r1 r']);
  });

  it('finds groups by the index of the partials, behind both views', async () => {
    const coordinator = world.coordinator();
    const { id } = await coordinator.start({ projections: [{ name: 'customer-daily', version: 2 }], again: true });
    await coordinator.runUntil(id, 'done');
    const { rows } = await world.pool.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relname LIKE 'customer\\_daily%\\_partials'`);
    const table = rows[0]!.name;
    await world.rest();
    await world.pool.query(
      `INSERT INTO ${table} SELECT 'filled' || n / 10, timestamptz '2026-01-01+00' + n % 10 * interval '1 day', timestamptz '2026-01-02+00' + n % 10 * interval '1 day',
              1, 2.50, 2.50, 2.50, 'orders', p, n FROM generate_series(0, 4999) n, generate_series(0, 3) p`,
    );
    await world.pool.query(`ANALYZE ${table}`);
    const plan = async (where: string): Promise<string> =>
      (await world.pool.query<Record<string, string>>(`EXPLAIN (COSTS OFF) SELECT * FROM ${where}`)).rows.map((row) => row['QUERY PLAN']).join('\n');
    const merged = table.replace('_partials', '');
    for (const relation of ['customer_daily', merged]) {
      for (const condition of [
        `customer_id = 'filled7' AND window_start = '2026-01-03+00'`,
        `customer_id = 'filled7'`,
        `customer_id = ANY (ARRAY['filled7', 'filled8'])`,
      ]) {
        const text = await plan(`${relation} WHERE ${condition}`);
        expect(text).toMatch(/Index (Only )?Scan/);
        expect(text).not.toContain('Seq Scan');
      }
    }
    const found = await world.pool.query<{ orders: number; revenue: string }>(
      `SELECT orders, revenue::text FROM customer_daily WHERE customer_id = 'filled7' AND window_start = '2026-01-03+00'`,
    );
    expect(found.rows).toEqual([{ orders: 4, revenue: Decimal.parse('10.00').toString() }]);
  });
});
