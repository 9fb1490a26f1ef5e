import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { Decimal } from '../../../src/kernel/decimal';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresModelIndexes } from '../../../src/projections/adapters/postgres/indexes';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import { NO_COUNTS } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { answerOf, cli } from '../../support/cli';
import fixture from '../../support/cli-app/refold.config';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, until } from '../../support/harness';
import { CustomerDaily, OrderPlaced, OrderSummary, customerDaily } from '../../support/shop';
import { OwnPostgres } from '../../support/own-postgres';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

const byCustomer = projection({
  name: 'by-customer',
  version: 1,
  into: customerDaily,
  storage: 'partials',
  window: definitionOf(CustomerDaily).window!,
}).on(OrderPlaced, (e) => customerDaily.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount, smallest: e.amount }));

describeWithPostgres('tables in Postgres', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  beforeAll(async () => {
    database = await freshDatabase('postgres-storage');
    pool = new PostgresPool({ url: database.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await pool.close();
    await database.drop();
  });

  /** Whoever else holds a snapshot on a server, autovacuum too, keeps old versions of rows alive: there is nobody else on this one. */
  const onQuietServer = async (test: (pool: PostgresPool) => Promise<void>): Promise<void> => {
    const own = await OwnPostgres.start();
    const pool = new PostgresPool({ url: own.url });
    try {
      await pool.query('ALTER SYSTEM SET autovacuum = off');
      await pool.query('SELECT pg_reload_conf()');
      await migrate(pool);
      await test(pool);
    } finally {
      await pool.close();
      await own.stop();
    }
  };

  const indexesOf = async (schema: string, table: string): Promise<readonly string[]> =>
    (await pool.query<{ def: string }>('SELECT indexdef AS def FROM pg_indexes WHERE schemaname = $1 AND tablename = $2', [schema, table])).rows.map(
      ({ def }) => def.replace(/^.* USING /, ''),
    );

  it('rows are updated in place: nothing indexed changes, and there is room on the pages', () =>
    onQuietServer(async (pool) => {
      const definition = definitionOf(OrderSummary);
      const store = new PostgresReadModelStore({ pool });
      const generation = await buildGeneration(new PostgresCatalog({ pool, app: 'hot' }), store, (await memoryBench(1)).log, definition);
      const opened = await store.open(generation, definition);
      const [claimed] = await opened.claim([{ topic: 'orders', partition: 0 }], 'w');
      const [ROWS, BATCH, ROUNDS] = [4_000, 1_000, 24];
      const write = async (at: number, keys: readonly number[]): Promise<void> => {
        const advance = { topic: 'orders', partition: 0, from: at, next: at + 1, epoch: claimed!.epoch, streamTime: 0, fingerprint: undefined };
        const upserts = keys.map((key) => ({
          row: {
            order_id: `order-${String(key)}`,
            customer_id: `c${String(key % 50)}`,
            status: 'placed',
            amount: Decimal.parse('1.00'),
            changed_at: new Date(at),
          },
          stamp: { topic: 'orders', partition: 0, offset: at },
          isStored: at > 0,
        }));
        const counters = { ...NO_COUNTS, read: 1, applied: 1 };
        expect(await opened.commit({ advances: [{ ...advance, counters }], upserts, deletes: [], merges: [], late: [], parked: [] })).toEqual({
          status: 'committed',
        });
      };
      await write(
        0,
        Array.from({ length: ROWS }, (_, i) => i),
      );
      for (let round = 1; round <= ROUNDS; round += 1) {
        await write(round, [...new Set(Array.from({ length: BATCH }, (_, i) => (i * 7_919 + round * 31) % ROWS))]);
      }
      const statistics = async () => {
        await pool.query('SELECT pg_stat_force_next_flush()');
        const { rows } = await pool.query<{ updated: number; inPlace: number }>(
          `SELECT n_tup_upd AS updated, n_tup_hot_upd AS "inPlace" FROM pg_stat_user_tables WHERE relname = $1`,
          [generation.table],
        );
        return rows[0]!;
      };
      await until(async () => (await statistics()).updated >= BATCH * ROUNDS, 'the statistics are in');
      const { updated, inPlace } = await statistics();
      expect(inPlace / updated).toBeGreaterThan(0.9);
    }));

  it.each([
    [OrderSummary, 'order_summary__v1_r1', ['btree (customer_id)', 'btree (order_id)']],
    [CustomerDaily, 'customer_daily__v1_r1', ['btree (customer_id, window_start)']],
    [byCustomer, 'customer_daily__v1_r1_partials', ['btree (customer_id, window_start, _topic, _partition)']],
  ] as const)('no index knows an offset (%#)', async (given, table, indexes) => {
    const [definition, { log }] = [definitionOf(given), await memoryBench(1)];
    const app = definition.name;
    await buildGeneration(new PostgresCatalog({ pool, app }), new PostgresReadModelStore({ pool, viewSchema: app }), log, definition);
    expect([...(await indexesOf(definition.name, table))].sort()).toEqual(indexes);
  });

  describe('indexes that are added', () => {
    const world = async (app: string, given = definitionOf(OrderSummary)) => {
      await pool.query(`DROP SCHEMA IF EXISTS ${app} CASCADE`);
      const bench = await memoryBench(2);
      const catalog = new PostgresCatalog({ pool, app });
      const store = new PostgresReadModelStore({ pool, viewSchema: app });
      const indexes = new PostgresModelIndexes({ pool, app, catalog, models: [given.model] });
      return { bench, catalog, store, indexes, definition: given };
    };
    const onTable = async (schema: string, table: string): Promise<readonly string[]> =>
      (
        await pool.query<{ name: string }>('SELECT indexname AS name FROM pg_indexes WHERE schemaname = $1 AND tablename = $2 ORDER BY 1', [schema, table])
      ).rows.map(({ name }) => name);

    it('are made while the table is written, are had by generations made later, and go with their table', async () => {
      const { bench, catalog, store, indexes, definition } = await world('added');
      const first = await buildGeneration(catalog, store, bench.log, definition);
      await bench.append(Array.from({ length: 3_000 }, (_, i) => new OrderPlaced(`o${String(i)}`, `c${String(i % 9)}`, Decimal.parse('1.00'), new Date(0))));
      const running = startRunner(bench, store, first, definition, { replayBatch: 50 });
      const added = await Promise.all([indexes.add('order_summary', ['status'], 'ann'), indexes.add('order_summary', ['status'], 'bob')]); // two at once
      await indexes.add('order_summary', ['customer_id', 'changed_at'], 'ann');
      await until(() => caughtUp(catalog, bench.log, first), 'all is folded');
      await running.stop();
      expect(added[1]).toMatchObject({
        model: 'order_summary',
        columns: ['status'],
        generations: [{ generation: 'order-summary v1.r1 (postgres)', state: 'ready' }],
      });
      await pool.query(`UPDATE refold.generations SET status = 'active' WHERE generation_id = $1`, [first.id]);
      const second = await buildGeneration(catalog, store, bench.log, definition, 2);
      const names = (table: string) => [
        expect.stringMatching(`^${table}_customer_id_changed_at_idx_[0-9a-f]{10}$`),
        `${table}_customer_id_idx`,
        `${table}_pkey`,
        `${table}_status_idx`,
      ];
      expect(await onTable('added', first.table)).toEqual(names(first.table));
      expect(await onTable('added', second.table)).toEqual(names(second.table));
      expect((await indexes.list()).map(({ columns, generations }) => [columns, generations.map(({ state }) => state)])).toEqual([
        [
          ['customer_id', 'changed_at'],
          ['ready', 'ready'],
        ],
        [['status'], ['ready', 'ready']],
      ]);
      await pool.query(`DROP TABLE added.${first.table}`);
      await pool.query(`UPDATE refold.generations SET status = 'retired' WHERE generation_id = $1`, [first.id]);
      expect((await indexes.list()).map(({ generations }) => generations.length)).toEqual([1, 1]);
    });

    it('left half made by a crash they are made anew', async () => {
      const { bench, catalog, store, indexes, definition } = await world('crashed');
      const { table } = await buildGeneration(catalog, store, bench.log, definition);
      await pool.query(`CREATE INDEX ${table}_status_idx ON crashed.${table} (status)`);
      await pool.query(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'crashed.${table}_status_idx'::regclass`);
      expect(await indexes.add('order_summary', ['status'], 'ann')).toMatchObject({ generations: [{ state: 'ready' }] });
    });

    it('refuses what cannot be indexed, and remembers nothing of it', async () => {
      const { bench, catalog, store, indexes } = await world('refused');
      const partials = new PostgresModelIndexes({ pool, app: 'refused', catalog, models: [definitionOf(byCustomer).model] });
      await buildGeneration(catalog, store, bench.log, definitionOf(byCustomer));
      for (const columns of [['_offset'], ['nothing'], ['customer_id'], ['status', 'status'], []]) {
        await expect(indexes.add('order_summary', columns, 'ann')).rejects.toMatchObject({ code: 'index.invalid', facts: { columns } });
      }
      await expect(indexes.add('order_sumary', ['status'], 'ann')).rejects.toMatchObject({ code: 'projection.unknown' });
      expect(await indexes.list()).toEqual([]);
      // A measure of partials is nowhere as a whole; as merged rows it is.
      expect(await partials.add('customer_daily', ['orders'], 'ann')).toMatchObject({ generations: [] });
      expect(await partials.add('customer_daily', ['window_start'], 'ann')).toMatchObject({ generations: [{ state: 'ready' }] });
    });
  });

  describe('`refold models index`', () => {
    let connection: ConnectedApp;
    beforeAll(async () => {
      connection = await connect(fixture.app, { configuration: { postgresUrl: database.url }, environment: {} });
      await connection.migrate();
    });
    afterAll(() => connection.close());

    it('adds and lists', async () => {
      const env = { REFOLD_POSTGRES_URL: database.url };
      const { model } = fixture.app.projections[0]!;
      const column = model.columns.find(({ role, indexed }) => role !== 'key' && !indexed)!.name;
      expect((await cli(['models', 'index', 'list'], { env })).stdout).toBe('no indexes were added to those that the models declare\n');
      const { stdout, code } = await cli(['models', 'index', 'add', model.name, column], { env });
      expect({ stdout, code }).toEqual({ stdout: expect.stringContaining('no generation yet') as string, code: 0 });
      expect(answerOf(await cli(['models', 'index', 'list', '--json'], { env })).indexes).toMatchObject([{ model: model.name, columns: [column] }]);
      expect(await cli(['models', 'index', 'add', model.name, 'x,,y'], { env })).toMatchObject({ code: 2 });
      expect(await cli(['models', 'index', 'add', model.name, '_offset'], { env })).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('index.invalid') as string,
      });
      expect(await connection.container.resolve(TOKENS.indexes).list()).toHaveLength(1);
    });
  });
});
