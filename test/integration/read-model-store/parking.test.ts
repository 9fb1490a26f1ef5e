import { MemoryErrata } from '../../../src/events/adapters/memory/errata';
import { systemClock } from '../../../src/kernel/clock';
import { Decimal } from '../../../src/kernel/decimal';
import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { qualified } from '../../../src/platform/clickhouse/quote';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { MemoryCatalog } from '../../../src/projections/adapters/memory/control';
import { MemoryParkingLot } from '../../../src/projections/adapters/memory/parking-lot';
import { MemoryReadModelStore } from '../../../src/projections/adapters/memory/store';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { PostgresParkingLot } from '../../../src/projections/adapters/postgres/parking-lot';
import { readView } from '../../../src/projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import type { CheckpointControl } from '../../../src/projections/checkpoint-control';
import { redrive } from '../../../src/projections/engine/redrive';
import { chained } from '../../support/failing';
import { buildGeneration, caughtUp, memoryBench, startRunner, totals, until } from '../../support/harness';
import { OrderPlaced } from '../../support/shop';
import { parkingSuite, type ParkingUnderTest } from '../../conformance/parking.suite';
import { describeWithClickHouse, describeWithPostgres, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { holdAt, lateCount } from './control';

describe('events that cannot be folded, in memory', () => {
  parkingSuite(() => {
    const catalog = new MemoryCatalog({ app: 'shop' });
    const store = new MemoryReadModelStore({ catalog });
    return Promise.resolve({
      catalog,
      store,
      lot: new MemoryParkingLot(catalog, store),
      rows: (generation) => Promise.resolve(store.rows(generation.id)),
      hold: () => Promise.resolve(),
      lateCount: (generation) => Promise.resolve(store.late(generation.id).length),
      retire: ({ id }) => Promise.resolve(catalog.setStatus(id, 'retired')),
      activate: ({ id }) => Promise.resolve(catalog.setStatus(id, 'active')),
      close: () => Promise.resolve(),
    });
  });
});

/** What both databases have in common: the control schema. */
const controlled = (pool: PostgresPool, app: string): Pick<ParkingUnderTest, 'catalog' | 'lot' | 'hold' | 'lateCount' | 'retire' | 'activate'> => {
  const setStatus =
    (status: string) =>
    async ({ id }: { readonly id: number }): Promise<void> => {
      await pool.query('UPDATE refold.generations SET status = $2 WHERE generation_id = $1', [id, status]);
    };
  return {
    catalog: new PostgresCatalog({ pool, app }),
    lot: new PostgresParkingLot({ pool, app }),
    hold: (generation, at) => holdAt(pool, generation, at),
    lateCount: (generation) => lateCount(pool, generation),
    retire: setStatus('retired'),
    activate: setStatus('active'),
  };
};

describeWithPostgres('events that cannot be folded, in Postgres', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  let apps = 0;
  beforeAll(async () => {
    database = await freshDatabase('parking');
    pool = new PostgresPool({ url: database.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await pool.close();
    await database.drop();
  });
  parkingSuite(() => {
    apps += 1;
    const viewSchema = `parking_${String(apps)}`;
    return Promise.resolve({
      ...controlled(pool, `shop-${String(apps)}`),
      store: new PostgresReadModelStore({ pool, viewSchema }),
      rows: ({ table }, { model }) => readView(pool, viewSchema, { ...model, name: table }),
      close: () => Promise.resolve(),
    });
  });
});

describeWithClickHouse('events that cannot be folded, in ClickHouse', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let pool: PostgresPool;
  let clickhouse: ClickHouse;
  let apps = 0;
  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('parking-clickhouse'), freshClickHouse('parking')]);
    pool = new PostgresPool({ url: database.url });
    clickhouse = new ClickHouse({ url: analytics.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await Promise.all([pool.close(), clickhouse.close()]);
    await Promise.all([database.drop(), analytics.drop()]);
  });
  const dropTables = async (): Promise<void> => {
    const names = await clickhouse.rows('SELECT name FROM system.tables WHERE database = {database:String}', { database: clickhouse.database });
    for (const [name] of names) {
      await clickhouse.command(`DROP TABLE ${qualified(clickhouse.database, String(name))}`);
    }
  };
  parkingSuite(() => {
    apps += 1;
    return Promise.resolve({
      ...controlled(pool, `shop-${String(apps)}`),
      store: new ClickHouseReadModelStore({ clickhouse, control: new PostgresCheckpointControl(pool) }),
      rows: ({ table }, { model }) => readModelRows(clickhouse, { ...model, name: table }),
      close: dropTables,
    });
  });

  /** Dies when it has recorded an intent, or when the rows are written and the checkpoint is not moved. */
  const dying = (at: 'intend' | 'finish'): CheckpointControl => {
    const control = new PostgresCheckpointControl(pool);
    return new Proxy<CheckpointControl>(control, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (name === at) {
          return async (...given: Parameters<CheckpointControl['intend']>) => {
            await (at === 'intend' ? control.intend(...given) : Promise.resolve());
            throw new Error('this process is dead');
          };
        }
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  };

  it.each(['intend', 'finish'] as const)('a worker and then a redrive that die in %s leave every event folded once', async (at) => {
    const bench = await memoryBench(1);
    const order = (key: string, customer: string): object => new OrderPlaced(key, customer, Decimal.parse('1.00'), new Date(0));
    await bench.append([order('a', '1'), order('a', 'X'), order('b', '1'), order('a', '2')]);
    const mistake = { present: true };
    const definition = chained(mistake);
    const { catalog, lot } = controlled(pool, `dying-${at}`);
    const [store, mortal] = [new PostgresCheckpointControl(pool), dying(at)].map((control) => new ClickHouseReadModelStore({ clickhouse, control }));
    const generation = await buildGeneration(catalog, store!, bench.log, definition);
    await expect(startRunner(bench, mortal!, generation, definition).ended).rejects.toThrow('this process is dead');
    const fold = async (): Promise<void> => {
      const running = startRunner(bench, store!, generation, definition, { waitMs: 10 });
      await until(() => caughtUp(catalog, bench.log, generation), 'everything is read');
      await running.stop();
    };
    await fold();
    const [found] = await lot.list();
    expect(found!.parked).toMatchObject({ sequence: 'a', events: 2 });
    mistake.present = false;
    const decoder = bench.serde.decoder(definition.events, definition.reading);
    const parts = { generation, definition, log: bench.log, decoder, errata: new MemoryErrata(), clock: systemClock };
    await expect(redrive({ ...parts, store: mortal! }, found!.parked)).rejects.toThrow('this process is dead');
    await bench.append([order('a', '3')]);
    await fold();
    const rows = await readModelRows(clickhouse, { ...definition.model, name: generation.table });
    expect(rows.map((row) => [row['order_id'], row['customer_id']])).toEqual([
      ['a', '1X23'],
      ['b', '1'],
    ]);
    expect(await lot.list()).toEqual([]);
    expect(totals(await catalog.checkpoints(generation.id))).toMatchObject({ read: 5, applied: 5, parked: 0 });
    await dropTables();
  });
});
