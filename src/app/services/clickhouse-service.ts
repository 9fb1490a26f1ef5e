import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RefoldError, messageOf } from '../../kernel/errors';
import type { BridgeAccess } from './clickhouse/bridge';
import { CANNOT_OPEN, THREADS } from './clickhouse/engine';
import { libraryFor } from './clickhouse/library';
import { readJson, removeTree, tailOf, writePrivately } from './files';
import { freePort } from './free-port';
import { launch } from './launch';
import type { RunningService, ServiceSurroundings } from './running-service';

const START_BOUND_MS = 60_000;
/** For what passes by itself within moments. */
const REPEAT_BOUND_MS = 5_000;
/** Queries are killed at once; a merge in work may take a moment. */
const STOP_BOUND_MS = 10_000;

const USER = 'default';

interface Paths {
  readonly home: string;
  readonly access: string;
  readonly log: string;
}

const pathsIn = (home: string): Paths => ({ home, access: path.join(home, 'access.json'), log: path.join(home, 'server.log') });

const failed = (what: string, paths: Paths): RefoldError =>
  new RefoldError('service.unavailable', `clickhouse ${what}:\n${tailOf(paths.log)}`, {
    facts: { log: paths.log },
    remedy: 'Read the log, or give the address of a server by REFOLD_CLICKHOUSE_URL.',
  });

/** With its password, which nobody else's server on that port would take. */
const answers = async ({ password, port }: BridgeAccess): Promise<unknown> => {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/?query=SELECT+1`, {
      headers: { 'X-ClickHouse-User': USER, 'X-ClickHouse-Key': password },
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    return response.ok && text === '1\n' ? undefined : text;
  } catch (error) {
    return messageOf(error);
  }
};

/** Until it answers, or false once it ended by itself. */
const ready = async (child: ChildProcess, access: BridgeAccess, paths: Paths): Promise<boolean> => {
  for (const deadline = Date.now() + START_BOUND_MS; Date.now() < deadline; await sleep(25)) {
    if (child.exitCode !== null || child.signalCode !== null) {
      return false;
    }
    if ((await answers(access)) === undefined) {
      return true;
    }
  }
  throw failed(`did not answer within ${START_BOUND_MS} ms`, paths);
};

const attempt = async (library: string, paths: Paths, around: ServiceSurroundings): Promise<RunningService | undefined> => {
  const before = readJson<BridgeAccess>(paths.access);
  const access: BridgeAccess = { password: before?.password ?? randomBytes(24).toString('hex'), port: await freePort(before?.port) };
  writePrivately(paths.access, access);
  const log = fs.openSync(paths.log, 'w', 0o600);
  let child: ChildProcess;
  try {
    child = launch('clickhouse/bridge', {
      arguments: [paths.home, library],
      stdio: ['ignore', log, log],
      detached: false,
      cwd: paths.home,
      env: { UV_THREADPOOL_SIZE: String(THREADS) },
    });
  } finally {
    fs.closeSync(log);
  }
  const record = around.started(child, 'SIGTERM', around.durable ? STOP_BOUND_MS : 0);
  const address = `http://${USER}:${access.password}@127.0.0.1:${access.port}`;
  return (await ready(child, access, paths)) ? { address, process: record, child } : undefined;
};

/** The engine takes these in the path of its data for patterns of file names. */
const PATTERN = /[*?{}[\]]/;

/**
 * Starts ClickHouse in a process of its own, with its HTTP interface on 127.0.0.1 and a password made the first time.
 * The port is kept from start to start if it is free.
 * @throws RefoldError `service.unavailable`
 */
export const startClickHouse = async (around: ServiceSurroundings): Promise<RunningService> => {
  const paths = pathsIn(path.join(around.folder, 'clickhouse'));
  if (PATTERN.test(paths.home)) {
    throw new RefoldError('service.unavailable', `clickhouse cannot keep data in ${paths.home}: the path has one of * ? { } [ ]`, {
      remedy: 'Set servicesFolder to another folder, or give the address of a server by REFOLD_CLICKHOUSE_URL.',
    });
  }
  const library = libraryFor(around.folder);
  if (around.fresh) {
    removeTree(paths.home);
  }
  fs.mkdirSync(paths.home, { recursive: true, mode: 0o700 });
  for (const deadline = Date.now() + REPEAT_BOUND_MS; ; await sleep(100)) {
    const service = await attempt(library, paths, around);
    if (service !== undefined) {
      return service;
    }
    // The port may have been taken since it was found free; the lock of one that was just killed is free in a moment.
    const log = tailOf(paths.log, 100);
    if (!(log.includes('EADDRINUSE') || log.includes(CANNOT_OPEN)) || Date.now() > deadline) {
      throw failed('ended while starting', paths);
    }
  }
};
