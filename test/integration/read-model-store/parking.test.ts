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
});
