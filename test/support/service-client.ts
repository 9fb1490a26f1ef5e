import { readFileSync } from 'node:fs';
import { acquireServices } from '../../src/app/services/services';
import { isRefoldError } from '../../src/kernel/errors';

/**
 * A process that uses embedded services, for tests that kill it: service-client.ts FOLDER SERVICES. Prints one line of
 * JSON (its services, or the error) and then lives until its input ends.
 */
const main = async (folder: string, services: string): Promise<void> => {
  try {
    const want = { postgres: services.includes('postgres'), kafka: services.includes('kafka'), clickhouse: services.includes('clickhouse') };
    const { postgresUrl, kafkaBrokers, clickhouseUrl } = await acquireServices({ folder, want, durable: false, environment: {} });
    process.stdout.write(`${JSON.stringify({ postgresUrl, kafkaBrokers, clickhouseUrl })}\n`);
  } catch (error) {
    process.stdout.write(
      `${JSON.stringify(isRefoldError(error) ? { code: error.code, message: error.message, remedy: error.remedy } : { message: String(error) })}\n`,
    );
  }
  readFileSync(0); // blocks like an application that is busy: leaving must not need its event loop
};

const [folder = '', services = ''] = process.argv.slice(1);
void main(folder, services);
