import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { qualified } from '../../../src/platform/clickhouse/quote';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { rowsTable } from '../../../src/projections/adapters/clickhouse/table';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { STAMPS, partialsSuite, unstamped, type PartialsUnderTest } from '../../conformance/partials.suite';
import { groupsSuite } from '../../conformance/groups.suite';
import { readModelStoreSuite } from '../../conformance/read-model-store.suite';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { holdAt, lateCount } from './control';

describeWithClickHouse('read models in ClickHouse', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let pool: PostgresPool;
  let clickhouse: ClickHouse;
  let apps = 0;
  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('clickhouse-store'), freshClickHouse('store')]);
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

  const make = (): Promise<PartialsUnderTest> => {
    apps += 1;
    const control = new PostgresCheckpointControl(pool);
    return Promise.resolve({
      catalog: new PostgresCatalog({ pool, app: `shop-${String(apps)}` }),
      store: new ClickHouseReadModelStore({ clickhouse, control }),
      rows: ({ table }, { model }) => readModelRows(clickhouse, { ...model, name: table }),
      stored: async (generation, { model }) => {
        const [rows, view] = [rowsTable(generation), `${generation.table}_stored`].map((name) => qualified(clickhouse.database, name));
        await clickhouse.command(`CREATE OR REPLACE VIEW ${view!} AS SELECT * FROM ${rows!} FINAL WHERE NOT _deleted`);
        const columns = [...STAMPS, ...model.columns];
        return unstamped(await readModelRows(clickhouse, { name: `${generation.table}_stored`, columns }));
      },
      hold: (generation, at) => holdAt(pool, generation, at),
      lateCount: (generation) => lateCount(pool, generation),
      close: dropTables,
    });
  };
  readModelStoreSuite(make);
  describe('with kept groups', () => {
    groupsSuite(make, { runs: 3 });
  });
  describe('as partials', () => {
    partialsSuite(make, { storages: ['partials'], runs: 3 });
  });
});
