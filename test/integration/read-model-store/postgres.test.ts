import { randomBytes } from 'node:crypto';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { qualified } from '../../../src/platform/postgres/quote';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { readView } from '../../../src/projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import { OrderSummary } from '../../support/shop';
import { buildGeneration, definitionOf, memoryBench, until } from '../../support/harness';
import { readModelStoreSuite } from '../../conformance/read-model-store.suite';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('read models in Postgres', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  let apps = 0;
  beforeAll(async () => {
    database = await freshDatabase('read-model-store');
    pool = new PostgresPool({ url: database.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await pool.close();
    await database.drop();
  });
  const dropTables = async (): Promise<void> => {
    const { rows } = await pool.query<{ name: string }>(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`);
    for (const { name } of rows) {
      await pool.query(`DROP TABLE ${qualified('public', name)}`);
    }
  };

  readModelStoreSuite(() => {
    apps += 1;
    const catalog = new PostgresCatalog({ pool, app: `shop-${String(apps)}` });
    return Promise.resolve({
      catalog,
      store: new PostgresReadModelStore({ pool }),
      rows: ({ table }, { model }) => readView(pool, 'public', { ...model, name: table }),
      hold: async (generation, at) => {
        await pool.query(`UPDATE refold.checkpoints SET hold_at = $2, hold_until = now() + interval '1 hour' WHERE generation_id = $1`, [
          generation.id,
          at ?? null,
        ]);
      },
      lateCount: async (generation) =>
        (await pool.query<{ n: number }>('SELECT count(*) AS n FROM refold.late_contributions WHERE generation_id = $1', [generation.id])).rows[0]!.n,
      close: dropTables,
    });
  });

  it('names the column in which a table drifted from its model', async () => {
    const bench = await memoryBench(1);
    const definition = definitionOf(OrderSummary);
    const store = new PostgresReadModelStore({ pool });
    const generation = await buildGeneration(new PostgresCatalog({ pool, app: 'drift' }), store, bench.log, definition);
    await pool.query(`ALTER TABLE ${qualified('public', generation.table)} ALTER COLUMN amount TYPE numeric(14, 3)`);
    await expect(store.open(generation, definition)).rejects.toMatchObject({ code: 'store.schema-drift', facts: { column: 'amount' } });
    await pool.query(`ALTER TABLE ${qualified('public', generation.table)} DROP COLUMN amount`);
    await expect(store.open(generation, definition)).rejects.toMatchObject({ code: 'store.schema-drift', facts: { column: 'amount' } });
    await dropTables();
  });

  it('makes tables for a role that may not create schemas, in one that exists', async () => {
    const bench = await memoryBench(1);
    const definition = definitionOf(OrderSummary);
    const admin = new PostgresReadModelStore({ pool });
    const generation = await buildGeneration(new PostgresCatalog({ pool, app: 'least' }), admin, bench.log, definition);
    await dropTables();
    const role = `refold_least_${randomBytes(5).toString('hex')}`;
    await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'least'`);
    await pool.query(`GRANT CREATE, USAGE ON SCHEMA public TO ${role}`);
    const url = new URL(database.url);
    url.username = role;
    url.password = 'least';
    const restricted = new PostgresPool({ url: url.toString(), max: 1 });
    try {
      const store = new PostgresReadModelStore({ pool: restricted });
      await store.provision(generation, definition);
      await store.open(generation, definition);
      await expect(store.provision({ ...generation, viewSchema: 'another' }, definition)).rejects.toMatchObject({ facts: { sqlstate: '42501' } });
    } finally {
      await restricted.close();
      await pool.query(`DROP OWNED BY ${role}`);
      await pool.query(`DROP ROLE ${role}`);
    }
  });

  it('claims lock their checkpoints in order of the partitions, so that they wait for a batch instead of a deadlock', async () => {
    const bench = await memoryBench(16);
    const definition = definitionOf(OrderSummary);
    const store = new PostgresReadModelStore({ pool });
    const { id, ...rest } = await buildGeneration(new PostgresCatalog({ pool, app: 'claims' }), store, bench.log, definition);
    for (let partition = 14; partition >= 0; partition -= 1) {
      await pool.query('UPDATE refold.checkpoints SET updated_at = now() WHERE generation_id = $1 AND partition = $2', [id, partition]); // they lie backwards now
    }
    const opened = await store.open({ id, ...rest }, definition);
    const lock = 'SELECT 1 FROM refold.checkpoints WHERE generation_id = $1 AND partition = $2 FOR UPDATE';
    const batch = pool.transaction(async (sql) => {
      await sql.query(lock, [id, 3]);
      const claim = opened.claim(
        Array.from({ length: 16 }, (_, partition) => ({ topic: 'orders', partition })),
        'w',
      );
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%wanted%'`;
      await until(async () => (await pool.query(waiting)).rows.length > 0, 'the claim waits');
      await sql.query(lock, [id, 9]);
      return { claim };
    });
    expect(await (await batch).claim).toHaveLength(16);
    await dropTables();
  });

  it('refuses to claim partitions of a retired generation', async () => {
    const bench = await memoryBench(1);
    const definition = definitionOf(OrderSummary);
    const store = new PostgresReadModelStore({ pool });
    const generation = await buildGeneration(new PostgresCatalog({ pool, app: 'retired' }), store, bench.log, definition);
    await pool.query(`UPDATE refold.generations SET status = 'retired' WHERE generation_id = $1`, [generation.id]);
    const opened = await store.open(generation, definition);
    await expect(opened.claim([{ topic: 'orders', partition: 0 }], 'w')).rejects.toMatchObject({ code: 'generation.not-running' });
    await dropTables();
  });
});
