import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { qualified } from '../../../src/platform/clickhouse/quote';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { isByStreamTime, streamTimeTable } from '../../../src/projections/adapters/clickhouse/published';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { MemoryCatalog } from '../../../src/projections/adapters/memory/control';
import { MemoryPartitionDecisions } from '../../../src/projections/adapters/memory/partition-decisions';
import { MemoryReadModelStore } from '../../../src/projections/adapters/memory/store';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { PostgresLateBook } from '../../../src/projections/adapters/postgres/late-book';
import { PostgresPartitionDecisions } from '../../../src/projections/adapters/postgres/partition-decisions';
import { readView } from '../../../src/projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import type { Generation } from '../../../src/projections/generations';
import { until } from '../../support/harness';
import { publicationSuite, type PublicationUnderTest } from '../../conformance/publication.suite';
import { describeWithClickHouse, describeWithPostgres, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { lateCount } from './control';

describe('what readers see, in memory', () => {
  publicationSuite(() => {
    const catalog = new MemoryCatalog({ app: 'shop' });
    const store = new MemoryReadModelStore({ catalog });
    return Promise.resolve({
      catalog,
      store,
      rows: ({ id }) => Promise.resolve(store.rows(id)),
      partitions: new MemoryPartitionDecisions({ catalog, store }),
      decideReadmission: ({ since = -Infinity, before = Infinity }) => {
        store
          .late(1)
          .filter(({ eventTime }) => since <= eventTime && eventTime < before)
          .forEach(({ topic, partition, offset }) => {
            store.decide({ kind: 'readmit', topic, partition, offset, facts: {} });
          });
        return Promise.resolve();
      },
      lateCount: ({ id }) => Promise.resolve(store.late(id).length),
      activate: ({ id }) => Promise.resolve(catalog.setStatus(id, 'active')),
      settled: () => Promise.resolve(),
      growing: false,
      close: () => Promise.resolve(),
    });
  });
});

/** What both databases have in common: the control schema. */
const controlled = (
  pool: PostgresPool,
  app: string,
): Pick<PublicationUnderTest, 'catalog' | 'partitions' | 'decideReadmission' | 'lateCount' | 'activate'> => ({
  catalog: new PostgresCatalog({ pool, app }),
  partitions: new PostgresPartitionDecisions({ pool, app }),
  decideReadmission: (filter) => new PostgresLateBook({ pool, app }).decide({ ...filter, by: 'test', reason: 'the clock was wrong' }),
  lateCount: (generation) => lateCount(pool, generation),
  activate: async ({ id }) => void (await pool.query(`UPDATE refold.generations SET status = 'active' WHERE generation_id = $1`, [id])),
});

describeWithPostgres('what readers see, in Postgres', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  let apps = 0;
  beforeAll(async () => {
    database = await freshDatabase('publication');
    pool = new PostgresPool({ url: database.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await pool.close();
    await database.drop();
  });
  publicationSuite(() => {
    apps += 1;
    const viewSchema = `publication_${String(apps)}`;
    return Promise.resolve({
      ...controlled(pool, `shop-${String(apps)}`),
      store: new PostgresReadModelStore({ pool, viewSchema }),
      growing: true,
      settled: () => Promise.resolve(),
      rows: ({ table }, { model }) => readView(pool, viewSchema, { ...model, name: table }),
      close: () => Promise.resolve(),
    });
  });
});

describeWithClickHouse('what readers see, in ClickHouse', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let pool: PostgresPool;
  let clickhouse: ClickHouse;
  let apps = 0;
  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('publication-clickhouse'), freshClickHouse('publication')]);
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
  /** What a commit lets readers see it does a moment after the checkpoint has moved. */
  const settled = async (generation: Generation): Promise<void> => {
    const control = new PostgresCheckpointControl(pool);
    const name = qualified(clickhouse.database, streamTimeTable(generation));
    await until(async () => {
      const streamTime = isByStreamTime(generation) ? await control.streamTime(generation) : undefined;
      return streamTime === undefined || (await clickhouse.rows(`SELECT toString(max(_version)) FROM ${name}`))[0]![0] === String(streamTime);
    }, 'readers see what the checkpoints say');
  };
  publicationSuite(() => {
    apps += 1;
    return Promise.resolve({
      ...controlled(pool, `shop-${String(apps)}`),
      store: new ClickHouseReadModelStore({ clickhouse, control: new PostgresCheckpointControl(pool) }),
      growing: true,
      settled,
      rows: ({ table }, { model }) => readModelRows(clickhouse, { ...model, name: table }),
      close: dropTables,
    });
  });
});
