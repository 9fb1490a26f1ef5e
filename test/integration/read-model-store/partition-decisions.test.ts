import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { MemoryCatalog } from '../../../src/projections/adapters/memory/control';
import { MemoryPartitionDecisions } from '../../../src/projections/adapters/memory/partition-decisions';
import { MemoryReadModelStore } from '../../../src/projections/adapters/memory/store';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { PostgresPartitionDecisions } from '../../../src/projections/adapters/postgres/partition-decisions';
import { readView } from '../../../src/projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import { partitionDecisionsSuite, type PartitionDecisionsUnderTest } from '../../conformance/partition-decisions.suite';
import { describeWithClickHouse, describeWithPostgres, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { holdAt, lateCount } from './control';

describe('decisions about partitions, in memory', () => {
  partitionDecisionsSuite(() => {
    const catalog = new MemoryCatalog({ app: 'shop' });
    const store = new MemoryReadModelStore({ catalog });
    return Promise.resolve({
      catalog,
      store,
      decisions: new MemoryPartitionDecisions({ catalog, store }),
      rows: (generation) => Promise.resolve(store.rows(generation.id)),
      hold: () => Promise.resolve(),
      lateCount: (generation) => Promise.resolve(store.late(generation.id).length),
      activate: ({ id }) => Promise.resolve(catalog.setStatus(id, 'active')),
      close: () => Promise.resolve(),
    });
  }, 15);
});

/** What both databases have in common: the control schema. */
const controlled = (pool: PostgresPool, app: string): Omit<PartitionDecisionsUnderTest, 'store' | 'rows' | 'close'> => ({
  catalog: new PostgresCatalog({ pool, app }),
  decisions: new PostgresPartitionDecisions({ pool, app }),
  hold: (generation, at) => holdAt(pool, generation, at),
  lateCount: (generation) => lateCount(pool, generation),
  activate: async ({ id }) => {
    await pool.query(`UPDATE refold.generations SET status = 'standby' WHERE generation_id = $1`, [id]);
  },
});

describeWithPostgres('decisions about partitions, in Postgres', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  let apps = 0;
  beforeAll(async () => {
    database = await freshDatabase('partition-decisions');
    pool = new PostgresPool({ url: database.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await pool.close();
    await database.drop();
  });
  partitionDecisionsSuite(() => {
    apps += 1;
    const viewSchema = `decisions_${String(apps)}`;
    return Promise.resolve({
      ...controlled(pool, `shop-${String(apps)}`),
      store: new PostgresReadModelStore({ pool, viewSchema }),
      rows: ({ table }, { model }) => readView(pool, viewSchema, { ...model, name: table }),
      close: () => Promise.resolve(),
    });
  }, 6);
});

describeWithClickHouse('decisions about partitions, in ClickHouse', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  let analytics: TestClickHouse[] = [];
  let apps = 0;
  beforeAll(async () => {
    database = await freshDatabase('partition-decisions-clickhouse');
    pool = new PostgresPool({ url: database.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await pool.close();
    await database.drop();
    await Promise.all(analytics.map((one) => one.drop()));
    analytics = [];
  });
  partitionDecisionsSuite(async () => {
    apps += 1;
    const own = await freshClickHouse(`decisions-${String(apps)}`);
    analytics.push(own);
    const clickhouse = new ClickHouse({ url: own.url });
    return {
      ...controlled(pool, `shop-${String(apps)}`),
      store: new ClickHouseReadModelStore({ clickhouse, control: new PostgresCheckpointControl(pool) }),
      rows: ({ table }, { model }) => readModelRows(clickhouse, { ...model, name: table }),
      close: () => clickhouse.close(),
    };
  }, 3);
});
