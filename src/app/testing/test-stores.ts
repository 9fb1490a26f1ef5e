import { randomBytes } from 'node:crypto';
import { Releasers } from '../../kernel/lifecycle';
import { ClickHouse } from '../../platform/clickhouse/client';
import { identifier as clickHouseIdentifier } from '../../platform/clickhouse/quote';
import { migrate } from '../../platform/postgres/migrate';
import { PostgresPool } from '../../platform/postgres/pool';
import { identifier } from '../../platform/postgres/quote';
import type { EventLog } from '../../events/event-log';
import { readModelRows } from '../../projections/adapters/clickhouse/reader';
import { ClickHouseReadModelStore } from '../../projections/adapters/clickhouse/store';
import { MemoryCatalog } from '../../projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../projections/adapters/memory/store';
import { PostgresCatalog } from '../../projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../projections/adapters/postgres/checkpoint-control';
import { readView } from '../../projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../projections/adapters/postgres/store';
import type { ProjectionDefinition } from '../../projections/definition';
import type { Generation, GenerationCatalog, StoreKind } from '../../projections/generations';
import { newGeneration } from '../../projections/new-generation';
import type { GenerationStore, ReadModelStore } from '../../projections/read-model-store';
import { acquireServices } from '../services/services';

type Rows = readonly Readonly<Record<string, unknown>>[];

/** A read model that is built for one test. */
export interface Build {
  readonly generation: Generation;
  readonly opened: GenerationStore;
  /** As readers would see them. */
  rows(): Promise<Rows>;
}

/** Where tests keep read models. Close those that were opened. */
export interface TestStore extends AsyncDisposable {
  readonly kind: StoreKind;
  /** For the test kit: an empty read model of its own. */
  build(log: EventLog, definition: ProjectionDefinition): Promise<Build>;
  /** Removes everything that was made. */
  close(): Promise<void>;
}

interface Parts {
  readonly store: ReadModelStore;
  readonly catalog: GenerationCatalog;
  readonly rows: (generation: Generation, definition: ProjectionDefinition) => Promise<Rows>;
}

/** Every build belongs to an application of its own, so that none is in the way of another. */
const testStore = (kind: StoreKind, partsFor: (app: string) => Parts, close: () => Promise<void>): TestStore => {
  let builds = 0;
  return {
    kind,
    build: async (log, definition) => {
      builds += 1;
      const { store, catalog, rows } = partsFor(`test-${String(builds)}`);
      const { viewSchema } = store;
      const generation = await catalog.create(await newGeneration(log, definition, { store: kind, run: builds, viewSchema, firstBuild: true }));
      await store.provision(generation, definition);
      return { generation, opened: await store.open(generation, definition), rows: () => rows(generation, definition) };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
};

export const memoryTestStore = (): TestStore => {
  const partsFor = (app: string): Parts => {
    const catalog = new MemoryCatalog({ app });
    const store = new MemoryReadModelStore({ catalog });
    return { store, catalog, rows: ({ id }) => Promise.resolve(store.rows(id)) };
  };
  return testStore('memory', partsFor, () => Promise.resolve());
};

export interface TestServices {
  /**
   * `postgres://…` of a server on which a database may be made: the test's own, which goes with `close`.
   * @defaultValue `REFOLD_POSTGRES_URL`, else an embedded server is started
   */
  readonly postgresUrl?: string;
  /** `http://…` of a ClickHouse, for tests there; as `postgresUrl`. @defaultValue `REFOLD_CLICKHOUSE_URL`, else an embedded one is started */
  readonly clickhouseUrl?: string;
  /** Working folder of embedded services. @defaultValue `.refold` */
  readonly servicesFolder?: string;
}

const ownName = (): string => `refold_test_${randomBytes(6).toString('hex')}`;

const inDatabase = (url: string, database: string): string => {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.toString();
};

const addressesOf = async (given: TestServices, clickhouse: boolean, releasers: Releasers): Promise<{ postgresUrl: string; clickhouseUrl: string }> => {
  const services = await acquireServices({
    ...(given.servicesFolder === undefined ? {} : { folder: given.servicesFolder }),
    want: { postgres: given.postgresUrl === undefined, clickhouse: clickhouse && given.clickhouseUrl === undefined },
  });
  releasers.push(() => services.release());
  return { postgresUrl: given.postgresUrl ?? services.postgresUrl ?? '', clickhouseUrl: given.clickhouseUrl ?? services.clickhouseUrl ?? '' };
};

const ownPostgres = async (url: string, releasers: Releasers): Promise<PostgresPool> => {
  const database = ownName();
  const server = new PostgresPool({ url, max: 1, applicationName: 'refold test kit' });
  releasers.push(() => server.close());
  await server.query(`CREATE DATABASE ${identifier(database)}`);
  releasers.push(async () => void (await server.query(`DROP DATABASE IF EXISTS ${identifier(database)} WITH (FORCE)`)));
  const pool = new PostgresPool({ url: inDatabase(url, database), applicationName: 'refold test kit' });
  releasers.push(() => pool.close());
  await migrate(pool);
  return pool;
};

const ownClickHouse = async (url: string, releasers: Releasers): Promise<ClickHouse> => {
  const database = ownName();
  const server = new ClickHouse({ url, applicationName: 'refold test kit' });
  releasers.push(() => server.close());
  await server.command(`CREATE DATABASE ${clickHouseIdentifier(database)}`);
  releasers.push(() => server.command(`DROP DATABASE IF EXISTS ${clickHouseIdentifier(database)} SYNC`));
  const clickhouse = new ClickHouse({ url: inDatabase(url, database), applicationName: 'refold test kit' });
  releasers.push(() => clickhouse.close());
  return clickhouse;
};

const opening = async (work: (releasers: Releasers) => Promise<TestStore>): Promise<TestStore> => {
  const releasers = new Releasers();
  try {
    return await work(releasers);
  } catch (error) {
    await releasers.close();
    throw error;
  }
};

/** Read models in a PostgreSQL database of their own. @throws RefoldError `service.unavailable`, `store.*` */
export const postgresTestStore = (given: TestServices = {}): Promise<TestStore> =>
  opening(async (releasers) => {
    const { postgresUrl } = await addressesOf(given, false, releasers);
    const pool = await ownPostgres(postgresUrl, releasers);
    const store = new PostgresReadModelStore({ pool });
    const rows: Parts['rows'] = ({ table }, { model }) => readView(pool, store.viewSchema, { ...model, name: table });
    return testStore(
      'postgres',
      (app) => ({ store, catalog: new PostgresCatalog({ pool, app }), rows }),
      () => releasers.close(),
    );
  });

/** Read models in a ClickHouse database of their own, their checkpoints in a PostgreSQL one. @throws RefoldError `service.unavailable`, `store.*` */
export const clickHouseTestStore = (given: TestServices = {}): Promise<TestStore> =>
  opening(async (releasers) => {
    const { postgresUrl, clickhouseUrl } = await addressesOf(given, true, releasers);
    const pool = await ownPostgres(postgresUrl, releasers);
    const clickhouse = await ownClickHouse(clickhouseUrl, releasers);
    const store = new ClickHouseReadModelStore({ clickhouse, control: new PostgresCheckpointControl(pool) });
    const rows: Parts['rows'] = ({ table }, { model }) => readModelRows(clickhouse, { ...model, name: table });
    return testStore(
      'clickhouse',
      (app) => ({ store, catalog: new PostgresCatalog({ pool, app }), rows }),
      () => releasers.close(),
    );
  });
