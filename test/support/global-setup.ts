import { mkdtemp, chmod } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { prepareServices } from './service-choice';

/** Before the first test: the services the tests may ask for, told to the workers by the environment. */
export default async function globalSetup(): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'refold-test-'));
  await chmod(folder, 0o711); // where the tests run as root, PostgreSQL runs as somebody else
  globalThis.releaseTestServices = await prepareServices(folder, process.env);
}
