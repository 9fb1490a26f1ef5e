import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RefoldError, messageOf } from '../../kernel/errors';
import type { KeptSchema, Sample } from './golden';

/** `1.avsc` beside `1.golden.json`. */
const SCHEMA_FILE = /^([1-9]\d*)\.avsc$/;

/** The form of both files: stable, so that a review shows what changed. */
const fileText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

const goldenFile = (folder: string, { subject, revision }: Pick<KeptSchema, 'subject' | 'revision'>): string =>
  path.join(folder, subject, `${String(revision)}.golden.json`);

const jsonOf = async (file: string): Promise<unknown> => {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new RefoldError('schema.kept-unreadable', `a kept schema or its samples cannot be read: ${messageOf(error)}`, { facts: { file }, cause: error });
  }
};

const namesIn = async (folder: string): Promise<readonly string[]> => {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'ENOENT') {
      return [];
    }
    throw new RefoldError('schema.kept-unreadable', `the folder of kept schemas cannot be read: ${messageOf(error)}`, {
      facts: { file: folder },
      cause: error,
    });
  }
};

const samplesOf = (value: unknown, file: string): readonly Sample[] => {
  const { samples } = (typeof value === 'object' && value !== null ? value : {}) as { readonly samples?: unknown };
  if (!Array.isArray(samples)) {
    throw new RefoldError('schema.kept-unreadable', 'there are no samples in the file', { facts: { file } });
  }
  return samples as readonly Sample[];
};

/** All schemas in a folder, by subject, oldest first; none where the folder does not exist. @throws RefoldError `schema.kept-unreadable` */
export const readKept = async (folder: string): Promise<readonly KeptSchema[]> => {
  const kept: KeptSchema[] = [];
  for (const subject of await namesIn(folder)) {
    const names = subject.startsWith('.') ? [] : await namesIn(path.join(folder, subject));
    const revisions = names.flatMap((name) => SCHEMA_FILE.exec(name)?.[1] ?? []).map(Number);
    for (const revision of revisions.sort((a, b) => a - b)) {
      const schema = await jsonOf(path.join(folder, subject, `${String(revision)}.avsc`));
      const file = goldenFile(folder, { subject, revision });
      kept.push({ subject, revision, schema, samples: samplesOf(await jsonOf(file), file) });
    }
  }
  return kept;
};

/** Writes what differs from what is there; answers the files written. Schemas are written once and never again. */
export const writeKept = async (folder: string, kept: readonly KeptSchema[]): Promise<readonly string[]> => {
  const written: string[] = [];
  const write = async (file: string, text: string): Promise<void> => {
    const before = await readFile(file, 'utf8').catch(() => undefined);
    if (before !== text) {
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, text);
      written.push(file);
    }
  };
  for (const { subject, revision, schema, samples } of kept) {
    await write(path.join(folder, subject, `${String(revision)}.avsc`), fileText(schema));
    await write(goldenFile(folder, { subject, revision }), fileText({ samples }));
  }
  return written;
};
