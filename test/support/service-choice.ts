import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { acquireServices } from '../../src/app/services/services';
import { messageOf } from '../../src/kernel/errors';

declare global {
  // eslint-disable-next-line no-var -- the only way to hand something from jest's setup to its teardown
  var releaseTestServices: (() => Promise<void>) | undefined;
}

/** Names of the variables by which the setup tells the workers what there is. */
export const TOLD = { postgresUrl: 'REFOLD_TEST_POSTGRES_URL', brokers: 'REFOLD_TEST_KAFKA_BROKERS', folder: 'REFOLD_TEST_FOLDER' } as const;

/** Why a service is missing, by service; set only where it is. */
export const missingVariable = (service: 'postgres' | 'kafka'): string => `REFOLD_TEST_NO_${service.toUpperCase()}`;

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
  const libraries = fs.existsSync(path.join(__dirname, '..', '..', 'services', 'kafka', 'libs'));
  return libraries || responds('mvn', ['-v']) ? undefined : 'the libraries of Kafka are not there and mvn is not installed';
};

/**
 * Chooses in order: an address from the environment, a container where Docker answers, a local process. PostgreSQL is
 * started here; Kafka when the first test asks for it, so that a run without Kafka tests does not wait for it.
 */
export const prepareServices = async (folder: string, environment: NodeJS.ProcessEnv): Promise<() => Promise<void>> => {
  environment[TOLD.folder] = folder;
  const lacks = environment['REFOLD_KAFKA_BROKERS'] ? undefined : kafkaLacks();
  if (lacks !== undefined) {
    environment[missingVariable('kafka')] = lacks;
  }
  try {
    const services = await acquireServices({ folder, want: { postgres: true }, environment, ephemeral: true, durable: false });
    environment[TOLD.postgresUrl] = services.postgresUrl;
    return async () => {
      await services.release();
      fs.rmSync(folder, { recursive: true, force: true });
    };
  } catch (error) {
    environment[missingVariable('postgres')] = messageOf(error);
    return async () => fs.rmSync(folder, { recursive: true, force: true });
  }
};
