import { Decimal } from '../../../src/kernel/decimal';
import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { qualified } from '../../../src/platform/clickhouse/quote';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { StoredRows } from '../../../src/projections/adapters/clickhouse/stored-rows';
import { rowsTable, writtenTables } from '../../../src/projections/adapters/clickhouse/table';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import type { CheckpointControl } from '../../../src/projections/checkpoint-control';
import type { ProjectionDefinition } from '../../../src/projections/definition';
import type { Generation } from '../../../src/projections/generations';
import { foldEvents } from '../../../src/testing';
import { Death, faulty, type Fault } from '../../support/clickhouse-faults';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, totals, until, type Bench } from '../../support/harness';
import { blockOf } from '../../support/clickhouse-block';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { CustomerDaily, OrderErased, OrderPlaced, OrderShipped, OrderSummary } from '../../support/shop';

const day = (n: number): Date => new Date(Date.UTC(2026, 0, n, 12));
const dec = Decimal.parse;

describeWithClickHouse('recovery of ClickHouse generations', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let pool: PostgresPool;
  let clickhouse: ClickHouse;
  let bench: Bench;
  let apps = 0;
  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('recovery'), freshClickHouse('recovery')]);
    pool = new PostgresPool({ url: database.url });
    clickhouse = new ClickHouse({ url: analytics.url });
    await migrate(pool);
  });
  beforeEach(async () => {
    bench = await memoryBench(2);
  });
  afterAll(async () => {
    await Promise.all([pool.close(), clickhouse.close()]);
    await Promise.all([database.drop(), analytics.drop()]);
  });

  const control = (): PostgresCheckpointControl => new PostgresCheckpointControl(pool);
  const newApp = async (definition: ProjectionDefinition): Promise<{ readonly catalog: PostgresCatalog; readonly generation: Generation }> => {
    apps += 1;
    for (const [name, engine] of await clickhouse.rows('SELECT name, engine FROM system.tables WHERE database = {database:String}', {
      database: clickhouse.database,
    })) {
      await clickhouse.command(`DROP ${engine === 'View' ? 'VIEW' : 'TABLE'} ${qualified(clickhouse.database, String(name))} SYNC`);
    }
    const catalog = new PostgresCatalog({ pool, app: `recovery-${String(apps)}` });
    return { catalog, generation: await buildGeneration(catalog, new ClickHouseReadModelStore({ clickhouse, control: control() }), bench.log, definition) };
  };

  // Rows inserted, updated and deleted within one batch and over several; contributions of several partitions to one group.
  const history = Array.from({ length: 60 }, (_, i) => i).flatMap((i) => [
    new OrderPlaced(`o${String(i)}`, `c${String(i % 3)}`, dec(`${String(i)}.25`), day(1 + (i % 4))),
    ...(i % 2 === 0 ? [new OrderShipped(`o${String(i)}`, day(4))] : []),
    ...(i % 5 === 0 ? [new OrderErased(`o${String(i)}`)] : []),
    ...(i % 10 === 0 ? [new OrderPlaced(`o${String(i)}`, 'again', dec('1.00'), day(3))] : []),
  ]);
  /** Erasures carry no time of their own: they would make every later order late. */
  const orders = history.filter((event) => !(event instanceof OrderErased));
  const FAULTS: readonly Fault[] = [
    'before the intent',
    'after the intent',
    'after the insert',
    'after the checkpoint',
    'insert lands after the next owner has claimed',
  ];
  const cases = FAULTS.flatMap((fault) => [1, 3].flatMap((batch) => [OrderSummary, CustomerDaily].map((model) => [fault, batch, model] as const)));

  it.each(cases)('a worker that dies %s of batch %i: the next one folds to the same rows (%p)', async (fault, batch, model) => {
    const definition = definitionOf(model);
    const events = model === CustomerDaily ? orders : history;
    await bench.append(events);
    const { catalog, generation } = await newApp(definition);
    const parts = faulty(fault, batch, control(), clickhouse);
    const dying = startRunner(bench, new ClickHouseReadModelStore(parts), generation, definition, { replayBatch: 15, worker: 'dying' });
    await expect(dying.ended).rejects.toThrow(Death);

    const next = startRunner(bench, new ClickHouseReadModelStore({ clickhouse, control: control() }), generation, definition, {
      replayBatch: 15,
      worker: 'next',
    });
    await until(() => next.events.some(({ kind }) => kind === 'assigned'), 'the next owner has claimed');
    await parts.land();
    await until(() => caughtUp(catalog, bench.log, generation), 'the generation has caught up');
    await next.stop();

    const rows = await readModelRows(clickhouse, { ...definition.model, name: generation.table });
    const expected = await expectedRows(definition);
    expect(rows).toEqual(expected);
    const counters = totals(await catalog.checkpoints(generation.id));
    expect(counters).toMatchObject({ read: events.length, parked: 0, control: 0 });
    expect(counters['applied']! + counters['filtered']! + counters['late']!).toBe(events.length);
  });

  /** What a plain pass in ClickHouse, without any fault, makes of the same log. */
  const expectedRows = async (definition: ProjectionDefinition): Promise<readonly object[]> => {
    const { catalog, generation } = await newApp(definition);
    const running = startRunner(bench, new ClickHouseReadModelStore({ clickhouse, control: control() }), generation, definition);
    await until(() => caughtUp(catalog, bench.log, generation), 'the plain pass has caught up');
    await running.stop();
    return readModelRows(clickhouse, { ...definition.model, name: generation.table });
  };

  it('folds rows as memory does', async () => {
    bench = await memoryBench(1);
    await bench.append(history);
    const byKey = (rows: readonly object[]): readonly object[] =>
      [...rows].sort((a, b) => ((a as { order_id: string }).order_id < (b as { order_id: string }).order_id ? -1 : 1));
    expect(byKey(await expectedRows(definitionOf(OrderSummary)))).toEqual(byKey((await foldEvents(OrderSummary, history)).rows));
  });

  it('a block that lands late after the position was passed changes nothing', async () => {
    const definition = definitionOf(CustomerDaily);
    await bench.append(orders);
    const { catalog, generation } = await newApp(definition);
    const parts = faulty('insert lands after the next owner has claimed', 2, control(), clickhouse);
    const dying = startRunner(bench, new ClickHouseReadModelStore(parts), generation, definition, { replayBatch: 15 });
    await expect(dying.ended).rejects.toThrow(Death);
    const next = startRunner(bench, new ClickHouseReadModelStore({ clickhouse, control: control() }), generation, definition, { replayBatch: 15 });
    await until(() => caughtUp(catalog, bench.log, generation), 'the generation has caught up');
    const before = await readModelRows(clickhouse, { ...definition.model, name: generation.table });
    await parts.land();
    expect(await readModelRows(clickhouse, { ...definition.model, name: generation.table })).toEqual(before);
    await bench.append([new OrderPlaced('o1', 'c1', dec('1.00'), day(4))]);
    await until(() => caughtUp(catalog, bench.log, generation), 'the generation has caught up again');
    await next.stop();
    const [all, then] = [await readModelRows(clickhouse, { ...definition.model, name: generation.table }), before].map((rows) =>
      rows.reduce((sum, row) => sum + (row['orders'] as bigint), 0n),
    );
    expect(all).toBe(then! + 1n);
  });

  it('refuses rows of positions that the checkpoint has not reached', async () => {
    const definition = definitionOf(OrderSummary);
    await bench.append(history);
    const { catalog, generation } = await newApp(definition);
    const store = new ClickHouseReadModelStore({ clickhouse, control: control() });
    const running = startRunner(bench, store, generation, definition);
    await until(() => caughtUp(catalog, bench.log, generation), 'the generation has caught up');
    await running.stop();
    await pool.query('UPDATE refold.checkpoints SET next_offset = 3 WHERE generation_id = $1', [generation.id]); // an older backup of the control schema
    await pool.query('UPDATE refold.checkpoints SET fingerprint_offset = NULL WHERE generation_id = $1', [generation.id]);
    const again = startRunner(bench, store, generation, definition);
    await expect(again.ended).rejects.toMatchObject({ code: 'store.ahead-of-log', facts: { topic: 'orders', next: 3 } });
  });

  it('refuses to repeat a batch in doubt with code that folds it otherwise', async () => {
    const definition = definitionOf(OrderSummary);
    await bench.append(history);
    const { generation } = await newApp(definition);
    const parts = faulty('after the intent', 1, control(), clickhouse);
    await expect(startRunner(bench, new ClickHouseReadModelStore(parts), generation, definition).ended).rejects.toThrow(Death);
    const handlers = new Map([...definition.handlers].map(([name, handler]) => [name, { ...handler, fold: () => undefined }]));
    const changed = startRunner(bench, new ClickHouseReadModelStore({ clickhouse, control: control() }), generation, { ...definition, handlers });
    await expect(changed.ended).rejects.toMatchObject({ code: 'store.repeat-differs' });
  });

  it.each(['after the intent', 'after the insert'] as const)('settling a batch whose worker died %s, it may lose the partition to another', async (fault) => {
    const definition = definitionOf(OrderSummary);
    // The batch in doubt begins with records that touch no row.
    bench = await memoryBench(1);
    const unknown = Array.from({ length: 10 }, (_, i) => new OrderErased(`unknown${String(i)}`));
    await bench.append([...unknown, ...history]);
    const { catalog, generation } = await newApp(definition);
    const dying = startRunner(bench, new ClickHouseReadModelStore(faulty(fault, 1, control(), clickhouse)), generation, definition, { replayBatch: 30 });
    await expect(dying.ended).rejects.toThrow(Death);
    const own = control();
    let stolen = false;
    const robbed = new Proxy(own, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        return name !== 'finish'
          ? typeof value === 'function'
            ? (value as (...args: unknown[]) => unknown).bind(target)
            : value
          : async (...[of, partitions]: Parameters<CheckpointControl['finish']>) => {
              if (!stolen) {
                stolen = true;
                await own.claim(of, partitions, 'another');
              }
              return own.finish(of, partitions);
            };
      },
    });
    const next = startRunner(bench, new ClickHouseReadModelStore({ clickhouse, control: robbed }), generation, definition, { replayBatch: 4 });
    await Promise.race([next.ended, until(() => caughtUp(catalog, bench.log, generation), 'the generation has caught up')]);
    expect(next.events.some(({ kind }) => kind === 'fenced')).toBe(true);
    await next.stop();
    expect(await readModelRows(clickhouse, { ...definition.model, name: generation.table })).toEqual(await expectedRows(definition));
  });

  it('provisions nothing that is there, and what was dropped again', async () => {
    const { generation } = await newApp(definitionOf(CustomerDaily));
    const store = new ClickHouseReadModelStore({ clickhouse, control: control() });
    const command = jest.spyOn(clickhouse, 'command');
    const rows = jest.spyOn(clickhouse, 'rows');
    await store.provision(generation);
    const asked = rows.mock.calls.length;
    const made = command.mock.calls.length;
    rows.mockRestore();
    command.mockRestore();
    expect([made, asked]).toEqual([0, 1]);
    for (const dropped of [`VIEW ${qualified(clickhouse.database, generation.table)}`, `TABLE ${qualified(clickhouse.database, rowsTable(generation))} SYNC`]) {
      await clickhouse.command(`DROP ${dropped}`);
      await store.provision(generation);
      await store.open(generation);
      await clickhouse.rows(`SELECT * FROM ${qualified(clickhouse.database, generation.table)}`);
    }
  });

  it('looks up no group that its owner writes, though its partitions are days apart', async () => {
    const definition = definitionOf(CustomerDaily);
    const placed = orders.filter((event) => event instanceof OrderPlaced);
    const positions = await (await memoryBench(2)).log.append(placed.map((event) => bench.serde.encode(event)));
    await bench.append(placed.map((event, i) => new OrderPlaced(event.orderId, event.customerId, event.amount, day(1 + positions[i]!.partition * 20))));
    const { catalog, generation } = await newApp(definition);
    const rows = jest.spyOn(clickhouse, 'rows');
    const running = startRunner(bench, new ClickHouseReadModelStore({ clickhouse, control: control() }), generation, definition, { replayBatch: 15 });
    await until(() => caughtUp(catalog, bench.log, generation), 'the generation has caught up');
    await running.stop();
    const lookedUp = rows.mock.calls.filter(([sql]) => sql.includes(rowsTable(generation)) && sql.includes('LIMIT 1 BY'));
    rows.mockRestore();
    expect(running.events.filter(({ kind }) => kind === 'committed').length).toBeGreaterThan(2);
    expect(lookedUp).toEqual([]);
  });

  it('refuses a table that was made for another generation of the same name', async () => {
    const definition = definitionOf(OrderSummary);
    await bench.append(history);
    const { generation } = await newApp(definition);
    const store = new ClickHouseReadModelStore({ clickhouse, control: control() });
    await store.provision(generation); // again, as after a crash
    const elsewhere = new PostgresCatalog({ pool, app: 'an application with a read model of this name' });
    await expect(buildGeneration(elsewhere, store, bench.log, definition)).rejects.toMatchObject({
      code: 'store.name-taken',
      facts: { name: `${clickhouse.database}.${rowsTable(generation)}` },
    });
    const [theirs] = await elsewhere.list();
    await expect(store.open(theirs!)).rejects.toMatchObject({ code: 'store.name-taken' });
    await store.open(generation);
    // The control schema made anew counts its generations from the beginning.
    await expect(store.open({ ...generation, createdAt: generation.createdAt + 1 })).rejects.toMatchObject({ code: 'store.name-taken' });
  });

  it('writes a batch as one block, and the same batch only once', async () => {
    const definition = definitionOf(OrderSummary);
    const { generation } = await newApp(definition);
    const stored = new StoredRows(clickhouse, writtenTables(generation)[0]);
    const block = blockOf(
      stored,
      Array.from({ length: 150_000 }, (_, i) => ({
        values: { order_id: `k${String(i)}`, customer_id: 'c', status: 'placed', amount: dec('1.00'), changed_at: day(1) },
        stamp: { topic: 'orders', partition: 0, offset: i },
        epoch: 1,
        deleted: false,
      })),
    );
    await clickhouse.command(`SYSTEM STOP MERGES ${qualified(clickhouse.database, rowsTable(generation))}`);
    await stored.insert(block, 'token');
    await stored.insert(block, 'token');
    const parts = `SELECT count(), sum(rows) FROM system.parts WHERE database = {database:String} AND table = {table:String} AND active`;
    expect(await clickhouse.rows(parts, { database: clickhouse.database, table: rowsTable(generation) })).toEqual([['1', '150000']]);
  });

  it('refuses values that ClickHouse would store otherwise, before anything is recorded', async () => {
    const definition = definitionOf(OrderSummary);
    await bench.append([new OrderPlaced('old', 'c', dec('1.00'), new Date('1850-01-01T00:00:00.000Z')), new OrderPlaced('new', 'c', dec('1.00'), day(1))]);
    const { catalog, generation } = await newApp(definition);
    const running = startRunner(bench, new ClickHouseReadModelStore({ clickhouse, control: control() }), generation, definition, { failures: 'stop' });
    await until(() => running.events.some(({ kind }) => kind === 'stopped'), 'a partition stopped');
    await running.stop();
    const stopped = (await catalog.checkpoints(generation.id)).flatMap(({ stoppedBy }) => stoppedBy ?? []);
    expect(stopped).toMatchObject([{ code: 'store.value-refused' }]);
  });
});
