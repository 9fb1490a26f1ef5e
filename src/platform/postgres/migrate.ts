import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { RefoldError } from '../../kernel/errors';
import { targetOf } from './errors';
import type { PostgresPool, Sql } from './pool';
import { ensureSchema } from './schemas';

/** One numbered SQL file, `NNNN_name.sql`. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  /** Its first line is `-- breaking`: binaries that do not know it must not touch the schema any more. */
  readonly breaking: boolean;
  readonly sql: string;
}

export interface AppliedMigration {
  readonly number: number;
  readonly name: string;
  readonly breaking: boolean;
}

/** The migrations of this package; the same three folders up from `src` and from `dist`. */
const MIGRATIONS = path.join(__dirname, '..', '..', '..', 'migrations', 'postgres');

/** Taken by every migration; the number means nothing, it only has to be the same everywhere. */
const LOCK = 7_365_441_902;

const parseMigration = (file: string, sql: string): Migration => {
  const match = /^(\d{4})_(\w+)\.sql$/.exec(file);
  if (match === null) {
    throw new RefoldError('internal.invariant', 'a migration is not named NNNN_name.sql', { facts: { file } });
  }
  return { number: Number(match[1]), name: match[2]!, breaking: /^-- breaking\s*$/.test(sql.split('\n', 1)[0]!), sql };
};

/** Reads the numbered files of a folder, in order. @throws RefoldError `internal.invariant` for a misnamed or doubly numbered file */
export const readMigrations = async (directory = MIGRATIONS): Promise<readonly Migration[]> => {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort();
  const migrations = await Promise.all(files.map(async (file) => parseMigration(file, await readFile(path.join(directory, file), 'utf8'))));
  const twice = migrations.find((migration, index) => index > 0 && migrations[index - 1]!.number === migration.number);
  if (twice !== undefined) {
    throw new RefoldError('internal.invariant', 'two migrations have the same number', { facts: { number: twice.number } });
  }
  return migrations;
};

const appliedIn = async (sql: Sql): Promise<readonly AppliedMigration[]> =>
  (await sql.query<AppliedMigration>('SELECT number, name, breaking FROM refold.migrations ORDER BY number')).rows;

const refuseNewer = (known: readonly Migration[], applied: readonly AppliedMigration[]): void => {
  const numbers = new Set(known.map(({ number }) => number));
  const newer = applied.filter(({ number, breaking }) => breaking && !numbers.has(number));
  if (newer.length > 0) {
    const names = newer.map(({ number, name }) => `${number}_${name}`);
    throw new RefoldError('store.too-new', 'the control schema holds breaking migrations that this version does not know', { facts: { migrations: names } });
  }
};

const prepare = async (sql: Sql): Promise<readonly AppliedMigration[]> => {
  await sql.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
  await ensureSchema(sql, 'refold');
  await sql.query(
    `CREATE TABLE IF NOT EXISTS refold.migrations (
       number integer PRIMARY KEY, name text NOT NULL, breaking boolean NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
  return appliedIn(sql);
};

const apply = async (sql: Sql, { number, name, breaking, sql: text }: Migration): Promise<boolean> => {
  await sql.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
  if ((await sql.query('SELECT 1 FROM refold.migrations WHERE number = $1', [number])).rows.length > 0) {
    return false; // another starter was faster
  }
  await sql.query(text);
  await sql.query('INSERT INTO refold.migrations (number, name, breaking) VALUES ($1, $2, $3)', [number, name, breaking]);
  return true;
};

/**
 * Brings the control schema to the newest version that this package knows; each file in a transaction of its own, under a
 * lock, so that any number of processes may start at once. Answers what this call applied.
 * @throws RefoldError `store.too-new`, `store.unreachable`, `store.failed`
 */
export const migrate = async (pool: PostgresPool, directory?: string): Promise<readonly AppliedMigration[]> => {
  const known = await readMigrations(directory);
  const before = await pool.transaction(prepare);
  refuseNewer(known, before);
  const done = new Set(before.map(({ number }) => number));
  const applied: AppliedMigration[] = [];
  for (const migration of known.filter(({ number }) => !done.has(number))) {
    if (await pool.transaction((sql) => apply(sql, migration))) {
      const { number, name, breaking } = migration;
      applied.push({ number, name, breaking });
    }
  }
  return applied;
};

/**
 * Passes if the control schema has every migration of this package and no breaking one that it does not know.
 * @throws RefoldError `store.not-migrated`, `store.too-new`, `store.unreachable`
 */
export const assertMigrated = async (pool: PostgresPool, directory?: string): Promise<void> => {
  const known = await readMigrations(directory);
  const { rows } = await pool.query<{ found: boolean }>(`SELECT to_regclass('refold.migrations') IS NOT NULL AS found`);
  const applied = rows[0]?.found === true ? await appliedIn(pool) : [];
  refuseNewer(known, applied);
  const done = new Set(applied.map(({ number }) => number));
  const missing = known.filter(({ number }) => !done.has(number)).map(({ number, name }) => `${number}_${name}`);
  if (missing.length > 0) {
    throw new RefoldError('store.not-migrated', 'the control schema lacks migrations of this version', { facts: { ...targetOf(pool.url), missing } });
  }
};
