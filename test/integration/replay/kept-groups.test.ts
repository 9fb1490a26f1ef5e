import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { caughtUp, until } from '../../support/harness';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { BOTH, MINUTE, START, acted, appOf, bridge, history, type SessionRow } from '../../support/user-sessions';
import { coordinatorOver, startWorker, type WorkerHandle } from './world';

describeWithClickHouse('models of kept groups in both stores', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let connection: ConnectedApp;
  let worker: WorkerHandle;

  const open = async (app: unknown): Promise<ConnectedApp> =>
    await connect(app as ReturnType<typeof appOf>, { configuration: { postgresUrl: database.url, clickhouseUrl: analytics.url }, environment: {} });
  /** The rows of a model, which must be the same in both stores once every generation has caught up. */
  const agreed = async <T>(model: string): Promise<readonly T[]> => {
    await until(async () => {
      const catalog = connection.container.resolve(TOKENS.catalog);
      const following = (await catalog.list()).filter(({ status }) => status !== 'retired');
      return (await Promise.all(following.map((generation) => caughtUp(catalog, connection.log, generation)))).every(Boolean);
    }, 'all generations have caught up');
    const [inPostgres, inClickHouse] = await Promise.all(BOTH.map((store) => connection.query(model, { store })));
    expect(inClickHouse).toEqual(inPostgres);
    return inPostgres as readonly T[];
  };
  const sessionsOfUser = async (user: string): Promise<readonly unknown[]> =>
    (await agreed<SessionRow>('user_sessions'))
      .filter((row) => row.user === user)
      .map(({ started, ended, actions, what }) => [(started.getTime() - START) / MINUTE, (ended.getTime() - START) / MINUTE, Number(actions), what.join(' ')]);
  const relations = async (): Promise<readonly string[]> => {
    const pool = connection.container.resolve(TOKENS.pool);
    const { rows } = await pool.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relname LIKE 'user\\_%' AND relkind IN ('r', 'v')`);
    const clickhouse = connection.container.resolve(TOKENS.clickhouse);
    const tables = await clickhouse.rows('SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {prefix:String})', {
      database: clickhouse.database,
      prefix: 'user_',
    });
    return [...rows.map(({ name }) => `postgres ${name}`), ...tables.map(([name]) => `clickhouse ${String(name)}`)].sort();
  };

  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('kept-groups'), freshClickHouse('kept-groups')]);
    connection = await open(appOf(1));
    await connection.migrate();
    await connection.emit([...history]);
    worker = startWorker(connection, 'first');
    await until(
      async () => (await connection.generations()).filter(({ generation }) => generation.status === 'active').length === 6,
      'both are active in both stores',
    );
    await worker.stop();
    await connection.close();
    connection = await open(appOf(1, 2));
    worker = startWorker(connection, 'second');
  });
  afterAll(async () => {
    await worker.stop();
    await connection.close();
    await Promise.all([database.drop(), analytics.drop()]);
  });

  it('shows sessions and percentiles, the same in both', async () => {
    expect(await agreed('user_sessions')).toHaveLength(36);
    expect(await sessionsOfUser('p3')).toEqual([
      [0, 40, 2, 'click look'],
      [50, 80, 1, 'click'],
      [200, 235, 2, 'click click'],
    ]);
    const [first] = await agreed<{ readonly user: string; readonly actions: bigint; readonly ms: readonly number[] }>('user_latency');
    expect(first).toMatchObject({ user: 'p0', actions: 5n, ms: [51, expect.any(Number)] });
  });

  it('shows final sessions that qualify, once, also when it is built again', async () => {
    const closed = async (): Promise<readonly unknown[]> =>
      (await agreed<SessionRow>('final_sessions')).map(({ user, started, actions }) => [user, (started.getTime() - START) / MINUTE, Number(actions)]);
    const users = Array.from({ length: 12 }, (_, i) => `p${String(i)}`).sort();
    await until(async () => (await closed()).length > 0, 'stream time has passed the end of sessions in both stores');
    expect(await closed()).toEqual(users.map((user) => [user, 0, 2])); // those of one action do not qualify, those of minute 200 are open
    const coordinator = coordinatorOver(connection);
    const { id } = await coordinator.start({ projections: [{ name: 'final-sessions', version: 1 }], again: true });
    await coordinator.runUntil(id, 'ready');
    expect(await coordinator.diff(id)).toMatchObject({ identical: true, members: [{ rows: { before: 12, after: 12 } }, { rows: { before: 12, after: 12 } }] });
    await coordinator.cutover(id);
    expect(await closed()).toEqual(users.map((user) => [user, 0, 2]));
    await coordinator.retire(id);
    const { rows } = await connection.container
      .resolve(TOKENS.pool)
      .query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relname LIKE 'final%v1_r1%' AND relkind IN ('r', 'v')`);
    expect(rows).toEqual([]);
  });

  it('joins sessions while readers look: nobody sees the parts beside the whole', async () => {
    const looks = { postgres: 0, clickhouse: 0 };
    const odd: unknown[] = [];
    let done = false;
    const looking = BOTH.map(async (store) => {
      while (!done) {
        const rows = (await connection.query('user_sessions', { store })) as readonly SessionRow[];
        looks[store] += 1;
        for (let i = 0; i < 12; i += 1) {
          const own = rows.filter(({ user }) => user === `p${String(i)}`).map(({ actions }) => Number(actions));
          if (!['2,1,2', '4,2'].includes(own.join())) {
            odd.push([store, i, own]);
          }
        }
      }
    });
    for (let i = 0; i < 12; i += 1) {
      await connection.emit([bridge(i)]);
    }
    expect(await sessionsOfUser('p11')).toEqual([
      [0, 80, 4, 'click look click click'],
      [200, 235, 2, 'click click'],
    ]);
    done = true;
    await Promise.all(looking);
    expect(odd).toEqual([]);
    expect(Math.min(looks.postgres, looks.clickhouse)).toBeGreaterThan(3);
    expect(await agreed('user_sessions')).toHaveLength(24);
  });

  it('is rebuilt identically: a replay of the same version finds no row that differs, and leaves nothing when it is given up', async () => {
    const coordinator = coordinatorOver(connection);
    const before = await relations();
    const { id } = await coordinator.start({ projections: ['user-sessions', 'user-latency'].map((name) => ({ name, version: 1 })), again: true });
    expect(await coordinator.runUntil(id, 'ready')).toMatchObject({ state: 'ready', error: undefined });
    const { identical, members } = await coordinator.diff(id);
    expect(members.map(({ store, changed, onlyBefore, onlyAfter }) => [store, changed, onlyBefore, onlyAfter])).toEqual(
      ['postgres', 'clickhouse', 'postgres', 'clickhouse']
        .sort()
        .reverse()
        .map((store) => [store, 0, 0, 0]),
    );
    expect(identical).toBe(true);
    expect((await relations()).length).toBe(before.length + 4 + 6);
    expect(await coordinator.verify(id)).toMatchObject({ state: 'ready' });
    await coordinator.abort(id);
    expect(await relations()).toEqual(before);
  });

  it('switches versions and back with everything that arrives meanwhile, and drops all tables of the former one', async () => {
    const coordinator = coordinatorOver(connection);
    const { id } = await coordinator.start({ projections: ['user-sessions', 'user-latency'].map((name) => ({ name, version: 2 })) });
    await coordinator.runUntil(id, 'ready');
    const { members } = await coordinator.diff(id);
    for (const member of members.filter(({ keyColumns }) => keyColumns.length === 2)) {
      expect(member).toMatchObject({ keyColumns: ['user', 'started'], changed: 12, changedByColumn: { actions: 12, what: 12 }, onlyBefore: 0, onlyAfter: 0 });
    }
    expect(members.filter(({ changed }) => changed === 0)).toHaveLength(2);
    await coordinator.cutover(id);
    expect(await sessionsOfUser('p5')).toEqual([
      [0, 80, 3, 'click click click'],
      [200, 235, 2, 'click click'],
    ]);
    await connection.emit([acted('p5', 110)]); // exactly a gap behind the first one
    expect(await sessionsOfUser('p5')).toEqual([
      [0, 80, 3, 'click click click'],
      [110, 140, 1, 'click'],
      [200, 235, 2, 'click click'],
    ]);
    await coordinator.rollback(id);
    await connection.emit([acted('p5', 80)]); // joins two sessions in the standby too
    expect(await sessionsOfUser('p5')).toEqual([
      [0, 140, 6, 'click look click click click click'],
      [200, 235, 2, 'click click'],
    ]);
    await coordinator.cutover(id);
    expect((await sessionsOfUser('p5'))[0]).toEqual([0, 140, 5, 'click click click click click']);
    await coordinator.retire(id);
    expect((await relations()).filter((name) => name.includes('__v1_'))).toEqual([]);
  });

  it('finds a row that somebody has changed, and says that the model is to be rebuilt', async () => {
    const pool = connection.container.resolve(TOKENS.pool);
    const { rows } = await pool.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relname LIKE 'user\\_sessions\\_\\_%' AND relname NOT LIKE '%groups' AND relkind = 'r'`,
    );
    await pool.query(`UPDATE ${rows[0]!.name} SET actions = 99 WHERE "user" = 'p7' AND actions = 3`);
    const audits = await connection.corrections.audit({ projection: 'user-sessions' });
    expect(audits.map(({ store, drift, repair }) => [store, drift, repair])).toEqual([
      ['clickhouse', 0, undefined],
      ['postgres', 1, 'refold replay start user-sessions --again'],
    ]);
    await expect(connection.corrections.repair({ projection: 'user-sessions', all: true })).rejects.toMatchObject({ code: 'repair.selection-unsupported' });
    expect((await relations()).filter((name) => name.includes('_c'))).toEqual([]);
  });

  it('is built as of a moment, and goes with what was kept for it', async () => {
    const before = await relations();
    for (const store of BOTH) {
      const { correction } = await connection.corrections.until({
        projection: 'user-sessions',
        store,
        time: START + 40 * MINUTE,
        by: 'event',
        into: 'user_then',
      });
      const made = (await relations()).filter((name) => !before.includes(name));
      expect(made).toEqual(
        store === 'postgres'
          ? ['postgres user_then', 'postgres user_then_groups']
          : ['clickhouse user_then', 'clickhouse user_then_groups', 'clickhouse user_then_rows'],
      );
      const rows = await (store === 'postgres'
        ? connection.container.resolve(TOKENS.pool).rawRows('SELECT sum(actions) FROM user_then', [])
        : connection.container.resolve(TOKENS.clickhouse).rows('SELECT toString(sum(actions)) FROM user_then'));
      expect(rows).toEqual([['24']]); // clicks of minute 0 and the bridge
      await connection.corrections.giveUp(correction);
      await until(async () => (await relations()).length === before.length, 'it is dropped');
      expect(await relations()).toEqual(before);
    }
  });
});
