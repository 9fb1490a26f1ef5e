import { Decimal } from '../../../src/kernel/decimal';
import { RefoldError } from '../../../src/kernel/errors';
import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { qualified } from '../../../src/platform/clickhouse/quote';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { rowsTable } from '../../../src/projections/adapters/clickhouse/table';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { text } from '../../../src/projections/columns';
import type { ProjectionDefinition } from '../../../src/projections/definition';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, totals, until } from '../../support/harness';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { CustomerDaily, OrderErased, OrderPlaced, OrderSummary } from '../../support/shop';

const order = (i: number): object => new OrderPlaced(`o${String(i % 40)}`, `c${String(i % 3)}`, Decimal.parse('1.00'), new Date(Date.UTC(2026, 0, 2)));

/** The client, whose n-th inserts lose their answer, or never arrive. */
const faulty = (clickhouse: ClickHouse, fate: (insert: number) => 'lost answer' | 'lost' | undefined): ClickHouse => {
  let inserts = 0;
  const insert = async (...given: Parameters<ClickHouse['insert']>): Promise<void> => {
    inserts += 1;
    const met = fate(inserts);
    if (met !== 'lost') {
      await clickhouse.insert(...given);
    }
    if (met !== undefined) {
      throw new RefoldError('store.unreachable', 'the connection was cut');
    }
  };
  return new Proxy(clickhouse, {
    get: (target, name) => {
      const value: unknown = name === 'insert' ? insert : Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
};

describeWithClickHouse('the ClickHouse store under stress', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let pool: PostgresPool;
  let clickhouse: ClickHouse;
  let apps = 0;
  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('hardening'), freshClickHouse('hardening')]);
    pool = new PostgresPool({ url: database.url });
    clickhouse = new ClickHouse({ url: analytics.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await Promise.all([pool.close(), clickhouse.close()]);
    await Promise.all([database.drop(), analytics.drop()]);
  });

  const storeOver = (over: ClickHouse): ClickHouseReadModelStore =>
    new ClickHouseReadModelStore({ clickhouse: over, control: new PostgresCheckpointControl(pool) });
  const build = async (definition: ProjectionDefinition, events: readonly object[], partitions = 1) => {
    apps += 1;
    for (const [name, engine] of await clickhouse.rows('SELECT name, engine FROM system.tables WHERE database = {d:String}', { d: clickhouse.database })) {
      await clickhouse.command(`DROP ${engine === 'View' ? 'VIEW' : 'TABLE'} ${qualified(clickhouse.database, String(name))} SYNC`);
    }
    const bench = await memoryBench(partitions);
    await bench.append(events);
    const catalog = new PostgresCatalog({ pool, app: `hardening-${String(apps)}` });
    return { bench, catalog, generation: await buildGeneration(catalog, storeOver(clickhouse), bench.log, definition) };
  };

  it.each(['lost answer', 'lost'] as const)('an insert with a %s is given again with its token: no row twice, no claim, no fence', async (fate) => {
    const definition = definitionOf(CustomerDaily);
    const { bench, catalog, generation } = await build(
      definition,
      Array.from({ length: 60 }, (_, i) => order(i)),
    );
    await clickhouse.command(`SYSTEM STOP MERGES ${qualified(clickhouse.database, rowsTable(generation))}`);
    const broken = faulty(clickhouse, (insert) => (insert % 3 === 0 ? undefined : fate)); // each block comes through the third time
    const running = startRunner(bench, storeOver(broken), generation, definition, { replayBatch: 20 });
    await until(() => caughtUp(catalog, bench.log, generation), 'all is folded');
    await running.stop();
    expect(running.events.filter(({ kind }) => kind === 'assigned' || kind === 'fenced')).toHaveLength(1);
    const rows = await readModelRows(clickhouse, { ...definition.model, name: generation.table });
    expect(rows.reduce((sum, row) => sum + (row['orders'] as bigint), 0n)).toBe(60n);
    const [[stored]] = (await clickhouse.rows(`SELECT toUInt32(count()) FROM ${qualified(clickhouse.database, rowsTable(generation))}`)) as unknown as [
      [number],
    ];
    expect(stored).toBe(9); // 3 batches of 3 groups, each block once
    expect(totals(await catalog.checkpoints(generation.id))).toMatchObject({ read: 60, applied: 60 });
  });

  it('a batch whose rows are too large for one block is halved until they fit', async () => {
    const letters = readModel('letters', { order_id: text().key(), body: text() });
    const definition = definitionOf(
      projection({ name: 'letters', version: 1, into: letters }).on(OrderPlaced, (e) => ({ order_id: e.orderId, body: e.orderId.padEnd(3_000_000, 'x') })),
    );
    const { bench, catalog, generation } = await build(
      definition,
      Array.from({ length: 24 }, (_, i) => order(i)),
    );
    const sizes: number[] = [];
    const watched = new Proxy(clickhouse, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (name === 'insert') {
          return (...given: Parameters<ClickHouse['insert']>) => {
            sizes.push(Math.floor(given[2].reduce((sum, { length }) => sum + length, 0) / 3_000_000)); // rows
            return target.insert(...given);
          };
        }
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const running = startRunner(bench, storeOver(watched), generation, definition);
    await until(() => caughtUp(catalog, bench.log, generation), 'all is folded');
    await running.stop();
    expect(sizes).toEqual([6, 6, 6, 6]);
    expect(running.events.some(({ kind }) => kind === 'stopped')).toBe(false);
  });

  it('rows come, change and go, generations are compared and dropped without any mutation', async () => {
    const definition = definitionOf(OrderSummary);
    const erased = Array.from({ length: 20 }, (_, i) => new OrderErased(`o${String(i)}`));
    const { bench, catalog, generation } = await build(definition, [...Array.from({ length: 100 }, (_, i) => order(i)), ...erased], 2);
    const running = startRunner(bench, storeOver(clickhouse), generation, definition, { replayBatch: 10 });
    await until(() => caughtUp(catalog, bench.log, generation), 'all is folded');
    await running.stop();
    const store = storeOver(clickhouse);
    await store.copy(generation);
    await store.removeCopy(generation);
    const mutations = (): Promise<readonly unknown[]> =>
      clickhouse.rows('SELECT table, command FROM system.mutations WHERE database = {d:String}', { d: clickhouse.database });
    expect(await mutations()).toEqual([]);
    await clickhouse.command(`ALTER TABLE ${qualified(clickhouse.database, rowsTable(generation))} DELETE WHERE _deleted`); // it would be seen
    expect(await mutations()).toHaveLength(1);
    await store.remove(generation);
  });

  it('a log that ends before what was folded is refused before anything is read', async () => {
    const definition = definitionOf(OrderSummary);
    const { bench, catalog, generation } = await build(
      definition,
      Array.from({ length: 30 }, (_, i) => order(i)),
    );
    const running = startRunner(bench, storeOver(clickhouse), generation, definition);
    await until(() => caughtUp(catalog, bench.log, generation), 'all is folded');
    await running.stop();
    const older = await memoryBench(1);
    await older.append(Array.from({ length: 10 }, (_, i) => order(i)));
    const again = startRunner(older, storeOver(clickhouse), generation, definition);
    await expect(again.ended).rejects.toMatchObject({ code: 'store.ahead-of-log', facts: { topic: 'orders', partition: 0, next: 30, end: 10 } });
  });
});
