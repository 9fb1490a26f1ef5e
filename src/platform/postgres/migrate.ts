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
  /** Its first line is `-- breaking: <why>`: binaries that do not know it must not touch the schema any more. */
  readonly breaking: boolean;
  readonly why: string | undefined;
  readonly sql: string;
}

export interface MigrateOptions {
  /** @defaultValue the migrations of this package */
  readonly directory?: string | undefined;
  /** Apply breaking ones although workers of before are alive. */
  readonly breaking?: boolean | undefined;
}

/** What is left to do. */
export interface MigrationPlan {
  /** In order; breaking ones say why they are. */
  readonly pending: readonly { readonly name: string; readonly breaking: boolean; readonly why: string | undefined }[];
  /** Workers that are alive: breaking migrations wait for their end, unless that is overridden. */
  readonly workers: readonly string[];
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
  const breaking = /^-- breaking(: (.+))?$/.exec(sql.split('\n', 1)[0]!.trim());
  return { number: Number(match[1]), name: match[2]!, breaking: breaking !== null, why: breaking?.[2], sql };
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

const exists = async (sql: Sql, table: string): Promise<boolean> =>
  (await sql.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [table])).rows[0]?.found === true;

const appliedIn = async (sql: Sql): Promise<readonly AppliedMigration[]> =>
  (await sql.query<AppliedMigration>('SELECT number, name, breaking FROM refold.migrations ORDER BY number')).rows;

const labelOf = ({ number, name }: Pick<Migration, 'number' | 'name'>): string => `${String(number).padStart(4, '0')}_${name}`;

const refuseNewer = (known: readonly Migration[], applied: readonly AppliedMigration[]): void => {
  const numbers = new Set(known.map(({ number }) => number));
  const newer = applied.filter(({ number, breaking }) => breaking && !numbers.has(number));
  if (newer.length > 0) {
    throw new RefoldError('store.too-new', 'the control schema holds breaking migrations that this version does not know', {
      facts: { migrations: newer.map(labelOf) },
    });
  }
};

const prepare = async (sql: Sql, known: readonly Migration[], breaking: boolean): Promise<readonly Migration[]> => {
  await sql.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
  await ensureSchema(sql, 'refold');
  await sql.query(
    `CREATE TABLE IF NOT EXISTS refold.migrations (
       number integer PRIMARY KEY, name text NOT NULL, breaking boolean NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
  const applied = await appliedIn(sql);
  refuseNewer(known, applied);
  const pending = pendingOf(known, applied);
  if (!breaking) {
    await refuseBreaking(sql, pending);
  }
  return pending;
};

/** A worker that was not heard of for so long is dead, in seconds of the database's clock. */
const DEAD_AFTER_S = 5;

/** Workers of any application in this database that were heard of a moment ago. */
const liveWorkers = async (sql: Sql): Promise<readonly string[]> => {
  if (!(await exists(sql, 'refold.workers'))) {
    return [];
  }
  const { rows } = await sql.query<{ name: string }>(
    `SELECT app || '/' || worker AS name FROM refold.workers WHERE seen_at > now() - make_interval(secs => $1) ORDER BY 1`,
    [DEAD_AFTER_S],
  );
  return rows.map(({ name }) => name);
};

const pendingOf = (known: readonly Migration[], applied: readonly AppliedMigration[]): readonly Migration[] => {
  const done = new Set(applied.map(({ number }) => number));
  return known.filter(({ number }) => !done.has(number));
};

/** Whoever runs the code of before would go on with a schema that it does not understand. */
const refuseBreaking = async (sql: Sql, pending: readonly Migration[]): Promise<void> => {
  const breaking = pending.filter((migration) => migration.breaking);
  const workers = breaking.length === 0 ? [] : await liveWorkers(sql);
  if (workers.length > 0) {
    const migrations = breaking.map((migration) => `${labelOf(migration)}: ${migration.why ?? 'no reason given'}`);
    throw new RefoldError('store.breaking-migration', `${String(workers.length)} workers that do not know it would go on with another control schema`, {
      facts: { migrations, workers },
    });
  }
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
 * @throws RefoldError `store.too-new`, `store.breaking-migration` while workers live unless `breaking` is said, `store.unreachable`, `store.failed`
 */
export const migrate = async (pool: PostgresPool, { directory, breaking = false }: MigrateOptions = {}): Promise<readonly AppliedMigration[]> => {
  const known = await readMigrations(directory);
  const pending = await pool.transaction((sql) => prepare(sql, known, breaking));
  const applied: AppliedMigration[] = [];
  for (const migration of pending) {
    if (await pool.transaction((sql) => apply(sql, migration))) {
      const { number, name, breaking } = migration;
      applied.push({ number, name, breaking });
    }
  }
  return applied;
};

/** Looks at what `migrate` would do; changes nothing. @throws RefoldError `store.too-new`, `store.unreachable` */
export const planMigrations = async (pool: PostgresPool, { directory }: Pick<MigrateOptions, 'directory'> = {}): Promise<MigrationPlan> => {
  const known = await readMigrations(directory);
  const applied = (await exists(pool, 'refold.migrations')) ? await appliedIn(pool) : [];
  refuseNewer(known, applied);
  const pending = pendingOf(known, applied);
  return {
    pending: pending.map((migration) => ({ name: labelOf(migration), breaking: migration.breaking, why: migration.why })),
    workers: await liveWorkers(pool),
  };
};

/**
 * Passes if the control schema has every migration of this package and no breaking one that it does not know.
 * @throws RefoldError `store.not-migrated`, `store.too-new`, `store.unreachable`
 */
export const assertMigrated = async (pool: PostgresPool, directory?: string): Promise<void> => {
  const known = await readMigrations(directory);
  const applied = (await exists(pool, 'refold.migrations')) ? await appliedIn(pool) : [];
  refuseNewer(known, applied);
  const missing = pendingOf(known, applied).map(labelOf);
  if (missing.length > 0) {
    throw new RefoldError('store.not-migrated', 'the control schema lacks migrations of this version', { facts: { ...targetOf(pool.url), missing } });
  }
};
