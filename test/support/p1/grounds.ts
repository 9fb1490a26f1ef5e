import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { MemoryCatalog } from '../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../src/projections/adapters/memory/store';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { readView } from '../../../src/projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import { freshClickHouse, freshDatabase } from '../services';
import type { Ground } from './run';

export interface OpenGround {
  readonly ground: Ground;
  close(): Promise<void>;
}

export const inMemory = (): Promise<OpenGround> =>
  Promise.resolve({
    ground: {
      name: 'memory',
      storages: ['merged', 'partials', 'groups'],
      open: () => {
        const catalog = new MemoryCatalog({ app: 'p1' });
        const store = new MemoryReadModelStore({ catalog });
        return {
          catalog,
          store: () => store,
          rows: ({ id }) => Promise.resolve(store.rows(id)),
          late: ({ id }) => Promise.resolve(store.late(id).length),
        };
      },
    },
    close: () => Promise.resolve(),
  });

const lateIn =
  (pool: PostgresPool) =>
  async ({ id }: { readonly id: number }): Promise<number> =>
    (await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM refold.late_contributions WHERE generation_id = $1', [id])).rows[0]!.n;

export const inPostgres = async (): Promise<OpenGround> => {
  const database = await freshDatabase('p1');
  const pool = new PostgresPool({ url: database.url });
  await migrate(pool);
  return {
    ground: {
      name: 'postgres',
      storages: ['merged', 'partials', 'groups'],
      open: (run) => ({
        catalog: new PostgresCatalog({ pool, app: `p1-${String(run)}` }),
        store: () => new PostgresReadModelStore({ pool }),
        rows: ({ table, viewSchema }, { model }) => readView(pool, viewSchema, { ...model, name: table }),
        late: lateIn(pool),
      }),
    },
    close: async () => {
      await pool.close();
      await database.drop();
    },
  };
};

/** Its workers die between the steps of a batch too: intent, insert, checkpoint. */
export const inClickHouse = async (): Promise<OpenGround> => {
  const [database, analytics] = await Promise.all([freshDatabase('p1-clickhouse'), freshClickHouse('p1')]);
  const pool = new PostgresPool({ url: database.url });
  const clickhouse = new ClickHouse({ url: analytics.url });
  await migrate(pool);
  return {
    ground: {
      name: 'clickhouse',
      storages: ['partials', 'groups'],
      open: (run) => ({
        catalog: new PostgresCatalog({ pool, app: `p1-${String(run)}` }),
        store: (mortal) =>
          new ClickHouseReadModelStore({
            clickhouse: mortal(clickhouse, ['insert']),
            control: mortal(new PostgresCheckpointControl(pool), ['intend', 'finish', 'advance']),
          }),
        rows: ({ table }, { model }) => readModelRows(clickhouse, { ...model, name: table }),
        late: lateIn(pool),
      }),
    },
    close: async () => {
      await Promise.all([pool.close(), clickhouse.close()]);
      await Promise.all([database.drop(), analytics.drop()]);
    },
  };
};
