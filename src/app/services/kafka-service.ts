import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RefoldError } from '../../kernel/errors';
import { readJson, removeTree, tailOf, writePrivately } from './files';
import { freePort } from './free-port';
import { fetchLibraries, kafkaFolder, librariesFolder } from './kafka-libraries';
import { brokerAnswers } from './kafka-metadata';
import type { RunningService, ServiceSurroundings } from './running-service';

const START_BOUND_MS = 90_000;
const STOP_BOUND_MS = 8_000;
/** A client compiler only and the simplest collector: ready sooner, and enough for one machine. */
const JVM = ['-Xms128m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'];

interface Ports {
  readonly port: number;
  readonly controllerPort: number;
}

interface Paths {
  readonly home: string;
  readonly data: string;
  readonly properties: string;
  readonly ports: string;
  readonly log: string;
}

const pathsIn = (home: string): Paths => ({
  home,
  data: path.join(home, 'data'),
  properties: path.join(home, 'server.properties'),
  ports: path.join(home, 'ports.json'),
  log: path.join(home, 'server.log'),
});

/** The settings with their `@NAMES@` filled in; backslashes are doubled as in every properties file. */
export const fillIn = (template: string, values: Readonly<Record<string, string | number>>): string =>
  template.replaceAll(/@([A-Z_]+)@/g, (whole, name: string) => (name in values ? String(values[name]).replaceAll('\\', '\\\\') : whole));

const java = (libraries: string, given: readonly string[], paths: Paths): ChildProcess => {
  const log = fs.openSync(paths.log, 'a', 0o600);
  try {
    return spawn('java', [...JVM, '-cp', path.join(libraries, '*'), ...given], { cwd: paths.home, stdio: ['ignore', log, log], windowsHide: true });
  } finally {
    fs.closeSync(log);
  }
};

const requireJava = (): void => {
  const run = spawnSync('java', ['-version'], { stdio: 'ignore', windowsHide: true });
  if (run.status !== 0) {
    throw new RefoldError('service.unavailable', 'kafka needs java, which was not found', {
      remedy: 'Install Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless), or give the address of a broker by REFOLD_KAFKA_BROKERS=host:port.',
    });
  }
};

const failed = (what: string, paths: Paths): RefoldError =>
  new RefoldError('service.unavailable', `kafka ${what}:\n${tailOf(paths.log)}`, {
    facts: { log: paths.log },
    remedy: 'Read the log; Kafka needs Java 17 or newer. Or give the address of a broker by REFOLD_KAFKA_BROKERS=host:port.',
  });

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** A cluster id is a UUID in 22 characters of URL-safe base64. */
const clusterId = (): string => randomBytes(16).toString('base64url').replace(/^-/, 'A');

const format = async (libraries: string, paths: Paths, around: ServiceSurroundings): Promise<void> => {
  const child = java(libraries, ['kafka.tools.StorageTool', 'format', '-t', clusterId(), '-c', paths.properties, '--ignore-formatted'], paths);
  const closed = new Promise<number | null>((resolve) => child.once('exit', resolve));
  around.started(child, 'SIGKILL', 0);
  if ((await closed) !== 0) {
    throw failed('could not prepare its data folder', paths);
  }
};

const ready = async (child: ChildProcess, port: number, paths: Paths): Promise<void> => {
  for (const deadline = Date.now() + START_BOUND_MS; Date.now() < deadline; await sleep(50)) {
    if (ended(child)) {
      throw failed('ended while starting', paths);
    }
    if (await brokerAnswers(port)) {
      return;
    }
  }
  throw failed(`did not answer within ${START_BOUND_MS} ms`, paths);
};

const choosePorts = async (paths: Paths): Promise<Ports> => {
  const before = readJson<Ports>(paths.ports);
  const port = await freePort(before?.port);
  for (;;) {
    const controllerPort = await freePort(before?.controllerPort);
    if (controllerPort !== port) {
      return { port, controllerPort };
    }
  }
};

const writeSettings = async (paths: Paths): Promise<Ports> => {
  const ports = await choosePorts(paths);
  const template = fs.readFileSync(path.join(kafkaFolder, 'server.properties.in'), 'utf8');
  fs.writeFileSync(paths.properties, fillIn(template, { PORT: ports.port, CONTROLLER_PORT: ports.controllerPort, DATA: paths.data }), { mode: 0o600 });
  writePrivately(paths.ports, ports);
  return ports;
};

/**
 * Starts one broker from the libraries of Maven Central, which are fetched the first time. The ports are kept from start to start if they are free.
 * @throws RefoldError `service.unavailable` with what to install, or with the end of the broker's log
 */
export const startKafka = async (around: ServiceSurroundings): Promise<RunningService> => {
  const libraries = librariesFolder(around.folder);
  await fetchLibraries(libraries);
  requireJava();
  const paths = pathsIn(path.join(around.folder, 'kafka'));
  if (around.fresh) {
    removeTree(paths.home);
  }
  fs.mkdirSync(paths.home, { recursive: true, mode: 0o755 });
  fs.rmSync(paths.log, { force: true });
  const { port } = await writeSettings(paths);
  if (!fs.existsSync(path.join(paths.data, 'meta.properties'))) {
    await format(libraries, paths, around);
  }
  const child = java(libraries, ['kafka.Kafka', paths.properties], paths);
  const record = around.started(child, 'SIGTERM', around.durable ? STOP_BOUND_MS : 0);
  await ready(child, port, paths);
  return { address: `127.0.0.1:${port}`, process: record, child };
};
