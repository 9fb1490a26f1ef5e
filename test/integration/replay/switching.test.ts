import { isRefoldError } from '../../../src/kernel/errors';
import { systemClock } from '../../../src/kernel/clock';
import { TOKENS } from '../../../src/app/container';
import { defineApp } from '../../../src/app/define-app';
import { count, decimal, max, min, sum, text, windowEnd, windowStart } from '../../../src/projections/columns';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { tumbling } from '../../../src/projections/windows/window';
import { PostgresSwitch } from '../../../src/replay/adapters/postgres/switch';
import { CustomerDaily, OrderPlaced, OrderSummary, customerDailyV2, shopEvents } from '../../support/shop';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { DAILY_V2, openWorld, orders, type World } from './world';

const window = tumbling('1 day');
const key = { customer_id: text().key(), window_start: windowStart(), window_end: windowEnd() };

/** Drops a column and makes another one wider: the view cannot take it. */
const reshaped = readModel('customer_daily', { ...key, orders: count(), revenue: sum(decimal(20, 4)), largest: max(decimal(12, 2)) });
const v3 = projection({ name: 'customer-daily', version: 3, into: reshaped, window }).on(OrderPlaced, (e) =>
  reshaped.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount }),
);
/** Adds a column at the end and makes another one narrower: the view takes it. */
const extended = readModel('customer_daily', {
  ...key,
  orders: count(),
  revenue: sum(decimal(18, 2)),
  largest: max(decimal(10, 2)),
  smallest: min(decimal(12, 2)),
  placed: count(),
});
const v4 = projection({ name: 'customer-daily', version: 4, into: extended, window }).on(OrderPlaced, (e) =>
  extended.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount, smallest: e.amount, placed: 1 }),
);
const v5 = projection({ name: 'customer-daily', version: 5, into: extended, window }).on(OrderPlaced, (e) => {
  if (e.orderId === 'o17') {
    throw new Error('o17 cannot be counted');
  }
  return extended.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount, smallest: e.amount, placed: 1 });
});
const app = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary, CustomerDaily, customerDailyV2, v3, v4, v5] });
const daily = (version: number): readonly [{ readonly name: string; readonly version: number }] => [{ name: 'customer-daily', version }];

describeWithPostgres('switching', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-switching', orders: 120, app: app as never, failures: 'stop' });
  });
  afterAll(() => world.close());

  const ready = async (version: number): Promise<number> => {
    const coordinator = world.coordinator();
    const { id } = await coordinator.start({ projections: daily(version), again: true });
    await coordinator.runUntil(id, 'ready');
    return id;
  };

  it('keeps dependents, grants, comments and options of the view', async () => {
    const reader = `reader_${String(process.pid)}_${String(Date.now())}`;
    await world.pool.query(`CREATE ROLE ${reader}`);
    await world.pool.query(`CREATE VIEW best AS SELECT customer_id, orders FROM customer_daily WHERE orders > 0`);
    await world.pool.query(`COMMENT ON VIEW customer_daily IS 'by customer and day'`);
    await world.pool.query(`ALTER VIEW customer_daily SET (security_invoker = true)`);
    await world.pool.query(`GRANT SELECT ON customer_daily, customer_daily__v1_r1 TO ${reader}`);
    const asReader = async (): Promise<number> =>
      world.pool.transaction(async (sql) => {
        await sql.query(`SET LOCAL ROLE ${reader}`);
        return (await sql.query<{ n: number }>('SELECT sum(orders)::int8 AS n FROM customer_daily')).rows[0]!.n;
      });
    const best = async (): Promise<number> => (await world.pool.query<{ n: number }>('SELECT sum(orders)::int8 AS n FROM best')).rows[0]!.n;
    expect([await asReader(), await best()]).toEqual([120, 120]);
    const id = await ready(2);
    await world.coordinator().cutover(id);
    expect([await asReader(), await best()]).toEqual([108, 108]);
    const { rows } = await world.pool.query(
      `SELECT obj_description('customer_daily'::regclass) AS comment, reloptions FROM pg_class WHERE oid = 'customer_daily'::regclass`,
    );
    expect(rows).toEqual([{ comment: 'by customer and day', reloptions: ['security_invoker=true'] }]);
    await world.coordinator().rollback(id);
    expect([await asReader(), await best()]).toEqual([120, 120]);
    await world.coordinator().abort(id);
    await world.pool.query('DROP VIEW best');
    await world.pool.query(`DROP OWNED BY ${reader}`);
    await world.pool.query(`DROP ROLE ${reader}`);
  });

  it('refuses columns that the view cannot take, naming them, and changes nothing', async () => {
    const id = await ready(3);
    const coordinator = world.coordinator();
    expect((await coordinator.diff(id)).members[0]).toMatchObject({ removedColumns: ['smallest'], addedColumns: [] });
    await expect(coordinator.cutover(id)).rejects.toMatchObject({
      code: 'cutover.incompatible-columns',
      facts: { view: 'public.customer_daily', columns: ['revenue: numeric(18,2) -> numeric(20,4)', 'smallest: missing'] },
    });
    expect(await coordinator.status(id)).toMatchObject({ state: 'ready', error: { code: 'cutover.incompatible-columns' } });
    expect((await world.total()).orders).toBe(120);
    await coordinator.abort(id);
  });

  it('appends new columns, casts narrower ones, shows null in them after a rollback', async () => {
    const id = await ready(4);
    const coordinator = world.coordinator();
    expect((await coordinator.diff(id)).members[0]).toMatchObject({ addedColumns: ['placed'], removedColumns: [], changed: 0 });
    await coordinator.cutover(id);
    const shape = async (): Promise<unknown> =>
      (
        await world.pool.query(
          `SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS shape
             FROM pg_attribute WHERE attrelid = 'customer_daily'::regclass AND attname IN ('largest', 'smallest', 'placed')`,
        )
      ).rows[0];
    expect(await shape()).toEqual({ shape: 'largest numeric(12,2), smallest numeric(12,2), placed bigint' });
    const placed = async (): Promise<unknown> => (await world.pool.query('SELECT sum(placed)::int8 AS placed FROM customer_daily')).rows[0];
    expect(await placed()).toEqual({ placed: 120 });
    await coordinator.rollback(id);
    expect([await placed(), await shape()]).toEqual([{ placed: null }, { shape: 'largest numeric(12,2), smallest numeric(12,2), placed bigint' }]);
    await coordinator.cutover(id);
    expect(await placed()).toEqual({ placed: 120 });
    await coordinator.rollback(id);
    await coordinator.retire(id);
  });

  it('tries again while a reader keeps the view, gives up after a bound, and names who was in the way', async () => {
    const id = await ready(2);
    const attempts: number[] = [];
    const observe = ({ step, facts }: { step: string; facts: Readonly<Record<string, unknown>> }): void => {
      if (step === 'cutting-over:held') {
        attempts.push(facts['attempt'] as number);
      }
    };
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let locked = (): void => undefined;
    const reading = new Promise<void>((resolve) => {
      locked = resolve;
    });
    const reader = world.pool.transaction(async (sql) => {
      await sql.query('SELECT count(*) FROM customer_daily');
      locked();
      await held;
    });
    await reading;
    const impatient = world.coordinator({ options: { switchBoundMs: 200 } });
    const refused: unknown = await impatient.cutover(id).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'cutover.lock-timeout', facts: { blockers: [expect.stringMatching(/^pid \d+ .*customer_daily/)] } });
    expect(await impatient.status(id)).toMatchObject({ state: 'ready', error: { code: 'cutover.lock-timeout' } });
    const cutover = world.coordinator({ observe }).cutover(id);
    await until(() => attempts.length >= 3, 'the cutover has tried again');
    release();
    await reader;
    expect((await cutover).state).toBe('done');
    expect((await world.total()).orders).toBe(108);
    await world.coordinator().rollback(id);
    await world.coordinator().abort(id);
  });

  it('names the generation that does not arrive, lifts the hold, and goes on later', async () => {
    const id = await ready(2);
    const catalog = world.shop.container.resolve(TOKENS.catalog);
    const [live] = await catalog.liveWorkers(5_000);
    const to = (await catalog.list()).find((g) => g.status === 'candidate')!;
    // An owner that lives and does not fold: its epoch is another one now, and the other side is one offset ahead.
    const { rows } = await world.pool.query<{ partition: number; next_offset: number }>(
      `UPDATE refold.checkpoints SET next_offset = next_offset - 1, epoch = epoch + 1, owner = 'sleeper', read_count = read_count - 1, applied_count = applied_count - 1
        WHERE generation_id = $1 AND partition = 2 RETURNING partition, next_offset`,
      [to.id],
    );
    const coordinator = world.coordinator({ options: { holdMs: 200, holdAttempts: 2 } });
    expect(live).toBeDefined();
    await expect(coordinator.cutover(id)).rejects.toMatchObject({
      code: 'hold.timed-out',
      facts: { generation: `customer-daily v2.r${String(to.run)} (postgres)`, topic: 'orders', partition: 2, owner: 'sleeper', next: rows[0]!.next_offset },
    });
    expect((await world.pool.query('SELECT 1 FROM refold.checkpoints WHERE hold_at IS NOT NULL')).rows).toEqual([]);
    expect(await coordinator.status(id)).toMatchObject({ state: 'ready', error: { code: 'hold.timed-out' } });
    await world.pool.query(
      `UPDATE refold.checkpoints SET next_offset = next_offset + 1, epoch = epoch - 1, read_count = read_count + 1, applied_count = applied_count + 1
        WHERE generation_id = $1 AND partition = 2`,
      [to.id],
    );
    expect(await world.coordinator().cutover(id)).toMatchObject({ state: 'done', error: undefined });
    await world.coordinator().rollback(id);
    await world.coordinator().abort(id);
  });

  it('does not let a coordinator switch that has lost its lease', async () => {
    const id = await ready(2);
    let taken = false;
    const zombie = world.coordinator({
      by: 'zombie',
      observe: async ({ step }) => {
        if (step === 'cutting-over:held' && !taken) {
          taken = true;
          await world.pool.query('UPDATE refold.replays SET lease_until = clock_timestamp() WHERE replay_id = $1', [id]);
          expect((await world.coordinator({ by: 'successor' }).cutover(id)).state).toBe('done');
          await world.coordinator({ by: 'successor' }).rollback(id);
        }
      },
    });
    await expect(zombie.cutover(id)).rejects.toMatchObject({ code: 'replay.lease-held' });
    const status = await world.coordinator().status(id);
    expect(status.state).toBe('ready');
    expect(status.steps.filter(({ toState }) => toState === 'done')).toHaveLength(1);
    expect((await world.total()).orders).toBe(120);
    await world.coordinator().abort(id);
  });

  it('refuses a switch outside of its hold', async () => {
    const id = await ready(2);
    let lost = 0;
    const coordinator = world.coordinator({
      options: { holdAttempts: 2 },
      observe: async ({ step }) => {
        if (step === 'cutting-over:held') {
          lost += 1;
          await world.pool.query('UPDATE refold.checkpoints SET hold_until = clock_timestamp()');
        }
      },
    });
    await expect(coordinator.cutover(id)).rejects.toMatchObject({ code: 'hold.lost' });
    expect(lost).toBe(2);
    expect((await world.total()).orders).toBe(120);
    await world.coordinator().abort(id);
  });

  it('refuses a switch to a generation that is not at the position of the hold', async () => {
    const id = await ready(2);
    const move = async (by: number): Promise<void> => {
      await world.pool.query(
        `UPDATE refold.checkpoints SET next_offset = next_offset + $1, read_count = read_count + $1, applied_count = applied_count + $1, epoch = epoch + $1
          WHERE partition = 1 AND generation_id = (SELECT generation_id FROM refold.generations WHERE projection = 'customer-daily' AND status = 'candidate')`,
        [by],
      );
    };
    const coordinator = world.coordinator({
      options: { holdAttempts: 1 },
      observe: async ({ step }) => {
        if (step === 'cutting-over:held') {
          await move(-1);
        }
      },
    });
    await expect(coordinator.cutover(id)).rejects.toMatchObject({ code: 'cutover.behind', facts: { topic: 'orders', partition: 1 } });
    await move(1);
    expect(await world.coordinator().status(id)).toMatchObject({ state: 'ready', error: { code: 'cutover.behind' } });
    expect((await world.total()).orders).toBe(120);
    await world.coordinator().abort(id);
  });

  it('sets the statuses to what the marker beside the view says', async () => {
    const id = await ready(2);
    await world.coordinator().cutover(id);
    const { pool } = world;
    await pool.query(`UPDATE refold.generations SET status = 'candidate' WHERE projection = 'customer-daily' AND status = 'active'`);
    await pool.query(`UPDATE refold.generations SET status = 'active' WHERE projection = 'customer-daily' AND status = 'standby'`);
    expect(await world.coordinator().reconcile()).toEqual(['customer-daily']);
    expect((await world.generations()).filter((g) => !g.endsWith('retired'))).toEqual(['v1.r1 standby', expect.stringMatching(/^v2.r\d+ active$/)]);
    expect(await world.coordinator().reconcile()).toEqual([]);
    const markers = await new PostgresSwitch({ pool, app: 'shop' }).markers();
    expect(markers.map(({ projection: name }) => name)).toEqual(['customer-daily', 'order-summary']);
    await world.coordinator().rollback(id);
    await world.coordinator().abort(id);
  });

  it('says why a candidate stands still', async () => {
    const coordinator = world.coordinator({ options: { stoppedMs: 100 } });
    const { id } = await coordinator.start({ projections: daily(5) });
    await expect(coordinator.runUntil(id, 'ready')).rejects.toMatchObject({
      code: 'replay.stopped',
      facts: { generation: 'customer-daily v5.r1 (postgres)', code: 'handler.failed', topic: 'orders' },
    });
    const status = await coordinator.status(id);
    expect(status).toMatchObject({ state: 'replaying', error: { code: 'replay.stopped' } });
    expect(status.progress.find(({ side }) => side === 'to')!.stopped).toHaveLength(1);
    await coordinator.abort(id);
  });

  it('needs a live worker for both sides, at the start and at the cutover', async () => {
    const id = await ready(2);
    const { rows } = await world.pool.query<{ announced: object[] }>('SELECT announced FROM refold.workers');
    expect(rows).toHaveLength(1);
    await world.pool.query(`UPDATE refold.workers SET seen_at = seen_at - interval '1 hour'`);
    const refused: unknown = await world
      .coordinator({ options: { liveWithinMs: 1 } })
      .cutover(id)
      .catch((error: unknown) => error);
    expect(isRefoldError(refused, 'replay.no-worker')).toBe(true);
    await world.coordinator().abort(id);
    await systemClock.sleep(2); // so that the worker's last announcement is older than the bound of the next line
    await expect(world.coordinator({ options: { liveWithinMs: 1 } }).start({ projections: DAILY_V2 })).rejects.toMatchObject({ code: 'replay.no-worker' });
    await world.shop.emit(orders(120, 121));
    await until(async () => (await world.total()).orders === 121, 'the live generation goes on all the while');
  });
});
