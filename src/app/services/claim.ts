import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { isRunning, recordOf, type ProcessRecord } from './process-identity';
import { readJson } from './files';

const PATTERN = /^claim\.(\d+)$/;

const claims = (folder: string): number[] =>
  fs
    .readdirSync(folder)
    .map((name) => PATTERN.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .map(Number)
    .sort((a, b) => a - b);

/** The live process that owns the folder, if any. */
export const ownerOf = (folder: string): ProcessRecord | undefined => {
  const highest = claims(folder).at(-1);
  const record = highest === undefined ? undefined : readJson<ProcessRecord>(path.join(folder, `claim.${highest}`));
  return record !== undefined && isRunning(record) ? record : undefined;
};

/**
 * Makes this process the owner of the folder unless a live one owns it already. Claims are numbered and the highest
 * counts; the claim of a dead process is overtaken by creating the next number, which only one can do, and the highest
 * is never deleted. So, unlike with a lock file that is removed when stale, two can never own the folder at once.
 */
export const claim = (folder: string): boolean => {
  for (;;) {
    const existing = claims(folder);
    if (ownerOf(folder) !== undefined) {
      return false;
    }
    const draft = path.join(folder, `draft.${process.pid}.${randomBytes(4).toString('hex')}`);
    fs.writeFileSync(draft, JSON.stringify(recordOf(process.pid)), { mode: 0o600 });
    try {
      fs.linkSync(draft, path.join(folder, `claim.${(existing.at(-1) ?? 0) + 1}`)); // with its content, or not at all
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw error;
      }
      continue;
    } finally {
      fs.rmSync(draft, { force: true });
    }
    existing.forEach((number) => fs.rmSync(path.join(folder, `claim.${number}`), { force: true }));
    return true;
  }
};
