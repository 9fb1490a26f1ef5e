import net from 'node:net';
import { sql as raw } from 'kysely';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { openReader } from '../../../src/projections/adapters/postgres/reader';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('connections to Postgres', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  beforeAll(async () => {
    database = await freshDatabase('connections');
    pool = new PostgresPool({ url: database.url });
    await pool.query('CREATE TABLE t (id int PRIMARY KEY, n int)');
    await pool.query('INSERT INTO t VALUES (1, 0), (2, 0)');
  });
  afterAll(async () => {
    await pool.close();
    await database.drop();
  });

  const asleep = async (): Promise<boolean> =>
    (await pool.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`)).rows.length > 0;

  it('a reader whose connection breaks during a query rejects the query, ends nothing else, and reads on', async () => {
    const target = new URL(database.url);
    const sockets = new Set<net.Socket>();
    const proxy = net.createServer((near) => {
      const far = net.connect(Number(target.port === '' ? 5432 : target.port), target.hostname);
      sockets.add(near);
      near.on('error', () => far.destroy());
      far.on('error', () => near.destroy());
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const url = new URL(database.url);
    url.hostname = '127.0.0.1';
    url.port = String((proxy.address() as net.AddressInfo).port);
    const reader = openReader<{ t: { id: number } }>({ url: url.toString(), viewSchema: 'public', models: [], max: 1 });
    try {
      const query = reader.db
        .selectFrom('t')
        .select(raw`pg_sleep(10)`.as('x'))
        .execute();
      query.catch(() => undefined);
      await until(asleep, 'the query runs');
      sockets.forEach((socket) => socket.resetAndDestroy());
      await expect(query).rejects.toMatchObject({ code: 'store.unreachable' });
      expect(await reader.db.selectFrom('t').select('id').orderBy('id').execute()).toEqual([{ id: 1 }, { id: 2 }]);
    } finally {
      await reader.close();
      sockets.forEach((socket) => socket.destroy());
      await new Promise((resolve) => proxy.close(resolve));
    }
  });

  it('a transaction left idle is ended by the server, so that its locks are free', async () => {
    const frozen = new PostgresPool({ url: database.url, max: 1, idleInTransactionMs: 50 });
    const lock = 'UPDATE t SET n = n + 1 WHERE id = 1';
    let thaw: () => void = () => undefined;
    const thawed = new Promise<void>((resolve) => (thaw = resolve));
    let locked: () => void = () => undefined;
    const holding = new Promise<void>((resolve) => (locked = resolve));
    const transaction = frozen.transaction(async (sql) => {
      await sql.query(lock);
      locked();
      await thawed;
      await sql.query(lock);
    });
    transaction.catch(() => undefined);
    await holding;
    await pool.query(lock); // waits for the lock
    thaw();
    await expect(transaction).rejects.toMatchObject({ code: 'store.unreachable', retryable: true });
    expect((await frozen.query<{ n: number }>('SELECT n FROM t WHERE id = 1')).rows).toEqual([{ n: 1 }]);
    await frozen.close();
  });

  it('limits idleness inside of transactions only, and lets the server look whether its client is there', async () => {
    const setting = `SELECT current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('transaction_isolation') AS isolation`;
    const inside = await pool.transaction(async (sql) => (await sql.query(setting)).rows[0] as unknown, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    expect(inside).toEqual({ idle: '30s', isolation: 'repeatable read' });
    const outside = await pool.session(async (sql) => (await sql.query(setting)).rows[0] as unknown);
    expect(outside).toEqual({ idle: '0', isolation: 'read committed' });
    const { rows } = await pool.query(`SELECT setting FROM pg_settings WHERE name LIKE 'tcp_keepalives%' ORDER BY name`);
    expect(rows).toEqual([{ setting: '3' }, { setting: '10' }, { setting: '5' }]);
  });

  it('calls a lock that was not to be had, a deadlock and a serialization failure a conflict, which may be retried', async () => {
    const conflict = { code: 'store.conflict', retryable: true };
    const touch = (id: number): string => `UPDATE t SET n = n + 1 WHERE id = ${String(id)}`;
    await pool.transaction(async (sql) => {
      await sql.query(touch(1));
      await expect(pool.query('SELECT 1 FROM t WHERE id = 1 FOR UPDATE NOWAIT')).rejects.toMatchObject({ ...conflict, facts: { sqlstate: '55P03' } });
    });
    await expect(
      pool.transaction(async (sql) => {
        await sql.query('SELECT 1 FROM t');
        await pool.query(touch(1));
        await sql.query(touch(1));
      }, 'BEGIN ISOLATION LEVEL REPEATABLE READ'),
    ).rejects.toMatchObject({ ...conflict, facts: { sqlstate: '40001' } });
    let met = 0;
    const crosswise = (first: number, second: number): Promise<void> =>
      pool.transaction(async (sql) => {
        await sql.query(touch(first));
        met += 1;
        await until(() => Promise.resolve(met === 2), 'both hold a row');
        await sql.query(touch(second));
      });
    const outcomes = await Promise.allSettled([crosswise(1, 2), crosswise(2, 1)]);
    const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    expect(lost).toMatchObject([{ ...conflict, facts: { sqlstate: '40P01' } }]);
  });
});
