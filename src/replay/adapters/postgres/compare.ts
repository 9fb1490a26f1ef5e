import { randomInt } from 'node:crypto';
import { RefoldError, isRefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { identityOf } from '../../../projections/read-model';
import type { Generation } from '../../../projections/generations';
import { differingBuckets, inSlices, totalRows, type BucketSum } from '../../buckets';
import { findDifferences, type Differences } from '../../differences';
import type { FoundRow } from '../../rule-types';
import type { CompareRequest, Comparison, GenerationPair, PairComparison } from '../../ports';
import { shownValue, type DiffSample, type RowDiff } from '../../verdict';
import { visible } from '../../view-plan';
import { countSql, sampleSql, shapeOf, sumsSql, tableOf, type Shape } from './comparison-sql';
import { readRelation, type RelationColumn } from './relations';
import { readSides } from './sides';
import { COMPARING, readHorizon } from './snapshots';

/** Two sessions that see the same snapshot. */
interface Sessions {
  readonly first: Sql;
  readonly second: Sql;
}

const SNAPSHOT = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

/** While one session hashes its side the other may have to wait for it. */
const prepare = (sql: Sql): Promise<unknown> =>
  sql.query(`SET LOCAL TimeZone = 'UTC'; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '10min'`);

const readShape = async (sql: Sql, pair: GenerationPair, tolerances: Readonly<Record<string, number>>): Promise<Shape> => {
  const columns = async (g: Generation): Promise<readonly RelationColumn[]> => visible((await readRelation(sql, g.viewSchema, g.table))?.columns ?? []);
  const keys = (g: Generation): readonly string[] => identityOf(g.columns).map(({ name }) => name);
  return shapeOf(pair, { before: keys(pair.from), after: keys(pair.to) }, { before: await columns(pair.from), after: await columns(pair.to) }, tolerances);
};

const count = async (sql: Sql, shape: Shape, slice: readonly number[]): Promise<Differences> => {
  const { rows } = await sql.query<Record<string, number>>(countSql(shape, slice));
  const row = rows[0]!;
  const byColumn = shape.values.map((column, i) => [column.name, row[`c${String(i)}`]!] as const);
  return {
    onlyBefore: row['only_before']!,
    onlyAfter: row['only_after']!,
    changed: row['changed']!,
    tolerated: row['tolerated']!,
    changedByColumn: Object.fromEntries(byColumn.filter(([, n]) => n > 0)),
  };
};

type Texts = readonly (string | null)[];

const sample = async (sql: Sql, shape: Shape, slice: readonly number[], kind: DiffSample['kind'], limit: number): Promise<readonly DiffSample[]> => {
  const { rows } = await sql.query<{ key: Texts; before: Texts; after: Texts; differs: Texts }>(sampleSql(shape, slice, kind, limit));
  return rows.map((row) => ({
    kind,
    key: Object.fromEntries(shape.keys.map(({ name }, i) => [name, row.key[i] ?? null])),
    changes: shape.values
      .map(({ name }, i) => ({ column: name, before: shownValue(row.before[i]), after: shownValue(row.after[i]), differs: row.differs[i] === 'true' }))
      .filter(({ differs }) => differs)
      .map(({ column, before, after }) => ({ column, before, after })),
  }));
};

const rowsIn = async (sql: Sql, table: string): Promise<number> => (await sql.query<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)).rows[0]!.n;

/** Hashes both sides at the same time, then joins the rows of the buckets that differ. */
const diffRows = async ({ first, second }: Sessions, pair: GenerationPair, request: CompareRequest): Promise<RowDiff> => {
  const shape = await readShape(first, pair, request.tolerances ?? {});
  const rest = { addedColumns: shape.added, removedColumns: shape.removed, keyColumns: shape.keys.map(({ name }) => name) };
  if (shape.keys.length === 0) {
    const rows = { before: await rowsIn(first, tableOf(pair, 'before')), after: await rowsIn(first, tableOf(pair, 'after')) };
    return { rows, onlyBefore: 0, onlyAfter: 0, changed: 0, changedByColumn: {}, ...rest, samples: [] };
  }
  const seed = randomInt(2 ** 47);
  const sums = async (sql: Sql, side: 'before' | 'after'): Promise<readonly BucketSum[]> => (await sql.query<BucketSum>(sumsSql(shape, side, seed))).rows;
  const ended = await Promise.allSettled([sums(first, 'before'), sums(second, 'after')]); // no session is given back while it works
  const [before, after] = ended.map((one) => {
    if (one.status === 'rejected') {
      throw one.reason;
    }
    return one.value;
  }) as [readonly BucketSum[], readonly BucketSum[]];
  const found = await findDifferences({
    slices: inSlices(differingBuckets(before, after)),
    samples: request.samples,
    count: (slice) => count(first, shape, slice),
    sample: (slice, kind, limit) => sample(first, shape, slice, kind, limit),
  });
  return { rows: { before: totalRows(before), after: totalRows(after) }, ...rest, ...found };
};

/** What somebody else's statement answers, in the snapshot; it ends neither the transaction nor takes longer than it may. */
const answerOf = async (sql: Sql, text: string, limit: number, timeoutMs: number): Promise<readonly FoundRow[]> => {
  await sql.query(`SAVEPOINT asked; SET LOCAL statement_timeout = ${String(timeoutMs)}`);
  try {
    // With a value the statement is one by itself: nothing can follow it
    const { rows } = await sql.query<{ found: FoundRow }>(`SELECT to_jsonb(found) AS found FROM (${text}\n) AS found LIMIT $1`, [limit]);
    return rows.map(({ found }) => found);
  } catch (error) {
    throw isRefoldError(error) && error.code === 'store.unreachable'
      ? error
      : new RefoldError('config.invalid', 'the check could not be run', { cause: error });
  } finally {
    await sql.query('ROLLBACK TO SAVEPOINT asked').catch(() => undefined); // the connection is broken: what was thrown says so
  }
};

const inspect = async (sql: Sql, comparison: PairComparison, request: CompareRequest): Promise<void> => {
  const { pair } = comparison;
  await request.inspect?.(comparison, {
    before: tableOf(pair, 'before'),
    after: tableOf(pair, 'after'),
    rows: (text, limit, timeoutMs) => answerOf(sql, text, limit, timeoutMs),
  });
};

/**
 * Compares all pairs in one snapshot, taken while both sides are held at the same position; the hold ends before the
 * comparison begins. Two sessions share the snapshot (decision 058). Node holds sums by bucket and the samples.
 */
export const comparePairs = (pool: PostgresPool, request: CompareRequest): Promise<Comparison> =>
  pool.transaction(async (first) => {
    const { pairs, hold } = request;
    // Says that this session reads no view, whatever name the address gives it. Takes no snapshot: the first statement that reads does.
    await first.query(`SET LOCAL application_name = '${COMPARING}'`);
    const ids = pairs.flatMap(({ from, to }) => [from.id, to.id]);
    const sides = await readSides(first, hold, ids);
    const horizon = await readHorizon(first);
    const { rows } = await first.query<{ at: Date; snapshot: string }>('SELECT transaction_timestamp() AS at, pg_export_snapshot() AS snapshot');
    await request.onSnapshot();
    await prepare(first);
    const compared = await pool.transaction(async (second) => {
      await second.query(`SET LOCAL application_name = '${COMPARING}'; SET TRANSACTION SNAPSHOT '${rows[0]!.snapshot}'`);
      await prepare(second);
      const done: PairComparison[] = [];
      for (const pair of pairs) {
        const diff = await diffRows({ first, second }, pair, request);
        const comparison = { pair, diff, from: sides.get(pair.from.id)!, to: sides.get(pair.to.id)! };
        await inspect(first, comparison, request);
        done.push(comparison);
      }
      return done;
    }, SNAPSHOT);
    return { takenAt: rows[0]!.at.toISOString(), horizon, pairs: compared };
  }, SNAPSHOT);
