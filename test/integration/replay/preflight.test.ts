import { connect } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { PostgresProbe } from '../../../src/replay/adapters/postgres/probe';
import { describeWithPostgres } from '../../support/services';
import { until } from '../../support/harness';
import { definitionOf } from '../../support/harness';
import { OrderSummary } from '../../support/shop';
import { coordinatorOver, DAILY_V2, openWorld, type World } from './world';

const ROLE = 'refold_pace_reader';

describeWithPostgres('before a replay', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-preflight', orders: 300 });
  });
  afterAll(async () => {
    await world.pool.query(`DROP OWNED BY ${ROLE}`).catch(() => undefined);
    await world.pool.query(`DROP ROLE IF EXISTS ${ROLE}`);
    await world.close();
  });

  it('says what it would do, and does nothing', async () => {
    const coordinator = world.coordinator();
    const plan = await coordinator.plan({ projections: DAILY_V2, pace: { rate: 50 } });
    expect(plan).toMatchObject({
      members: [{ from: 'customer-daily v1.r1 (postgres)', to: 'customer-daily v2.r1 (postgres)', store: 'postgres', switchOrder: 0 }],
      topics: [{ topic: 'orders', partitions: 4, events: 300, lastHour: 300, loses: undefined }],
      events: 300,
      estimate: { seconds: 6, eventsPerSecond: 50, basis: 'the rate given' },
      disk: [{ store: 'postgres', needed: expect.any(Number), free: undefined }],
      errata: 0,
      refusals: [],
    });
    expect(plan.bytes).toBeGreaterThan(300 * 10);
    expect(plan.disk[0]!.needed).toBeGreaterThan(8_192);
    expect(plan.statements.map(({ when, sql }) => `${when}: ${sql.slice(0, 26)}`)).toEqual([
      'at the start: CREATE TABLE IF NOT EXISTS',
      'after loading: ANALYZE "public"."customer',
      'at the cutover: CREATE OR REPLACE VIEW pub',
    ]);
    const unlimited = await coordinator.plan({ projections: DAILY_V2 });
    expect(unlimited.estimate).toMatchObject({ eventsPerSecond: expect.any(Number) as number, basis: expect.stringContaining('sample') as string });
    expect(await coordinator.list()).toEqual([]);
    expect(await world.generations()).toEqual(['v1.r1 active']);
  });

  it('names all that stands in the way, of stores too', async () => {
    const { container, app } = world.shop;
    await world.pool.query('CREATE TABLE customer_daily__v2_r1 (taken int)');
    await world.pool.query(`DROP ROLE IF EXISTS ${ROLE}`);
    await world.pool.query(`CREATE ROLE ${ROLE} LOGIN PASSWORD 'reader'`);
    await world.pool.query(`GRANT USAGE ON SCHEMA refold, public TO ${ROLE}; GRANT ALL ON ALL TABLES IN SCHEMA refold TO ${ROLE}`);
    const url = new URL(world.url);
    [url.username, url.password] = [ROLE, 'reader'];
    const poor = await connect(app, { configuration: { postgresUrl: url.href }, environment: {} });
    try {
      await poor.container.resolve(TOKENS.pool).query('SELECT 1');
      const small = new Map([['postgres', new PostgresProbe({ pool: poor.container.resolve(TOKENS.pool), diskBytes: 1 })]] as const);
      const coordinator = coordinatorOver(world.shop, { rewire: (parts) => ({ ...parts, probes: small }) });
      const codes = ['store.access-denied', 'store.access-denied', 'store.name-taken', 'replay.no-room'];
      const named = { codes: [...new Set(codes)] };
      await expect(coordinator.start({ projections: DAILY_V2 })).rejects.toMatchObject({ code: 'replay.refused', facts: named });
      const { refusals, disk } = await coordinator.plan({ projections: DAILY_V2 });
      expect(refusals.map(({ code }) => code)).toEqual(codes);
      expect(refusals[0]!.remedy).toContain(`TO "${ROLE}"`);
      expect(refusals[1]!.remedy).toContain('ALTER VIEW "public"."customer_daily" OWNER TO');
      expect(disk).toMatchObject([{ free: 0 }]);
    } finally {
      await poor.close();
    }
    expect(await container.resolve(TOKENS.coordinator).list()).toEqual([]);
    await world.pool.query('DROP TABLE customer_daily__v2_r1');
  });

  it('builds indexes when its history is folded, and anew what a crash left half made', async () => {
    const summary = definitionOf(OrderSummary);
    const coordinator = world.coordinator();
    const indexes = async (): Promise<readonly string[]> => {
      const { rows } = await world.pool.query<{ text: string }>(
        `SELECT indexdef || CASE WHEN indisvalid THEN '' ELSE ' invalid' END AS text FROM pg_indexes JOIN pg_index ON indexrelid = to_regclass(indexname)
          WHERE tablename = 'order_summary__v1_r2' AND indexname NOT LIKE '%pkey' ORDER BY 1`,
      );
      return rows.map(({ text }) => text);
    };
    const { id } = await coordinator.start({ projections: [summary], again: true });
    while ((await coordinator.status(id)).state !== 'replaying') {
      await coordinator.advance(id);
    }
    expect(await indexes()).toEqual([]);
    await until(async () => (await coordinator.status(id)).progress.some(({ side, share }) => side === 'to' && share === 1), 'history is folded');
    // A concurrent build that fails leaves an invalid index, as a crash does: customers have several orders.
    const name = 'order_summary__v1_r2_customer_id_idx';
    await expect(world.pool.query(`CREATE UNIQUE INDEX CONCURRENTLY ${name} ON order_summary__v1_r2 (customer_id)`)).rejects.toThrow();
    expect(await indexes()).toEqual([expect.stringContaining('invalid')]);
    expect(await coordinator.advance(id)).toBe(true);
    expect(await indexes()).toEqual([`CREATE INDEX ${name} ON public.order_summary__v1_r2 USING btree (customer_id)`]);
    const { rows } = await world.pool.query<{ n: number }>(`SELECT reltuples::int AS n FROM pg_class WHERE relname = 'order_summary__v1_r2'`);
    expect(rows[0]!.n).toBe(300);
    await coordinator.abort(id);
  });

  it('refuses a log whose schema ids nobody knows', async () => {
    const coordinator = world.coordinator();
    const unknown = Buffer.concat([Buffer.from([0, 0, 0, 99, 99]), Buffer.from('x')]);
    const headers = { ce_type: 'shop.OrderPlaced', ce_id: 'u1', ce_time: '2026-01-01T00:00:00Z' };
    await world.shop.log.append([{ topic: 'orders', key: Buffer.from('unknown'), value: unknown, headers }]);
    await expect(coordinator.start({ projections: DAILY_V2 })).rejects.toMatchObject({
      code: 'event.unknown-schema-id',
      facts: { topic: 'orders', schemaId: 99 * 256 + 99 },
    });
  });
});
