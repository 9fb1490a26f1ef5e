import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { defineApp } from '../../../src/app/define-app';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { count, text, windowEnd, windowStart } from '../../../src/projections/columns';
import { projection, type ProjectionOptions } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { tumbling } from '../../../src/projections/windows/window';
import { caughtUp, until } from '../../support/harness';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { HOUR, MINUTE, Ticked, appendTicks } from '../../support/ticks';
import { coordinatorOver, startWorker, type WorkerHandle } from './world';

const BOTH = ['postgres', 'clickhouse'] as const;

const hourly = readModel('hourly_ticks', { grp: text().key(), starts: windowStart(), ends: windowEnd(), ticks: count() });
const version = (number: number, options: Partial<ProjectionOptions>) =>
  projection({
    ...({ ...options, name: 'hourly-ticks', version: number, store: BOTH } as ProjectionOptions & { readonly having?: never; readonly storage?: never }),
    into: hourly,
    window: tumbling('1 hour', { grace: '5 minutes' }),
  }).on(Ticked, (e) => hourly.contribution({ grp: e.group }, { ticks: 1 }));

const versions = [version(1, {}), version(2, { emit: 'final' }), version(3, { retention: '2 hours', having: { column: 'ticks', is: '>', value: 1 } })];
const appOf = (projections: typeof versions) => defineApp({ name: 'ticks', events: [Ticked], projections, topics: { ticks: { partitions: 2 } } });

describeWithClickHouse('generations that publish other rows', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let connection: ConnectedApp;
  let worker: WorkerHandle;

  const open = async (app: unknown): Promise<ConnectedApp> =>
    await connect(app as ReturnType<typeof appOf>, {
      configuration: { postgresUrl: database.url, clickhouseUrl: analytics.url, worker: { retainEveryMs: 100 } },
      environment: {},
    });

  const add = async (...given: readonly (readonly [partition: number, at: number])[]): Promise<void> => {
    await connection.emit([]); // the serde has begun then
    const serde = connection.container.resolve(TOKENS.serde);
    await appendTicks(
      { log: connection.log, serde },
      given.map(([partition, at]) => ({ partition, at })),
    );
  };
  const seen = async (store: (typeof BOTH)[number]): Promise<readonly string[]> =>
    ((await connection.query('hourly_ticks', { store })) as readonly { starts: Date; ticks: bigint }[]).map(
      ({ starts, ticks: n }) => `${starts.toISOString().slice(11, 16)} ${String(n)}`,
    );
  const allSee = (expected: readonly string[]): Promise<void> =>
    until(
      async () => (await Promise.all(BOTH.map(seen))).every((rows) => JSON.stringify(rows) === JSON.stringify(expected)),
      `readers of both stores see ${expected.join(', ')}`,
      10_000,
    );
  const allFolded = (): Promise<void> =>
    until(async () => {
      const catalog = connection.container.resolve(TOKENS.catalog);
      const following = (await catalog.list()).filter(({ status }) => status !== 'retired');
      return (await Promise.all(following.map((generation) => caughtUp(catalog, connection.log, generation)))).every(Boolean);
    }, 'all is folded');

  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('publications'), freshClickHouse('publications')]);
    connection = await open(appOf([versions[0]!]));
    await connection.migrate();
    await add([0, 0], [1, 0]);
  });
  afterAll(async () => {
    await worker.stop();
    await connection.close();
    await Promise.all([database.drop(), analytics.drop()]);
  });

  it('goes from changes to finals and back', async () => {
    worker = startWorker(connection, 'first');
    await until(async () => (await connection.generations()).filter(({ generation }) => generation.status === 'active').length === 2, 'version 1 is active');
    await worker.stop();
    await connection.close();
    connection = await open(appOf(versions));
    worker = startWorker(connection, 'second');
    await add([0, 65 * MINUTE], [1, 70 * MINUTE]);
    await allFolded();
    const [before] = await seen('postgres').then((rows) => rows.slice(0, 1));
    const coordinator = coordinatorOver(connection);
    const { id } = await coordinator.start({ projections: [{ name: 'hourly-ticks', version: 2 }] });
    expect(await coordinator.runUntil(id, 'ready')).toMatchObject({ state: 'ready', error: undefined });
    for (const member of (await coordinator.diff(id)).members) {
      expect(member).toMatchObject({ onlyBefore: 1, onlyAfter: 0, changed: 0 }); // the window that is open
    }
    await coordinator.cutover(id);
    await allSee([before!]);
    await add([0, 3 * HOUR]);
    await allFolded();
    await allSee([before!]);
    await add([1, 3 * HOUR]);
    await allSee([before!, '01:00 2']);
    await coordinator.rollback(id);
    await allSee([before!, '01:00 2', '03:00 2']);
  });

  it('deletes what its retention has ended for, in both stores', async () => {
    const coordinator = coordinatorOver(connection);
    const [open] = await coordinator.list();
    await coordinator.abort(open!.id);
    const { id } = await coordinator.start({ projections: [{ name: 'hourly-ticks', version: 3 }] });
    expect(await coordinator.runUntil(id, 'ready')).toMatchObject({ state: 'ready', error: undefined });
    await coordinator.cutover(id);
    await allSee(['03:00 2']);
    const pool = connection.container.resolve(TOKENS.pool);
    const clickhouse = connection.container.resolve(TOKENS.clickhouse);
    await until(async () => (await pool.query('SELECT 1 FROM hourly_ticks__v3_r1_rows')).rows.length === 1, 'old rows are deleted in Postgres');
    await until(
      async () =>
        (await clickhouse.rows('SELECT count() FROM hourly_ticks__v3_r1_partials FINAL WHERE starts < fromUnixTimestamp64Milli(toInt64(10000000))'))[0]![0] ===
        '0',
      'old rows are deleted in ClickHouse',
    );
  });

  it('lets readers without any right on the control schema see it, also by a view with their own rights', async () => {
    const pool = connection.container.resolve(TOKENS.pool);
    const role = `reader_${String(process.pid)}`;
    await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    await pool.query(`GRANT SELECT ON hourly_ticks, hourly_ticks__v1_r1, hourly_ticks__v3_r1 TO ${role}`);
    const url = new URL(database.url);
    [url.username, url.password] = [role, 'x'];
    const reader = new PostgresPool({ url: url.href });
    const rows = async (): Promise<number> => (await reader.query('SELECT * FROM hourly_ticks')).rows.length;
    try {
      expect(await rows()).toBe(1);
      await pool.query('ALTER VIEW hourly_ticks SET (security_invoker = true)');
      expect(await rows()).toBe(1);
      await expect(reader.query('SELECT * FROM refold.checkpoints')).rejects.toThrow(/permission denied/);
    } finally {
      await reader.close();
      await pool.query(`DROP OWNED BY ${role}`);
      await pool.query(`DROP ROLE ${role}`);
    }
  });
});
