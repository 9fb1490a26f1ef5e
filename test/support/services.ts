import { randomBytes } from 'node:crypto';
import { acquireServices, brokersOf } from '../../src/app/services/services';
import { RefoldError } from '../../src/kernel/errors';
import { PostgresPool } from '../../src/platform/postgres/pool';
import { identifier } from '../../src/platform/postgres/quote';
import { TOLD, missingVariable } from './service-choice';

type Service = 'postgres' | 'kafka';

export interface TestDatabase {
  readonly url: string;
  /** Ends what is still connected and removes the database. */
  drop(): Promise<void>;
}

const isRequired = (service: Service): boolean => (process.env['REFOLD_REQUIRE_SERVICES'] ?? '').split(',').some((name) => name.trim() === service);

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
  const pool = new PostgresPool({ url: told(TOLD.postgresUrl, 'postgres'), max: 1, applicationName: 'refold tests' });
  try {
    await work(pool);
  } finally {
    await pool.close();
  }
};

/** An empty database for one test file; `name` shows in the list of databases. */
export const freshDatabase = async (name: string): Promise<TestDatabase> => {
  const database = `${name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, 40)}_${randomBytes(5).toString('hex')}`;
  await asAdministrator(async (pool) => {
    await pool.query(`CREATE DATABASE ${identifier(database)}`);
  });
  return {
    url: withDatabase(told(TOLD.postgresUrl, 'postgres'), database),
    drop: () =>
      asAdministrator(async (pool) => {
        await pool.query(`DROP DATABASE IF EXISTS ${identifier(database)} WITH (FORCE)`);
      }),
  };
};

let brokers: Promise<readonly string[]> | undefined;

/** Addresses of the broker; started for the whole run by the first test file that asks (4 to 8 s). */
export const kafkaBrokers = async (): Promise<string[]> => {
  brokers ??= acquireServices({ folder: told(TOLD.folder, 'kafka'), want: { kafka: true }, ephemeral: true, durable: false }).then(
    (services) => services.kafkaBrokers ?? [],
  );
  return [...(brokersOf(process.env[TOLD.brokers]) ?? (await brokers))];
};

const describeWith = (service: Service, name: string, define: () => void): void => {
  const missing = process.env[missingVariable(service)];
  if (missing === undefined) {
    describe(name, define);
    return;
  }
  if (isRequired(service)) {
    describe(name, () => {
      it(`needs ${service}`, () => {
        throw new RefoldError('service.unavailable', `${service} is required by REFOLD_REQUIRE_SERVICES and missing: ${missing}`);
      });
    });
    return;
  }
  process.stderr.write(`\n*** SKIPPED, no ${service}: ${name} (${missing}) ***\n`);
  describe.skip(name, define);
};

/** A suite that needs PostgreSQL: skipped loudly where there is none, failed where `REFOLD_REQUIRE_SERVICES` lists it. */
export const describeWithPostgres = (name: string, define: () => void): void => describeWith('postgres', name, define);

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
      const url = process.env[TOLD.postgresUrl];
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
