import { Decimal } from '../../../src/kernel/decimal';
import { isRefoldError } from '../../../src/kernel/errors';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { identifier, qualified } from '../../../src/platform/postgres/quote';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { readView } from '../../../src/projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import { integer, sum, text } from '../../../src/projections/columns';
import type { ProjectionDefinition } from '../../../src/projections/definition';
import { MergeFold } from '../../../src/projections/engine/merge-fold';
import { NO_COUNTS, type Generation, type Storage } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import type { BatchCommit, GenerationStore, Upsert } from '../../../src/projections/read-model-store';
import { buildGeneration, definitionOf, memoryBench, startRunner, until } from '../../support/harness';
import { PostgresProxy, type Cut } from '../../support/postgres-proxy';
import { OrderPlaced, OrderSummary } from '../../support/shop';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

const tally = readModel('tally', { customer_id: text().key(), orders: sum(integer()) });
const tallyOf = (storage: Exclude<Storage, 'rows'>) =>
  definitionOf(
    projection({ name: `tally-${storage}`, version: 1, into: tally, storage }).on(OrderPlaced, (e) =>
      tally.contribution({ customer_id: e.customerId }, { orders: 1 }),
    ),
  );

describeWithPostgres('faults between a worker and Postgres', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  let proxy: PostgresProxy;
  let distant: PostgresPool;
  let apps = 0;
  beforeAll(async () => {
    database = await freshDatabase('postgres-faults');
    pool = new PostgresPool({ url: database.url, max: 16 });
    await migrate(pool);
    proxy = await PostgresProxy.open(database.url);
    distant = new PostgresPool({ url: proxy.url });
  });
  afterAll(async () => {
    await Promise.all([pool.close(), distant.close()]);
    await proxy.close();
    await database.drop();
  });

  const build = async (definition: ProjectionDefinition, partitions = 1) => {
    apps += 1;
    const bench = await memoryBench(partitions);
    const catalog = new PostgresCatalog({ pool, app: `faults-${String(apps)}` });
    for (const { name } of (await pool.query<{ name: string }>(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`)).rows) {
      await pool.query(`DROP TABLE ${identifier(name)} CASCADE`);
    }
    const generation = await buildGeneration(catalog, new PostgresReadModelStore({ pool }), bench.log, definition);
    return { bench, catalog, generation };
  };
  const rowsOf = (definition: ProjectionDefinition, { table }: Generation) => readView(pool, 'public', { ...definition.model, name: table });
  const order = (key: string, customer: string, cents: bigint): object => new OrderPlaced(key, customer, new Decimal(cents, 2), new Date(0));
  const advanceOf = (partition: number, from: number, next: number, epoch: number) => ({
    topic: 'orders',
    partition,
    from,
    next,
    epoch,
    streamTime: 0,
    fingerprint: undefined,
    counters: { ...NO_COUNTS, read: next - from, applied: next - from },
  });
  const stampedRow = (key: string, cents: bigint, offset: number): Upsert => ({
    row: { order_id: key, customer_id: 'ann', status: 'placed', amount: new Decimal(cents, 2), changed_at: new Date(0) },
    stamp: { topic: 'orders', partition: 0, offset },
    isStored: true,
  });
  const batchOf = (upserts: readonly Upsert[], advances: BatchCommit['advances']): BatchCommit => ({
    advances,
    upserts,
    deletes: [],
    merges: [],
    late: [],
    parked: [],
  });

  describe('a connection that is lost in COMMIT', () => {
    const cuts: readonly Cut[] = ['before the server has it', 'when the server has done it', 'and the server gets it later'];
    it.each(cuts)('%s: the checkpoint says what became of it, and the batch counts once', async (cut) => {
      const definition = tallyOf('merged');
      const { generation, catalog } = await build(definition);
      const store = await new PostgresReadModelStore({ pool: distant }).open(generation, definition);
      const [{ epoch }] = (await store.claim([{ topic: 'orders', partition: 0 }], 'w')) as unknown as [{ epoch: number }];
      const merges = [{ stamp: undefined, group: { customer_id: 'ann' }, window: undefined, measures: { orders: 1n }, isStored: true, id: 'ann' }];
      for (let from = 0; from < 3; from += 1) {
        proxy.next(cut);
        const before = proxy.cut;
        expect(await store.commit({ advances: [advanceOf(0, from, from + 1, epoch)], upserts: [], deletes: [], merges, late: [], parked: [] })).toEqual({
          status: 'committed',
        });
        expect(proxy.cut).toBe(before + 1);
        expect(await rowsOf(definition, generation)).toEqual([{ customer_id: 'ann', orders: BigInt(from + 1) }]);
        expect(await catalog.checkpoints(generation.id)).toMatchObject([{ next: from + 1, epoch, counters: { read: from + 1 } }]);
      }
    });

    it.each(cuts)('%s, again and again: nothing is lost or doubled, and the worker neither fences itself nor begins anew', async (cut) => {
      const definition = tallyOf('merged');
      const { bench, catalog, generation } = await build(definition);
      await bench.append(Array.from({ length: 200 }, (_, i) => order(`o${String(i)}`, `c${String(i % 7)}`, 1n)));
      proxy.next(cut, cut, cut);
      const before = proxy.cut;
      const running = startRunner(bench, new PostgresReadModelStore({ pool: distant }), generation, definition, { replayBatch: 50 });
      await until(async () => (await catalog.checkpoints(generation.id))[0]!.next === 200, 'all is folded');
      await running.stop();
      expect(proxy.cut).toBe(before + 3);
      const rows = (await rowsOf(definition, generation)) as readonly { readonly orders: bigint }[];
      expect(rows.map(({ orders }) => orders).reduce((a, b) => a + b)).toBe(200n);
      expect((await catalog.checkpoints(generation.id))[0]).toMatchObject({ counters: { read: 200, applied: 200 } });
      expect(running.events.filter(({ kind }) => kind === 'fenced' || kind === 'assigned')).toHaveLength(1);
    });

    it('where another has claimed the partition since, the batch is fenced', async () => {
      const definition = definitionOf(OrderSummary);
      const { generation } = await build(definition);
      const store = await new PostgresReadModelStore({ pool: distant }).open(generation, definition);
      const [{ epoch }] = (await store.claim([{ topic: 'orders', partition: 0 }], 'w')) as unknown as [{ epoch: number }];
      const other = new PostgresCheckpointControl(pool);
      proxy.next('before the server has it');
      const committing = store.commit(batchOf([stampedRow('a', 1n, 0)], [advanceOf(0, 0, 1, epoch)]));
      await until(() => proxy.cut > 0, 'the connection is cut');
      await other.claim(generation, [{ topic: 'orders', partition: 0 }], 'other');
      expect(['fenced', 'committed']).toContain((await committing).status); // which of the two came first is open
      const again = await store.commit(batchOf([stampedRow('b', 1n, 1)], [advanceOf(0, 1, 2, epoch)]));
      expect(again).toMatchObject({ status: 'fenced' });
    });

    it('an intent is recorded once', async () => {
      const definition = tallyOf('partials');
      const { generation, catalog } = await build(definition);
      const control = new PostgresCheckpointControl(distant);
      const partition = { topic: 'orders', partition: 0 };
      const [claimed] = await control.claim(generation, [partition], 'w');
      const { epoch } = claimed!.checkpoint;
      for (const [at, cut] of cuts.entries()) {
        proxy.next(cut);
        expect(await control.intend(generation, [{ advance: advanceOf(0, at, at + 1, epoch), evidence: null }], { late: [], parked: [] })).toEqual({
          status: 'committed',
        });
        expect(await control.finish(generation, [{ ...partition, epoch }])).toMatchObject([{ next: at + 1 }]);
      }
      expect(await catalog.checkpoints(generation.id)).toMatchObject([{ next: 3, counters: { read: 3 } }]);
    });
  });

  it('a connection that dies while rows are loaded or written is replaced, and the step done again', async () => {
    const definition = definitionOf(OrderSummary);
    const { generation } = await build(definition);
    const own = new PostgresPool({ url: database.url, applicationName: 'shot' });
    const store = await new PostgresReadModelStore({ pool: own }).open(generation, definition);
    const [{ epoch }] = (await store.claim([{ topic: 'orders', partition: 0 }], 'w')) as unknown as [{ epoch: number }];
    const shoot = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shot'`;
    const table = qualified('public', generation.table);
    const shotWhile = <T>(work: () => Promise<T>): Promise<T> =>
      pool
        .transaction(async (sql) => {
          await sql.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
          const done = work();
          const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shot' AND wait_event_type = 'Lock'`;
          await until(async () => (await pool.query(waiting)).rows.length > 0, 'it waits for the table');
          await sql.query(shoot);
          return { done };
        })
        .then(({ done }) => done);
    expect(await shotWhile(() => store.load(['a']))).toEqual(new Map());
    expect(await shotWhile(() => store.commit(batchOf([stampedRow('a', 5n, 0)], [advanceOf(0, 0, 1, epoch)])))).toEqual({ status: 'committed' });
    expect(await rowsOf(definition, generation)).toMatchObject([{ order_id: 'a', amount: new Decimal(5n, 2) }]);
    await own.close();
  });

  it('a batch that is chosen to end a deadlock is done again', async () => {
    const definition = definitionOf(OrderSummary);
    const { generation } = await build(definition);
    const counting = countingConflicts(pool);
    const store = await new PostgresReadModelStore({ pool: counting.pool }).open(generation, definition);
    const [{ epoch }] = (await store.claim([{ topic: 'orders', partition: 0 }], 'w')) as unknown as [{ epoch: number }];
    const keys = ['a', 'b'];
    await store.commit(
      batchOf(
        keys.map((key) => stampedRow(key, 1n, 0)),
        [advanceOf(0, 0, 1, epoch)],
      ),
    );
    const touch = `UPDATE ${qualified('public', generation.table)} SET status = 'shipped' WHERE order_id = $1`;
    const { committing } = await pool.transaction(async (sql) => {
      await sql.query(`SET LOCAL deadlock_timeout = '20s'`); // not we
      await sql.query(touch, ['b']);
      const started = store.commit(
        batchOf(
          keys.map((key) => stampedRow(key, 2n, 1)),
          [advanceOf(0, 1, 2, epoch)],
        ),
      );
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO%'`;
      await until(async () => (await pool.query(waiting)).rows.length > 0, 'the batch waits for b');
      await sql.query(touch, ['a']);
      return { committing: started };
    });
    expect(await committing).toEqual({ status: 'committed' });
    expect(counting.conflicts).toEqual(['40P01']);
    expect(await rowsOf(definition, generation)).toMatchObject(keys.map((order_id) => ({ order_id, amount: new Decimal(2n, 2), status: 'placed' })));
  });

  describe('two workers that write the same rows at once', () => {
    const ROUNDS = 15;
    /** A deadlock costs the server's `deadlock_timeout`, a second. */
    const GATED_ROUNDS = 4;
    const KEYS = Array.from({ length: 400 }, (_, i) => `c${String(i)}`);

    /** What folding one event per key makes of them, met in one order or the other. */
    const mergesOf = (definition: ProjectionDefinition, storage: Storage, partition: number, offset: number): BatchCommit['merges'] => {
      const fold = new MergeFold(definition, storage);
      const keys = partition === 0 ? KEYS : [...KEYS].reverse();
      keys.forEach((customer, i) => {
        const event = order(`o${String(i)}`, customer, 1n);
        const events = [{ type: 'shop.OrderPlaced', key: customer, time: 0, event, index: 0 }] as never;
        const raw = { topic: 'orders', partition, offset, timestamp: 0, key: Buffer.from(customer), value: null, headers: {} };
        const record = { offset, timestamp: 0, id: '', time: 0, events, aside: undefined, failed: undefined, raw };
        fold.record(record, { topic: 'orders', partition, offset, streamTime: 0 });
      });
      return fold.writes().merges;
    };

    /**
     * Two workers, a partition each, fold every key once a round and write it. With a `gate`, a
     * third transaction holds that key's row in every round but the first until both workers wait
     * for a lock, so that they are sure to meet.
     */
    const race = async (
      storage: Exclude<Storage, 'rows'>,
      using: PostgresPool,
      reorder: (merges: BatchCommit['merges']) => BatchCommit['merges'],
      gate?: string,
    ) => {
      const definition = tallyOf(storage);
      const { generation } = await build(definition, 2);
      const counting = countingConflicts(using);
      const workers = await Promise.all(
        [0, 1].map(async (partition) => {
          const store: GenerationStore = await new PostgresReadModelStore({ pool: counting.pool }).open(generation, definition);
          const [{ epoch }] = (await store.claim([{ topic: 'orders', partition }], `w${String(partition)}`)) as unknown as [{ epoch: number }];
          return async (round: number): Promise<void> => {
            const merges = reorder(mergesOf(definition, storage, partition, round));
            const advances = [advanceOf(partition, round, round + 1, epoch)];
            expect(await store.commit({ advances, upserts: [], deletes: [], merges, late: [], parked: [] })).toEqual({ status: 'committed' });
          };
        }),
      );
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO%'`;
      const rounds = gate === undefined ? ROUNDS : GATED_ROUNDS;
      for (let round = 0; round < rounds; round += 1) {
        const both = (): Promise<unknown> => Promise.all(workers.map((work) => work(round)));
        if (gate === undefined || round === 0) {
          await both();
          continue;
        }
        const { done } = await pool.transaction(async (sql) => {
          await sql.query(`SELECT 1 FROM ${qualified('public', generation.table)} WHERE customer_id = $1 FOR UPDATE`, [gate]);
          const writing = both();
          await until(async () => (await pool.query(waiting)).rows.length === 2, 'both workers wait');
          return { done: writing };
        });
        await done;
      }
      const rows = (await rowsOf(definition, generation)) as readonly { readonly orders: bigint }[];
      expect(new Set(rows.map(({ orders }) => orders))).toEqual(new Set([BigInt(2 * rounds)]));
      expect(rows).toHaveLength(KEYS.length);
      return counting.conflicts;
    };

    it.each(['merged', 'partials'] as const)('%s: in one order, so they wait and never meet in a deadlock', async (storage) => {
      expect(await race(storage, pool, (merges) => merges)).toEqual([]);
    });

    it('written in opposite orders they do: every deadlock is done again, and every event counts once', async () => {
      // The store orders them by their ids: these say in which order each worker met them
      const opposite = (merges: BatchCommit['merges']): BatchCommit['merges'] => merges.map((merge, i) => ({ ...merge, id: String(1_000 + i) }));
      const conflicts = await race('merged', pool, opposite, KEYS[KEYS.length / 2]);
      expect(conflicts.length).toBeGreaterThanOrEqual(GATED_ROUNDS - 1);
      expect(new Set(conflicts)).toEqual(new Set(['40P01']));
    });

    it('in a database that serialises, the failures are done again, and every event counts once', async () => {
      const strict = new URL(database.url);
      strict.searchParams.set('options', '-c default_transaction_isolation=repeatable\\ read');
      const serialising = new PostgresPool({ url: strict.toString() });
      const conflicts = await race('merged', serialising, (merges) => merges, KEYS[0]);
      expect(conflicts.length).toBeGreaterThanOrEqual(GATED_ROUNDS - 1);
      expect(new Set(conflicts)).toEqual(new Set(['40001']));
      await serialising.close();
    });
  });
});

/** The pool, with the SQLSTATE of every transaction that lost against another. */
const countingConflicts = (pool: PostgresPool): { readonly pool: PostgresPool; readonly conflicts: string[] } => {
  const conflicts: string[] = [];
  const watched = new Proxy(pool, {
    get: (target, name) => {
      if (name === 'transaction') {
        return (...given: Parameters<PostgresPool['transaction']>) =>
          target.transaction(...given).catch((error: unknown) => {
            if (isRefoldError(error, 'store.conflict')) {
              conflicts.push(String(error.facts['sqlstate']));
            }
            throw error;
          });
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { pool: watched, conflicts };
};
