import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { acquireServices } from '../../src/app/services/services';
import { libraryFor } from '../../src/app/services/clickhouse/library';
import { connectServices } from '../../src/app/services/connection';
import { Releasers } from '../../src/kernel/lifecycle';
import { messageOf } from '../../src/kernel/errors';
import { startContainers } from './containers';

declare global {
  // The only way to hand something from the setup of jest to its teardown.
  var releaseTestServices: (() => Promise<void>) | undefined;
}

const SERVICES = ['postgres', 'kafka', 'clickhouse'] as const;
export type Service = (typeof SERVICES)[number];
export type Environment = Record<string, string | undefined>;

/** Variables by which the setup tells the workers what there is. */
export const TOLD = {
  postgres: 'REFOLD_TEST_POSTGRES_URL',
  kafka: 'REFOLD_TEST_KAFKA_BROKERS',
  clickhouse: 'REFOLD_TEST_CLICKHOUSE_URL',
  folder: 'REFOLD_TEST_FOLDER',
} as const;

/** Why a service is missing, by service; set only where it is. */
export const missingVariable = (service: Service): string => `REFOLD_TEST_NO_${service.toUpperCase()}`;

export type Verdict = { readonly run: true } | { readonly run: false; readonly required: boolean; readonly reason: string };

/** Whether a suite that needs a service can run, and whether it counts as a failure if not. */
export const verdictOn = (service: Service, environment: Environment): Verdict => {
  const reason = environment[missingVariable(service)];
  const required = (environment['REFOLD_REQUIRE_SERVICES'] ?? '').split(',').some((name) => name.trim() === service);
  return reason === undefined ? { run: true } : { run: false, required, reason };
};

/** `process.env` turns what is assigned into text, undefined too. */
const tell = (environment: Environment, name: string, value: string | undefined): void => {
  if (value === undefined || value === '') {
    delete environment[name];
  } else {
    environment[name] = value;
  }
};

const responds = (command: string, given: readonly string[]): boolean => {
  try {
    execFileSync(command, given, { stdio: 'ignore', timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
};

const kafkaLacks = (): string | undefined => {
  if (!responds('java', ['-version'])) {
    return 'java is not installed';
  }
  const fetched = fs.existsSync(path.join(__dirname, '..', '..', 'services', 'kafka', 'libs', 'pom.sha256'));
  return fetched || responds('mvn', ['-v']) ? undefined : 'the libraries of Kafka are not there and mvn is not installed';
};

const clickhouseLacks = (folder: string): string | undefined => {
  try {
    libraryFor(folder);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
};

/** Embedded PostgreSQL, and a connection that keeps the supervisor for what a test may ask for later. */
const prepareLocal = async (folder: string, environment: Environment, releasers: Releasers): Promise<void> => {
  const test = { fresh: false, ephemeral: true, durable: false } as const;
  const onDemand = { kafka: kafkaLacks, clickhouse: () => clickhouseLacks(folder) };
  for (const service of ['kafka', 'clickhouse'] as const) {
    if (environment[TOLD[service]] === undefined) {
      tell(environment, missingVariable(service), onDemand[service]());
    }
  }
  const kept = await connectServices(folder, { postgres: false, kafka: false, clickhouse: false, ...test });
  releasers.push(() => kept.release());
  if (environment[TOLD.postgres] === undefined) {
    try {
      const services = await acquireServices({ folder, want: { postgres: true }, environment: {}, ...test });
      releasers.push(() => services.release());
      tell(environment, TOLD.postgres, services.postgresUrl);
    } catch (error) {
      tell(environment, missingVariable('postgres'), messageOf(error));
    }
  }
};

/**
 * Chooses for each service in order: the address in the environment, a container where Docker answers, a local process.
 * Kafka and ClickHouse as local processes are started when the first test asks for it, so that a run without such tests does not wait.
 */
export const prepareServices = async (folder: string, environment: Environment): Promise<() => Promise<void>> => {
  const releasers = new Releasers();
  releasers.push(() => fs.rmSync(folder, { recursive: true, force: true }));
  tell(environment, TOLD.folder, folder);
  tell(environment, TOLD.postgres, environment['REFOLD_POSTGRES_URL']);
  tell(environment, TOLD.kafka, environment['REFOLD_KAFKA_BROKERS']);
  tell(environment, TOLD.clickhouse, environment['REFOLD_CLICKHOUSE_URL']);
  const wanted = SERVICES.filter((service) => environment[TOLD[service]] === undefined);
  if (wanted.length > 0 && responds('docker', ['info'])) {
    for (const [service, address] of Object.entries(await startContainers(wanted, releasers))) {
      tell(environment, TOLD[service as Service], address);
    }
  }
  await prepareLocal(folder, environment, releasers);
  return () => releasers.close();
};
