import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { qualified } from '../../../src/platform/postgres/quote';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresModelIndexes } from '../../../src/projections/adapters/postgres/indexes';
import { readView } from '../../../src/projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import type { ProjectionDefinition } from '../../../src/projections/definition';
import { groupsTable, rowTables, type Generation } from '../../../src/projections/generations';
import type { BatchCommit, CommitResult, Upsert } from '../../../src/projections/read-model-store';
import { dropTable } from '../../../src/replay/adapters/postgres/views';
import { advanceTo, foldSessions, groupOf, sessions, shownAfter } from '../../support/hand-folded-sessions';
import { buildGeneration, memoryBench } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('kept groups in Postgres', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  let store: PostgresReadModelStore;
  let apps = 0;
  beforeAll(async () => {
    database = await freshDatabase('pg-groups');
    pool = new PostgresPool({ url: database.url });
    await migrate(pool);
    store = new PostgresReadModelStore({ pool });
  });
  afterAll(async () => {
    await pool.close();
    await database.drop();
  });

  /** A generation of its own, with tables of its own. */
  const made = async (): Promise<{ readonly definition: ProjectionDefinition; readonly generation: Generation; readonly catalog: PostgresCatalog }> => {
    apps += 1;
    const definition = { ...sessions, model: { ...sessions.model, name: `sessions_${String(apps)}` } };
    const catalog = new PostgresCatalog({ pool, app: `groups-${String(apps)}` });
    return { definition, catalog, generation: await buildGeneration(catalog, store, (await memoryBench(2)).log, definition) };
  };
  const shown = ({ table }: Generation): Promise<readonly unknown[]> => readView(pool, 'public', { ...sessions.model, name: table });

  const rowOf = (who: string, at: number, partition: number): Upsert => ({
    row: { who, started: new Date(at), ended: new Date(at), actions: 1n, what: [who] },
    stamp: { topic: 'orders', partition, offset: 0 },
    isStored: false,
  });
  const stateOf = (who: string, partition: number): Upsert => ({
    row: { _group: groupOf(who), _state: { open: [] } },
    stamp: { topic: 'orders', partition, offset: 0 },
    isStored: false,
  });
  const nothing: Omit<BatchCommit, 'advances'> = { upserts: [], deletes: [], merges: [], late: [], parked: [] };
  /** Commits at the beginning of a partition. */
  const commitAt = async (generation: Generation, definition: ProjectionDefinition, partition: number, batch: Partial<BatchCommit>): Promise<CommitResult> => {
    const opened = await store.open(generation, definition);
    const [claimed] = await opened.claim([{ topic: 'orders', partition }], `worker-${String(partition)}`);
    return opened.commit({ ...nothing, ...batch, advances: [advanceTo(partition, claimed!.next, claimed!.next + 1, claimed!.epoch)] });
  };

  it.each([1, 150])(
    'refuses the batch of a worker whose group another partition has written meanwhile, among %d new ones; no row is written',
    async (count) => {
      const { generation, definition, catalog } = await made();
      const whos = Array.from({ length: count - 1 }, (_, i) => `other ${String(i)}`);
      const states = (partition: number): readonly Upsert[] =>
        ['ann', ...whos.map((who) => `${who} of ${String(partition)}`)].map((who) => stateOf(who, partition));
      const shownOf = (partition: number) => ({ upserts: [rowOf('ann', 10 * partition, partition)], deletes: [] });
      expect(await commitAt(generation, definition, 0, { upserts: states(0), shown: shownOf(0) })).toEqual({ status: 'committed' });
      expect(await commitAt(generation, definition, 1, { upserts: states(1), shown: shownOf(1) })).toMatchObject({ status: 'fenced' });
      expect(await shown(generation)).toEqual([rowOf('ann', 0, 0).row]);
      expect((await catalog.checkpoints(generation.id)).map(({ next }) => next)).toEqual([1, 0]);
    },
  );

  it('writes rows that nobody expected to be there, if they are few: the engine halves batches of many', async () => {
    const { generation, definition } = await made();
    const rows = (partition: number): readonly Upsert[] =>
      Array.from({ length: 150 }, (_, i) => rowOf(i === 0 ? 'ann' : `${String(i)} of ${String(partition)}`, 0, partition));
    await commitAt(generation, definition, 0, { shown: { upserts: rows(0), deletes: [] } });
    const many = { upserts: [stateOf('ann', 1)], shown: { upserts: rows(1), deletes: [] } };
    await expect(commitAt(generation, definition, 1, many)).rejects.toMatchObject({ code: 'store.value-refused' });
    expect(await shown(generation)).toHaveLength(150);
    const opened = await store.open(generation, definition);
    expect(await opened.load([groupOf('ann')])).toEqual(new Map());
    expect(await commitAt(generation, definition, 1, { ...many, shown: { upserts: rows(1).slice(0, 75), deletes: [] } })).toEqual({ status: 'committed' });
    expect(await shown(generation)).toHaveLength(224);
  });

  it('takes a group over from where its key has moved, as it was loaded, with its rows', async () => {
    const { generation, definition } = await made();
    await commitAt(generation, definition, 0, { upserts: [stateOf('ann', 0)], shown: { upserts: [rowOf('ann', 0, 0)], deletes: [] } });
    const movedFrom = { topic: 'orders', partition: 0, offset: 0 };
    const stale = { ...stateOf('ann', 1), movedFrom: { ...movedFrom, offset: 7 }, isStored: true };
    expect(await commitAt(generation, definition, 1, { upserts: [stale] })).toMatchObject({ status: 'fenced' });
    expect(await commitAt(generation, definition, 1, { upserts: [{ ...stale, movedFrom }] })).toEqual({ status: 'committed' });
    const row = { ...rowOf('ann', 0, 1), isStored: true };
    const later = { upserts: [{ ...stateOf('ann', 1), isStored: true }], shown: { upserts: [{ ...row, row: { ...row.row, actions: 2n } }], deletes: [] } };
    expect(await commitAt(generation, definition, 1, later)).toEqual({ status: 'committed' });
    expect(await shown(generation)).toMatchObject([{ who: 'ann', actions: 2n }]);
    const loaded = await (await store.open(generation, definition)).load([groupOf('ann')]);
    expect(loaded.get(groupOf('ann'))!.stamp).toMatchObject({ partition: 1 });
  });

  it('names the column in which either table drifted, and drops both', async () => {
    const { generation, definition } = await made();
    const [rows, groups] = rowTables(generation);
    expect([rows, groups]).toEqual([generation.table, groupsTable(generation)]);
    await store.provision(generation, definition);
    await pool.query(`ALTER TABLE ${qualified('public', groups!)} ALTER COLUMN _state TYPE text`);
    const drift = (table: string, column: string) => ({ code: 'store.schema-drift', facts: { table, column } });
    await expect(store.open(generation, definition)).rejects.toMatchObject(drift(groups!, '_state'));
    await pool.query(`ALTER TABLE ${qualified('public', groups!)} ALTER COLUMN _state TYPE jsonb USING _state::jsonb`);
    await store.open(generation, definition);
    await pool.query(`ALTER TABLE ${qualified('public', rows)} DROP COLUMN what`);
    await expect(store.open(generation, definition)).rejects.toMatchObject(drift(rows, 'what'));
    await dropTable(pool, generation);
    const { rows: left } = await pool.query(`SELECT relname FROM pg_class WHERE relname LIKE $1`, [`${generation.table.replaceAll('_', '\\_')}%`]);
    expect(left).toEqual([]);
    await expect(store.open(generation, definition)).rejects.toMatchObject({ code: 'generation.not-provisioned' });
  });

  it('makes indexes on the rows for readers, and analyses both tables', async () => {
    const { generation, definition, catalog } = await made();
    const indexes = new PostgresModelIndexes({ pool, app: generation.app, catalog, models: [definition.model] });
    expect(await indexes.add(generation.model, ['actions'], 'test')).toMatchObject({ generations: [{ state: 'ready' }] });
    await foldSessions(await store.open(generation, definition), [{ who: 'ann', at: 0 }]);
    await store.complete(generation, definition);
    const { rows } = await pool.query<{ name: string; estimate: number }>(
      `SELECT relname AS name, reltuples AS estimate FROM pg_class WHERE oid = ANY ($1::text[]::regclass[]) ORDER BY 1`,
      [rowTables(generation).map((name) => qualified('public', name))],
    );
    expect(rows).toEqual([...rowTables(generation)].sort().map((name) => ({ name, estimate: 1 })));
    expect(await store.estimatedRows(generation)).toBeDefined();
    const statements = await store.statements(generation, definition);
    expect(statements.map((statement) => statement.split(' ').slice(0, 2).join(' '))).toEqual([
      'CREATE TABLE',
      'CREATE TABLE',
      'CREATE INDEX',
      ...rowTables(generation).map((name) => `ANALYZE ${qualified('public', name)}`),
    ]);
    expect(await shown(generation)).toEqual(shownAfter([{ who: 'ann', at: 0 }]));
  });
});
