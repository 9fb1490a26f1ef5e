import { ClickHouse, type CellRow } from '../../../src/platform/clickhouse/client';
import { qualified } from '../../../src/platform/clickhouse/quote';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { groupsTable, rowTables, type Generation } from '../../../src/projections/generations';
import type { BatchCommit, GenerationStore } from '../../../src/projections/read-model-store';
import { Death, faulty, type Fault } from '../../support/clickhouse-faults';
import { advanceTo, foldSessions, foldedSessions, groupOf, sessions, shownAfter, type Action } from '../../support/hand-folded-sessions';
import { buildGeneration, memoryBench, totals } from '../../support/harness';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';

/** Sessions begin, grow, are joined and forgotten, within one batch and over several. */
const actions: readonly Action[] = Array.from({ length: 40 }, (_, i) => i).flatMap((i) => [
  { who: `w${String(i % 4)}`, at: 100 * (i % 7) + 16 * (i % 3) },
  ...(i % 3 === 0 ? [{ who: `w${String(i % 4)}`, at: 100 * (i % 7) + 8 }] : []),
  ...(i % 11 === 10 ? [{ who: `w${String(i % 4)}`, at: undefined }] : []),
]);
const whos = ['w0', 'w1', 'w2', 'w3'];

describeWithClickHouse('kept groups in ClickHouse', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let pool: PostgresPool;
  let clickhouse: ClickHouse;
  let apps = 0;
  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('ch-groups'), freshClickHouse('groups')]);
    pool = new PostgresPool({ url: database.url });
    clickhouse = new ClickHouse({ url: analytics.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await Promise.all([pool.close(), clickhouse.close()]);
    await Promise.all([database.drop(), analytics.drop()]);
  });

  const control = (): PostgresCheckpointControl => new PostgresCheckpointControl(pool);
  const storeOver = (parts = { clickhouse, control: control() as never }): ClickHouseReadModelStore => new ClickHouseReadModelStore(parts);
  interface Made {
    readonly catalog: PostgresCatalog;
    readonly generation: Generation;
  }
  /** A generation of its own, with tables of its own. */
  const made = async (): Promise<Made> => {
    apps += 1;
    const definition = { ...sessions, model: { ...sessions.model, name: `sessions_${String(apps)}` } };
    const catalog = new PostgresCatalog({ pool, app: `groups-${String(apps)}` });
    return { catalog, generation: await buildGeneration(catalog, storeOver(), (await memoryBench(1)).log, definition) };
  };
  const shown = ({ generation }: Made): Promise<readonly object[]> => readModelRows(clickhouse, { ...sessions.model, name: generation.table });
  const kept = async (store: GenerationStore): Promise<unknown> =>
    [...(await store.load(whos.map(groupOf)))].map(([key, { row, stamp }]) => [key, row['_state'], stamp.offset]).sort();

  const FAULTS: readonly Fault[] = [
    'before the intent',
    'after the intent',
    'between its inserts',
    'after the insert',
    'after the checkpoint',
    'insert lands after the next owner has claimed',
    'second insert lands after the next owner has claimed',
  ];
  it.each(FAULTS.flatMap((fault) => [1, 3].map((batch) => [fault, batch] as const)))(
    'a worker that dies %s of batch %i: the next one folds to the same rows and the same groups',
    async (fault, batch) => {
      const under = await made();
      const parts = faulty(fault, batch, control(), clickhouse);
      const dying = await storeOver(parts as never).open(under.generation);
      await expect(foldSessions(dying, actions, { size: 9, worker: 'dying' })).rejects.toThrow(Death);

      const next = await storeOver().open(under.generation);
      const isRepeated = !['before the intent', 'after the insert', 'after the checkpoint'].includes(fault);
      const claimed = async ({ repeatTo }: { readonly repeatTo?: number }): Promise<void> => {
        expect(repeatTo).toBe(isRepeated ? 9 * batch : undefined);
        await parts.land();
      };
      const first = await foldSessions(next, actions, { size: 7, worker: 'next', claimed });
      // What is kept landed after it had been looked for: the batch is given up, the next claim finds it
      expect(first.status).toBe(fault === 'second insert lands after the next owner has claimed' ? 'fenced' : 'committed');
      expect(await foldSessions(next, actions, { size: 7, worker: 'next' })).toEqual({ status: 'committed' });
      expect(await shown(under)).toEqual(shownAfter(actions));
      const plain = await made();
      const undisturbed = await storeOver().open(plain.generation);
      await foldSessions(undisturbed, actions, { size: 4 });
      expect(await kept(next)).toEqual(await kept(undisturbed));
      expect(totals(await under.catalog.checkpoints(under.generation.id))).toMatchObject({ read: actions.length, applied: actions.length });
    },
  );

  it.each(['insert lands after the next owner has claimed', 'second insert lands after the next owner has claimed'] as const)(
    'of a worker that died, the %s and passed: it changes nothing',
    async (fault) => {
      const under = await made();
      const parts = faulty(fault, 2, control(), clickhouse);
      await expect(foldSessions(await storeOver(parts as never).open(under.generation), actions, { size: 9 })).rejects.toThrow(Death);
      const next = await storeOver().open(under.generation);
      await foldSessions(next, actions, { size: 9 });
      const before = [await shown(under), await kept(next)];
      await parts.land();
      expect([await shown(under), await kept(next)]).toEqual(before);
      expect(before[0]).toEqual(shownAfter(actions));
    },
  );

  it('finishes what a redrive has begun, in both tables', async () => {
    const under = await made();
    await foldSessions(await storeOver().open(under.generation), actions.slice(0, 5), { size: 5 });
    const at = (fault: Fault): ClickHouseReadModelStore => storeOver(faulty(fault, 1, control(), clickhouse) as never);
    for (const fault of ['after the intent', 'between its inserts', 'after the insert'] as const) {
      const dying = await at(fault).open(under.generation);
      const { next, epoch } = (await dying.claim([{ topic: 'orders', partition: 0 }], undefined))[0]!;
      const writes = foldedSessions(actions.slice(0, 5), { from: 0, next: 5 }, 0, await dying.load(whos.map(groupOf)));
      const redriven = { topic: 'orders', partition: 0, sequence: 'nothing', folded: [], cause: undefined };
      const batch: BatchCommit = { ...writes, advances: [advanceTo(0, next, next, epoch)], merges: [], late: [], parked: [], redriven };
      await expect(dying.commit(batch)).rejects.toThrow(Death);
      const settling = await storeOver().open(under.generation);
      const [settled] = await settling.claim([{ topic: 'orders', partition: 0 }], undefined);
      expect(settled).toMatchObject({ next, epoch: epoch + 1 });
      expect(settled!.repeatTo).toBeUndefined();
      for (const table of rowTables(under.generation)) {
        const name = qualified(clickhouse.database, table);
        const [found] = (await clickhouse.rows(`SELECT count() FROM ${name} FINAL WHERE NOT _deleted AND bitShiftRight(_version, 96) = ${String(epoch)}`)) as [
          CellRow,
        ];
        expect([table, Number(found[0])]).toEqual([table, table.endsWith('_groups') ? writes.upserts.length : writes.shown!.upserts.length]);
      }
    }
  });

  it('a batch that changes the rows of one partition alone, without its groups, is settled by those', async () => {
    const under = await made();
    const stamp = { topic: 'orders', partition: 0, offset: 0 };
    const row = { who: 'ann', started: new Date(0), ended: new Date(0), actions: 1n, what: ['x'] };
    const batchAt = (epoch: number): BatchCommit => ({
      advances: [advanceTo(0, 0, 1, epoch)],
      ...{ upserts: [], deletes: [], merges: [], late: [], parked: [] },
      shown: { upserts: [{ row, stamp, isStored: false }], deletes: [] },
    });
    const dying = await storeOver(faulty('after the insert', 1, control(), clickhouse) as never).open(under.generation);
    const { epoch } = (await dying.claim([{ topic: 'orders', partition: 0 }], 'dying'))[0]!;
    await expect(dying.commit(batchAt(epoch))).rejects.toThrow(Death);
    const [settled] = await (await storeOver().open(under.generation)).claim([{ topic: 'orders', partition: 0 }], 'next');
    expect([settled!.next, settled!.repeatTo, await shown(under)]).toEqual([1, undefined, [row]]);
  });

  it('removes the deleted rows of both tables by one command', async () => {
    const under = await made();
    const store = storeOver();
    const given = [...whos.flatMap((who) => [0, 16, 8].map((at) => ({ who, at }))), { who: 'w0', at: undefined }, { who: 'w1', at: undefined }];
    await foldSessions(await store.open(under.generation), given, { size: 2 });
    const stored = async (table: string, where: string): Promise<number> =>
      Number((await clickhouse.rows(`SELECT count() FROM ${qualified(clickhouse.database, table)} FINAL WHERE ${where}`))[0]![0]);
    const deleted = await Promise.all(rowTables(under.generation).map((table) => stored(table, '_deleted')));
    expect(deleted).toEqual([4, 2]);
    expect(await store.clean(under.generation)).toBe(6);
    expect(await Promise.all(rowTables(under.generation).map((table) => stored(table, '_deleted')))).toEqual([0, 0]);
    expect(await shown(under)).toEqual(shownAfter(given));
    const again = [...given, { who: 'w0', at: 16 }, { who: 'w2', at: 30 }];
    await foldSessions(await store.open(under.generation), again);
    expect(await shown(under)).toEqual(shownAfter(again));
  });

  it('looks for drift and for owners in both tables, and removes both', async () => {
    const under = await made();
    const store = storeOver();
    const { generation } = under;
    const table = groupsTable(generation);
    expect(rowTables(generation)).toEqual([`${generation.table}_rows`, table]);
    await store.provision(generation);
    await clickhouse.command(`ALTER TABLE ${qualified(clickhouse.database, table)} RENAME COLUMN _state TO other`);
    await expect(store.open(generation)).rejects.toMatchObject({ code: 'store.schema-drift', facts: { table, column: '_state' } });
    await clickhouse.command(`DROP TABLE ${qualified(clickhouse.database, table)} SYNC`);
    await expect(store.open(generation)).rejects.toMatchObject({ code: 'generation.not-provisioned' });
    await clickhouse.command(`CREATE TABLE ${qualified(clickhouse.database, table)} (x Int8) ENGINE = Memory COMMENT 'of somebody else'`);
    await expect(store.provision(generation)).rejects.toMatchObject({ code: 'store.name-taken', facts: { name: `${clickhouse.database}.${table}` } });
    await clickhouse.command(`DROP TABLE ${qualified(clickhouse.database, table)} SYNC`);
    await store.provision(generation);
    await store.open(generation);
    expect((await store.statements(generation)).filter((statement) => statement.startsWith('CREATE TABLE'))).toHaveLength(2);
    await store.remove(generation);
    const left = await clickhouse.rows('SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {name:String})', {
      database: clickhouse.database,
      name: generation.table,
    });
    expect(left).toEqual([]);
  });
});
