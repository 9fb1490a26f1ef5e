import { randomBytes } from 'node:crypto';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { acquireServices, brokersOf, type AcquiredServices } from '../../src/app/services/services';
import { RefoldError } from '../../src/kernel/errors';
import { PostgresPool } from '../../src/platform/postgres/pool';
import { identifier } from '../../src/platform/postgres/quote';
import { TOLD, missingVariable, verdictOn, type Service } from './service-choice';

export interface TestDatabase {
  readonly url: string;
  /** Ends what is still connected and removes the database. */
  drop(): Promise<void>;
}

const told = (name: string, service: Service): string => {
  const value = process.env[name];
  if (value === undefined) {
    throw new RefoldError('service.unavailable', `the tests have no ${service}: ${process.env[missingVariable(service)] ?? 'run them through jest'}`);
  }
  return value;
};

const withDatabase = (url: string, database: string): string => {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.toString();
};

const asAdministrator = async (work: (pool: PostgresPool) => Promise<void>): Promise<void> => {
  const pool = new PostgresPool({ url: told(TOLD.postgres, 'postgres'), max: 1, applicationName: 'refold tests' });
  try {
    await work(pool);
  } finally {
    await pool.close();
  }
};

const nameOfItsOwn = (name: string): string =>
  `${name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, 40)}_${randomBytes(5).toString('hex')}`;

/** An empty database for one test file; `name` shows in the list of databases. */
export const freshDatabase = async (name: string): Promise<TestDatabase> => {
  const database = nameOfItsOwn(name);
  await asAdministrator(async (pool) => {
    await pool.query(`CREATE DATABASE ${identifier(database)}`);
  });
  return {
    url: withDatabase(told(TOLD.postgres, 'postgres'), database),
    drop: () =>
      asAdministrator(async (pool) => {
        await pool.query(`DROP DATABASE IF EXISTS ${identifier(database)} WITH (FORCE)`);
      }),
  };
};

/** It goes on after the release because the setup of the run keeps its supervisor. */
const startOnDemand = async (service: 'kafka' | 'clickhouse'): Promise<AcquiredServices> => {
  const services = await acquireServices({
    folder: told(TOLD.folder, service),
    want: { [service]: true },
    environment: {},
    ephemeral: true,
    durable: false,
  });
  await services.release();
  return services;
};

const startBroker = async (): Promise<readonly string[]> => (await startOnDemand('kafka')).kafkaBrokers ?? [];

let broker: Promise<readonly string[]> | undefined;

/** Addresses of the broker; a local one is started for the whole run by the first test file that asks (3 to 8 s). */
export const kafkaBrokers = async (): Promise<string[]> => [...(brokersOf(process.env[TOLD.kafka]) ?? (await (broker ??= startBroker())))];

const startClickHouse = async (): Promise<string> => (await startOnDemand('clickhouse')).clickhouseUrl ?? '';

let clickhouse: Promise<string> | undefined;

/** Address of ClickHouse; a local one is started for the whole run by the first test file that asks (half a second). */
export const clickhouseUrl = async (): Promise<string> => process.env[TOLD.clickhouse] ?? (await (clickhouse ??= startClickHouse()));

export interface TestClickHouse {
  /** Names the database in its path, as the client reads it. */
  readonly url: string;
  readonly database: string;
  /** Of this database; closed by `drop`. */
  readonly client: ClickHouseClient;
  drop(): Promise<void>;
}

/** An empty database in ClickHouse for one test file. */
export const freshClickHouse = async (name: string): Promise<TestClickHouse> => {
  const database = nameOfItsOwn(name);
  const server = await clickhouseUrl();
  const administrator = createClient({ url: server });
  await administrator.command({ query: `CREATE DATABASE ${database}` });
  await administrator.close();
  const url = withDatabase(server, database);
  const client = createClient({ url });
  const drop = async (): Promise<void> => {
    await client.command({ query: `DROP DATABASE IF EXISTS ${database} SYNC` });
    await client.close();
  };
  return { url, database, client, drop };
};

const describeWith = (service: Service, name: string, define: () => void): void => {
  const verdict = verdictOn(service, process.env);
  if (verdict.run) {
    describe(name, define);
  } else if (verdict.required) {
    describe(name, () => {
      it(`needs ${service}`, () => {
        throw new RefoldError('service.unavailable', `${service} is required by REFOLD_REQUIRE_SERVICES and missing: ${verdict.reason}`);
      });
    });
  } else {
    process.stderr.write(`\n*** SKIPPED, no ${service}: ${name} (${verdict.reason}) ***\n`);
    describe.skip(name, define);
  }
};

/** A suite that needs PostgreSQL: skipped loudly where there is none, failed where `REFOLD_REQUIRE_SERVICES` lists it. */
export const describeWithPostgres = (name: string, define: () => void): void => describeWith('postgres', name, define);

/** A suite that needs ClickHouse; see `describeWithPostgres`. */
export const describeWithClickHouse = (name: string, define: () => void): void => describeWith('clickhouse', name, define);

const KAFKA_TURN = 7_351_001;

/**
 * A suite that needs Kafka. Such suites take turns by a lock in the test database: two at once on two cores make each
 * other's sessions time out.
 */
export const describeWithKafka = (name: string, define: () => void): void =>
  describeWith('kafka', name, () => {
    let turn: PostgresPool | undefined;
    let giveBack: (() => void) | undefined;
    beforeAll(async () => {
      await kafkaBrokers();
      const url = process.env[TOLD.postgres];
      if (url !== undefined) {
        turn = new PostgresPool({ url, max: 1, applicationName: `refold tests: ${name}`.slice(0, 60) });
        const ended = new Promise<void>((resolve) => (giveBack = resolve));
        await new Promise<void>((resolve, reject) => {
          void turn
            ?.session(async (sql) => {
              await sql.query('SELECT pg_advisory_lock($1)', [KAFKA_TURN]);
              resolve();
              await ended;
            })
            .catch(reject);
        });
      }
    }, 300_000);
    afterAll(async () => {
      giveBack?.();
      await turn?.close();
    });
    define();
  });
