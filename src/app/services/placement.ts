import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { RefoldError } from '../../kernel/errors';
import { makePassable } from './files';

/** The user a service runs as, where it may not run as the caller. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

const idOf = (flag: '-u' | '-g', name: string): number => Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));

/** PostgreSQL refuses to run as root: the user to drop to, or undefined where the caller is no root. */
export const unprivilegedUser = (): RunAs | undefined => {
  if (process.getuid?.() !== 0) {
    return undefined;
  }
  for (const name of ['postgres', 'nobody']) {
    try {
      return { uid: idOf('-u', name), gid: idOf('-g', name) };
    } catch {
      continue; // no such user on this system
    }
  }
  return { uid: 65_534, gid: 65_534 };
};

type Owned = Pick<fs.Stats, 'uid' | 'gid' | 'mode'>;

/** Whether a user has the permission bits (4 read, 1 search or execute) on a file with this owner and mode. */
export const permits = (stat: Owned, user: RunAs, bits: number): boolean => {
  const shift = stat.uid === user.uid ? 6 : stat.gid === user.gid ? 3 : 0;
  return ((stat.mode >> shift) & bits) === bits;
};

/** Whether the user can get to `target` and read it; what does not exist yet counts as its parent. */
export const canReach = (target: string, user: RunAs | undefined): boolean => {
  if (user === undefined) {
    return true;
  }
  let at = path.resolve(target);
  while (!fs.existsSync(at)) {
    at = path.dirname(at);
  }
  at = fs.realpathSync(at);
  for (let folder = path.dirname(at); ; folder = path.dirname(folder)) {
    if (!permits(fs.statSync(folder), user, 1)) {
      return false;
    }
    if (folder === path.dirname(folder)) {
      break;
    }
  }
  const stat = fs.statSync(at);
  return permits(stat, user, stat.isDirectory() ? 1 : 5);
};

/** A folder below a shared temporary folder that is ours alone: somebody else's of the same name is refused. */
const ownFolder = (folder: string): string => {
  makePassable(folder);
  const stat = fs.lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o022) !== 0) {
    throw new RefoldError('service.unavailable', `the folder ${folder} belongs to somebody else or can be written by others`, {
      remedy: `Remove ${folder}, or give the address of a Postgres server by REFOLD_POSTGRES_URL.`,
    });
  }
  return folder;
};

/** The folder that takes the place of `folder` for a user who cannot reach it; always the same one for the same folder. */
export const reachableFolder = (folder: string, user: RunAs | undefined): string => {
  if (canReach(path.join(folder, 'any'), user)) {
    return folder;
  }
  const shared = [os.tmpdir(), '/tmp', '/var/tmp'].find((candidate) => fs.existsSync(candidate) && canReach(path.join(candidate, 'any'), user));
  if (shared === undefined) {
    throw new RefoldError('service.unavailable', `no folder can be read by the user PostgreSQL has to run as (uid ${user?.uid ?? '?'})`, {
      remedy: 'Run as an ordinary user, or give the address of a Postgres server by REFOLD_POSTGRES_URL.',
    });
  }
  const key = createHash('sha256').update(path.resolve(folder)).digest('hex').slice(0, 16);
  return ownFolder(path.join(shared, `refold-${key}`));
};
