import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RefoldError, messageOf } from '../../kernel/errors';
import { PostgresPool } from '../../platform/postgres/pool';
import { makePassable, readJson, removeTree, tailOf, writePrivately } from './files';
import { freePort } from './free-port';
import { reachableFolder, unprivilegedUser, type RunAs } from './placement';
import { usableBinaries } from './postgres-binaries';
import type { RunningService, ServiceSurroundings } from './running-service';

const START_BOUND_MS = 60_000;
/** After a fast shutdown was asked for; a busy server writes its last checkpoint in that time. */
const STOP_BOUND_MS = 20_000;
// Not named like the control schema: "$user" comes first in the search path, and would hide read models behind its tables.
const USER = 'postgres';

interface Cluster {
  readonly password: string;
  readonly port: number;
}

interface Paths {
  readonly home: string;
  readonly data: string;
  readonly cluster: string;
  readonly log: string;
}

const pathsIn = (home: string): Paths => ({
  home,
  data: path.join(home, 'data'),
  cluster: path.join(home, 'cluster.json'),
  log: path.join(home, 'server.log'),
});

const environment = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'], LC_ALL: 'C', SystemRoot: process.env['SystemRoot'] });

/** Settings of the server. `wal_level` is logical from the start because changing it later needs a restart. */
export const serverSettings = (port: number, durable: boolean): readonly string[] =>
  Object.entries({
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    wal_level: 'logical',
    max_connections: 200,
    shared_buffers: '256MB',
    max_wal_size: '2GB',
    synchronous_commit: 'on',
    fsync: durable ? 'on' : 'off',
    full_page_writes: durable ? 'on' : 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_min_messages: 'warning',
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);

const initialise = (native: string, paths: Paths, user: RunAs | undefined): void => {
  const draft = `${paths.data}.draft`;
  const secret = `${paths.home}/secret`;
  const password = randomBytes(24).toString('hex');
  removeTree(draft);
  fs.mkdirSync(draft, { mode: 0o700 });
  fs.writeFileSync(secret, password, { mode: 0o600 });
  try {
    if (user !== undefined) {
      fs.chownSync(draft, user.uid, user.gid);
      fs.chownSync(secret, user.uid, user.gid);
    }
    const given = ['-D', draft, '-U', USER, '-A', 'scram-sha-256', `--pwfile=${secret}`, '-E', 'UTF8', '--locale=C', '--locale-provider=builtin'];
    const run = spawnSync(path.join(native, 'bin', 'initdb'), [...given, '--builtin-locale=C.UTF-8', '--no-sync'], {
      ...user,
      cwd: paths.home,
      env: environment(),
      encoding: 'utf8',
    });
    if (run.status !== 0) {
      throw new RefoldError('service.unavailable', `initdb failed: ${run.error?.message ?? `${run.stderr}${run.stdout}`.trim()}`, {
        facts: { folder: paths.home },
      });
    }
  } finally {
    fs.rmSync(secret, { force: true });
  }
  writePrivately(paths.cluster, { password, port: 0 } satisfies Cluster);
  fs.renameSync(draft, paths.data);
};

const answers = async (url: string): Promise<unknown> => {
  const pool = new PostgresPool({ url, max: 1, applicationName: 'refold supervisor' });
  try {
    await pool.query('SELECT 1');
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await pool.close();
  }
};

/** Until it answers, or undefined once it ended by itself. */
const ready = async (child: ChildProcess, url: string, log: string): Promise<boolean> => {
  let last: unknown;
  for (const deadline = Date.now() + START_BOUND_MS; Date.now() < deadline; await sleep(25)) {
    if (child.exitCode !== null || child.signalCode !== null) {
      return false;
    }
    last = await answers(url);
    if (last === undefined) {
      return true;
    }
  }
  throw new RefoldError('service.unavailable', `PostgreSQL did not answer within ${START_BOUND_MS} ms: ${messageOf(last)}\n${tailOf(log)}`, { facts: { log } });
};

const attempt = async (
  native: string,
  paths: Paths,
  user: RunAs | undefined,
  port: number,
  around: ServiceSurroundings,
): Promise<RunningService | undefined> => {
  const cluster = readJson<Cluster>(paths.cluster);
  if (cluster === undefined) {
    throw new RefoldError('service.unavailable', `the password of the PostgreSQL cluster is lost: ${paths.cluster} cannot be read`, {
      remedy: `Restore that file, or remove ${paths.home} to begin with an empty database.`,
    });
  }
  writePrivately(paths.cluster, { ...cluster, port } satisfies Cluster);
  const log = fs.openSync(paths.log, 'w', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(path.join(native, 'bin', 'postgres'), ['-D', paths.data, ...serverSettings(port, around.durable)], {
      ...user,
      cwd: paths.home,
      env: environment(),
      stdio: ['ignore', log, log], // a file, so that the server does not depend on a reader
      windowsHide: true,
    });
  } finally {
    fs.closeSync(log);
  }
  const record = around.started(child, 'SIGINT', STOP_BOUND_MS);
  const url = `postgres://${USER}:${cluster.password}@127.0.0.1:${port}/postgres`;
  return (await ready(child, url, paths.log)) ? { address: url, process: record, child } : undefined;
};

/**
 * Starts PostgreSQL from the binaries of npm; makes the database cluster the first time. The port is kept from start to start if it is free.
 * @throws RefoldError `service.unavailable`
 */
export const startPostgres = async (around: ServiceSurroundings): Promise<RunningService> => {
  const user = unprivilegedUser();
  const base = reachableFolder(around.folder, user);
  if (base !== around.folder) {
    around.alsoUses(base);
  }
  const native = usableBinaries(base, user);
  const paths = pathsIn(path.join(base, 'postgres'));
  if (around.fresh) {
    removeTree(paths.home);
  }
  makePassable(paths.home);
  if (!fs.existsSync(path.join(paths.data, 'PG_VERSION'))) {
    initialise(native, paths, user);
  }
  for (const deadline = Date.now() + START_BOUND_MS; ; await sleep(100)) {
    const service = await attempt(native, paths, user, await freePort(readJson<Cluster>(paths.cluster)?.port || undefined), around);
    if (service !== undefined) {
      return service;
    }
    // Backends of a killed server hold its shared memory for a moment; a port may have been taken since it was found free.
    const log = tailOf(paths.log);
    if (!/shared memory block|Address already in use|could not create any TCP|lock file/.test(log) || Date.now() > deadline) {
      throw new RefoldError('service.unavailable', `PostgreSQL ended while starting:\n${log}`, { facts: { log: paths.log } });
    }
  }
};
