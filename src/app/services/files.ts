import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/** Writes a file only its owner can read, in one step: a reader sees the old text or the new one. */
export const writePrivately = (file: string, value: unknown): void => {
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  fs.writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  fs.renameSync(draft, file);
};

/** The JSON in a file, or undefined where there is no such file or no JSON in it. */
export const readJson = <T>(file: string): T | undefined => {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as T;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
};

/** The last lines of a log file, for the message of an error. */
export const tailOf = (file: string, lines = 20): string => {
  try {
    return fs.readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return `(no log at ${file})`;
  }
};

/** Makes a folder that others can pass through but not list, whatever mask this process has; one that exists is left as it is. */
export const makePassable = (folder: string): void => {
  if (fs.mkdirSync(folder, { recursive: true }) !== undefined) {
    fs.chmodSync(folder, 0o711);
  }
};

export const removeTree = (folder: string): void => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });

/** The root of the package, from the sources as from the compiled files: both lie three folders below. */
export const packageRoot = path.resolve(__dirname, '..', '..', '..');
