import { execFile, spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { RefoldError, messageOf } from '../../kernel/errors';
import { packageRoot, removeTree, tailOf } from './files';
import { freePort } from './free-port';
import type { RunningService, ServiceSurroundings } from './running-service';

const START_BOUND_MS = 120_000;
/** A client compiler only and the simplest collector: ready sooner, and enough for one machine. */
const JVM = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
const REMEDY = 'Read the log; Apicurio needs Java 17 or newer. Or give the address of a registry by REFOLD_REGISTRY_URL.';

const recipe = path.join(packageRoot, 'services', 'registry');

const unavailable = (what: string, log?: string): RefoldError =>
  new RefoldError('service.unavailable', `the schema registry ${what}`, { facts: { log }, remedy: REMEDY });

const fetchInto = async (home: string): Promise<void> => {
  try {
    await promisify(execFile)(process.execPath, [path.join(recipe, 'fetch-registry.mjs'), home], { windowsHide: true });
  } catch (error) {
    throw unavailable(`could not be fetched: ${(error as { readonly stderr?: string }).stderr?.trim() || messageOf(error)}`);
  }
};

/** For clients and for management. */
const choosePorts = async (): Promise<readonly [number, number]> => {
  const port = await freePort();
  for (;;) {
    const managementPort = await freePort();
    if (managementPort !== port) {
      return [port, managementPort];
    }
  }
};

/** Both listeners are bound to this machine; by default the one for management is open to all. */
const settings = (port: number, managementPort: number): readonly string[] => [
  '-Dquarkus.http.host=127.0.0.1',
  `-Dquarkus.http.port=${String(port)}`,
  '-Dquarkus.management.host=127.0.0.1',
  `-Dquarkus.management.port=${String(managementPort)}`,
  '-Dapicurio.rules.global.compatibility=BACKWARD',
];

const answers = async (address: string): Promise<boolean> => {
  try {
    return (await fetch(`${address}/subjects`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
};

const ready = async (child: ChildProcess, address: string, log: string): Promise<void> => {
  for (const deadline = Date.now() + START_BOUND_MS; Date.now() < deadline; await sleep(100)) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw unavailable(`ended while starting:\n${tailOf(log)}`, log);
    }
    if (await answers(address)) {
      return;
    }
  }
  throw unavailable(`did not answer within ${String(START_BOUND_MS)} ms:\n${tailOf(log)}`, log);
};

/**
 * Starts a registry with the Confluent API for tests: Apicurio from Maven Central, fetched the first time. It keeps
 * everything in memory.
 * @throws RefoldError `service.unavailable`
 */
export const startRegistry = async (around: ServiceSurroundings): Promise<RunningService> => {
  const app = path.join(recipe, 'app');
  await fetchInto(app);
  const home = path.join(around.folder, 'registry');
  removeTree(home);
  fs.mkdirSync(home, { recursive: true, mode: 0o755 });
  const log = path.join(home, 'server.log');
  const [port, managementPort] = await choosePorts();
  const output = fs.openSync(log, 'a', 0o600);
  const child = spawn('java', [...JVM, ...settings(port, managementPort), '-jar', path.join(app, 'runner.jar')], {
    cwd: home,
    stdio: ['ignore', output, output],
    windowsHide: true,
  });
  fs.closeSync(output);
  const process = around.started(child, 'SIGTERM', 0);
  const address = `http://127.0.0.1:${String(port)}/apis/ccompat/v7`;
  await ready(child, address, log);
  return { address, process, child };
};
