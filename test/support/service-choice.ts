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

const SERVICES = ['postgres', 'kafka', 'clickhouse', 'registry'] as const;
export type Service = (typeof SERVICES)[number];
export type Environment = Record<string, string | undefined>;

/** Variables by which the setup tells the workers what there is. */
export const TOLD = {
  postgres: 'REFOLD_TEST_POSTGRES_URL',
  kafka: 'REFOLD_TEST_KAFKA_BROKERS',
  clickhouse: 'REFOLD_TEST_CLICKHOUSE_URL',
  registry: 'REFOLD_TEST_REGISTRY_URL',
  folder: 'REFOLD_TEST_FOLDER',
} as const;

/** Why a service is missing, by service; set only where it is. */
export const missingVariable = (service: Service): string => `REFOLD_TEST_NO_${service.toUpperCase()}`;

export type Verdict = { readonly run: true } | { readonly run: false; readonly required: boolean; readonly reason: string };

/** Whether what is missing counts as a failure: `REFOLD_REQUIRE_SERVICES` lists services, and tools such as promtool. */
export const isRequired = (name: string, environment: Environment): boolean =>
  (environment['REFOLD_REQUIRE_SERVICES'] ?? '').split(',').some((listed) => listed.trim() === name);

/** Whether a suite that needs a service can run, and whether it counts as a failure if not. */
export const verdictOn = (service: Service, environment: Environment): Verdict => {
  const reason = environment[missingVariable(service)];
  return reason === undefined ? { run: true } : { run: false, required: isRequired(service, environment), reason };
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

/** What has to be there once it was fetched, by service that runs on Java. */
const FETCHED = { kafka: ['kafka', 'libs', 'pom.sha256'], registry: ['registry', 'app', 'archive.sha256'] } as const;

const lacks = (service: keyof typeof FETCHED): string | undefined => {
  if (!responds('java', ['-version'])) {
    return 'java is not installed';
  }
  const fetched = fs.existsSync(path.join(__dirname, '..', '..', 'services', ...FETCHED[service]));
  return fetched || responds('mvn', ['-v']) ? undefined : `${service} was not fetched yet and mvn is not installed`;
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
  const onDemand = { kafka: () => lacks('kafka'), registry: () => lacks('registry'), clickhouse: () => clickhouseLacks(folder) };
  for (const service of ['kafka', 'registry', 'clickhouse'] as const) {
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
 * Kafka, ClickHouse and the registry as local processes are started when the first test asks for them, so that a run without such tests does not wait.
 */
export const prepareServices = async (folder: string, environment: Environment): Promise<() => Promise<void>> => {
  const releasers = new Releasers();
  releasers.push(() => fs.rmSync(folder, { recursive: true, force: true }));
  tell(environment, TOLD.folder, folder);
  tell(environment, TOLD.postgres, environment['REFOLD_POSTGRES_URL']);
  tell(environment, TOLD.kafka, environment['REFOLD_KAFKA_BROKERS']);
  tell(environment, TOLD.registry, environment['REFOLD_REGISTRY_URL']);
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
