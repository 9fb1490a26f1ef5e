import { randomBytes } from 'node:crypto';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { qualified } from '../../../src/platform/postgres/quote';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { readView } from '../../../src/projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import { Decimal } from '../../../src/kernel/decimal';
import { decimal, sum, text } from '../../../src/projections/columns';
import { NO_COUNTS, partialsTable } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { OrderPlaced, OrderSummary } from '../../support/shop';
import { buildGeneration, definitionOf, memoryBench, startRunner, until } from '../../support/harness';
import { STAMPS, partialsSuite, unstamped, type PartialsUnderTest } from '../../conformance/partials.suite';
import { groupsSuite } from '../../conformance/groups.suite';
import { readModelStoreSuite } from '../../conformance/read-model-store.suite';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';
import { holdAt, lateCount } from './control';

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
    const views = await pool.query<{ name: string }>(`SELECT viewname AS name FROM pg_views WHERE schemaname = 'public'`);
    for (const { name } of views.rows) {
      await pool.query(`DROP VIEW ${qualified('public', name)}`);
    }
    const { rows } = await pool.query<{ name: string }>(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`);
    for (const { name } of rows) {
      await pool.query(`DROP TABLE ${qualified('public', name)}`);
    }
  };

  const make = (): Promise<PartialsUnderTest> => {
    apps += 1;
    const catalog = new PostgresCatalog({ pool, app: `shop-${String(apps)}` });
    return Promise.resolve({
      catalog,
      store: new PostgresReadModelStore({ pool }),
      stored: async (generation, { model }) => {
        const columns = [...STAMPS, ...model.columns];
        return unstamped(await readView(pool, 'public', { ...model, name: partialsTable(generation), columns }));
      },
      rows: ({ table }, { model }) => readView(pool, 'public', { ...model, name: table }),
      hold: (generation, at) => holdAt(pool, generation, at),
      lateCount: (generation) => lateCount(pool, generation),
      close: dropTables,
    });
  };
  readModelStoreSuite(make);
  describe('with kept groups', () => {
    groupsSuite(make, { runs: 15 });
  });
  describe('as partials', () => {
    partialsSuite(make, { storages: ['merged', 'partials'], runs: 15 });
  });

  it.each([1, 150])('refuses the batch of a worker whose key the worker of another partition has written meanwhile, among %d new rows', async (count) => {
    const bench = await memoryBench(2);
    const definition = definitionOf(OrderSummary);
    const [catalog, store] = [new PostgresCatalog({ pool, app: `moved-${String(count)}` }), new PostgresReadModelStore({ pool })];
    const generation = await buildGeneration(catalog, store, bench.log, definition);
    const commitAt = async (partition: number, amount: string) => {
      const opened = await store.open(generation, definition);
      const [claimed] = await opened.claim([{ topic: 'orders', partition }], `worker-${String(partition)}`);
      expect(await opened.load(['a'])).toEqual(new Map());
      const rowOf = (order_id: string) => ({ order_id, customer_id: 'ann', status: 'placed', amount: Decimal.parse(amount), changed_at: new Date(0) });
      const own = Array.from({ length: count - 1 }, (_, i) => rowOf(`of ${String(partition)}, ${String(i)}`));
      const advance = { topic: 'orders', partition, from: 0, next: 1, epoch: claimed!.epoch, streamTime: 0, fingerprint: undefined };
      const counters = { ...NO_COUNTS, read: 1, applied: 1 };
      return () =>
        opened.commit({
          advances: [{ ...advance, counters }],
          upserts: [rowOf('a'), ...own].map((row) => ({ row, stamp: { topic: 'orders', partition, offset: 0 }, isStored: false })),
          deletes: [],
          merges: [],
          late: [],
          parked: [],
        });
    };
    const commits = [await commitAt(0, '1.00'), await commitAt(1, '2.00')]; // both have loaded nothing
    const results = await Promise.all(commits.map((commit) => commit()));
    expect(results.map(({ status }) => status).sort()).toEqual(['committed', 'fenced']);
    const won = results.findIndex(({ status }) => status === 'committed');
    expect((await catalog.checkpoints(generation.id)).map(({ next }) => next)).toEqual(won === 0 ? [1, 0] : [0, 1]);
    const rows = await readView(pool, 'public', { ...definition.model, name: generation.table });
    expect(rows).toHaveLength(count);
    expect(rows).toMatchObject(Array(count).fill({ amount: Decimal.parse(won === 0 ? '1.00' : '2.00') }));
    await dropTables();
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

  it('looks for drift in the partials, and for the view that merges them', async () => {
    const bench = await memoryBench(1);
    const model = readModel('by_customer', { customer_id: text().key(), revenue: sum(decimal(12, 2)) });
    const definition = definitionOf(
      projection({ name: 'by-customer', version: 1, into: model, storage: 'partials' }).on(OrderPlaced, (e) =>
        model.contribution({ customer_id: e.customerId }, { revenue: e.amount }),
      ),
    );
    const store = new PostgresReadModelStore({ pool });
    const generation = await buildGeneration(new PostgresCatalog({ pool, app: 'drift-of-partials' }), store, bench.log, definition);
    await store.provision(generation, definition);
    await store.open(generation, definition);
    const partials = qualified('public', 'by_customer__v1_r1_partials');
    await pool.query(`ALTER TABLE ${partials} ALTER COLUMN revenue DROP NOT NULL`);
    const facts = { table: 'by_customer__v1_r1_partials', column: 'revenue' };
    await expect(store.open(generation, definition)).rejects.toMatchObject({ code: 'store.schema-drift', facts });
    await pool.query(`ALTER TABLE ${partials} ALTER COLUMN revenue SET NOT NULL`);
    await pool.query(`DROP VIEW ${qualified('public', generation.table)}`);
    await expect(store.open(generation, definition)).rejects.toThrow('view by_customer__v1_r1, which shows the rows, is missing');
    await pool.query(`DROP TABLE ${partials}`);
    await expect(store.open(generation, definition)).rejects.toMatchObject({ code: 'generation.not-provisioned' });
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
    await pool.query(`GRANT USAGE ON SCHEMA refold TO ${role}`);
    await pool.query(`GRANT SELECT ON refold.model_indexes TO ${role}`);
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

  it('finds the one record whose values the database cannot hold: it stops its partition, everything else is folded', async () => {
    const bench = await memoryBench(2);
    const narrow = readModel('narrow', { customer_id: text().key(), revenue: sum(decimal(4, 2)) });
    const definition = definitionOf(
      projection({ name: 'narrow', version: 1, into: narrow }).on(OrderPlaced, (e) =>
        narrow.contribution({ customer_id: e.customerId }, { revenue: e.amount }),
      ),
    );
    const catalog = new PostgresCatalog({ pool, app: 'narrow' });
    const store = new PostgresReadModelStore({ pool });
    const order = (key: string, customer: string, amount: string): object => new OrderPlaced(key, customer, Decimal.parse(amount), new Date(0));
    const heads = async (): Promise<readonly number[]> => (await bench.log.heads(['orders'])).map(({ end }) => end);
    await bench.append([order('a', 'ann', '50.00')]);
    const home = (await heads()).indexOf(1);
    await bench.append([order('a', 'bob', '1.00'), order('a', 'ann', '60.00'), order('a', 'bob', '1.00')]); // the third record is too much for ann
    const elsewhere = ['b', 'c', 'd', 'e', 'f'].map((key) => order(key, 'cy', '1.00'));
    await bench.append(elsewhere);
    const generation = await buildGeneration(catalog, store, bench.log, definition);
    const running = startRunner(bench, store, generation, definition, { failures: 'stop' });
    await until(() => running.events.some(({ kind }) => kind === 'stopped'), 'a partition stopped');
    await until(async () => (await catalog.checkpoints(generation.id))[1 - home]!.next === (await heads())[1 - home], 'the other partition went on');
    await running.stop();
    const checkpoint = (await catalog.checkpoints(generation.id))[home]!;
    expect(checkpoint).toMatchObject({ next: 2, stoppedBy: { code: 'store.value-refused', partition: home, offset: 2 } });
    const rows = await readView(pool, 'public', { ...definition.model, name: generation.table });
    expect(rows.slice(0, 2)).toEqual([
      { customer_id: 'ann', revenue: Decimal.parse('50.00') },
      { customer_id: 'bob', revenue: Decimal.parse('1.00') },
    ]);
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
