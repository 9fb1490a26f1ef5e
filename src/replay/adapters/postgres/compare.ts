import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { identifier, qualified } from '../../../platform/postgres/quote';
import type { Generation } from '../../../projections/generations';
import type { CompareRequest, Comparison, GenerationPair, PairComparison } from '../../ports';
import type { DiffSample, RowDiff } from '../../verdict';
import { readPrimaryKey, readRelation, type RelationColumn } from './relations';
import { readSides } from './sides';
import { COMPARING, readHorizon } from './snapshots';
import { visible } from './view-sql';

interface Shape {
  readonly keys: readonly string[];
  readonly join: string;
  /** The key of a joined row, whichever side has it. */
  readonly keyValues: readonly string[];
  readonly values: readonly { readonly name: string; readonly before: string; readonly after: string }[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

const NUMERIC = /^(smallint|integer|bigint|numeric)/;
const family = (type: string): string => (NUMERIC.test(type) ? 'number' : type);

/** Both sides of a comparison, cast to text where the types have no common equality. */
const sides = (before: RelationColumn, after: RelationColumn): { readonly before: string; readonly after: string } => {
  const cast = before.type === 'json' || after.type === 'json' ? '::jsonb' : family(before.type) === family(after.type) ? '' : '::text';
  return { before: `a.${identifier(before.name)}${cast}`, after: `b.${identifier(after.name)}${cast}` };
};

const shapeOf = async (sql: Sql, { from, to }: GenerationPair): Promise<Shape> => {
  const read = async (g: Generation): Promise<readonly RelationColumn[]> => visible((await readRelation(sql, g.viewSchema, g.table))?.columns ?? []);
  const [before, after] = [await read(from), await read(to)];
  const [keysBefore, keysAfter] = [await readPrimaryKey(sql, from.viewSchema, from.table), await readPrimaryKey(sql, to.viewSchema, to.table)];
  const keys = [...keysBefore].sort().join() === [...keysAfter].sort().join() ? keysBefore : [];
  const byName = new Map(after.map((column) => [column.name, column]));
  const common = before.flatMap((column) => (byName.has(column.name) ? [{ name: column.name, ...sides(column, byName.get(column.name)!) }] : []));
  const keyed = keys.map((name) => common.find((column) => column.name === name)!);
  return {
    keys,
    join: keyed.map((c) => `${c.before} = ${c.after}`).join(' AND '),
    keyValues: keyed.map((c) => `coalesce(${c.before}, ${c.after})`),
    values: common.filter(({ name }) => !keys.includes(name)),
    added: after.filter(({ name }) => !before.some((column) => column.name === name)).map(({ name }) => name),
    removed: before.filter(({ name }) => !byName.has(name)).map(({ name }) => name),
  };
};

type Counts = Pick<RowDiff, 'rows' | 'onlyBefore' | 'onlyAfter' | 'changed' | 'changedByColumn'>;

/** A FULL JOIN of both tables with the tests for the three kinds of difference. */
interface Joined {
  readonly from: string;
  readonly onlyBefore: string;
  readonly onlyAfter: string;
  readonly changed: string;
}

const joined = (pair: GenerationPair, shape: Shape): Joined => {
  const key = identifier(shape.keys[0]!);
  const both = `a.${key} IS NOT NULL AND b.${key} IS NOT NULL`;
  const differs = shape.values.map((c) => `${c.before} IS DISTINCT FROM ${c.after}`).join(' OR ');
  return {
    from: `${qualified(pair.from.viewSchema, pair.from.table)} a FULL JOIN ${qualified(pair.to.viewSchema, pair.to.table)} b ON ${shape.join}`,
    onlyBefore: `b.${key} IS NULL`,
    onlyAfter: `a.${key} IS NULL`,
    changed: differs === '' ? 'false' : `${both} AND (${differs})`,
  };
};

const countRows = async (sql: Sql, pair: GenerationPair): Promise<Counts> => {
  const { rows } = await sql.query<{ before: number; after: number }>(
    `SELECT (SELECT count(*) FROM ${qualified(pair.from.viewSchema, pair.from.table)}) AS before,
            (SELECT count(*) FROM ${qualified(pair.to.viewSchema, pair.to.table)}) AS after`,
  );
  return { rows: rows[0]!, onlyBefore: 0, onlyAfter: 0, changed: 0, changedByColumn: {} };
};

const countDifferences = async (sql: Sql, shape: Shape, join: Joined): Promise<Counts> => {
  const byColumn = shape.values.map((c, i) => `, count(*) FILTER (WHERE ${join.changed} AND ${c.before} IS DISTINCT FROM ${c.after}) AS c${String(i)}`);
  const { rows } = await sql.query<Record<string, number>>(
    `SELECT count(*) FILTER (WHERE NOT (${join.onlyAfter})) AS before, count(*) FILTER (WHERE NOT (${join.onlyBefore})) AS after,
            count(*) FILTER (WHERE ${join.onlyBefore}) AS only_before, count(*) FILTER (WHERE ${join.onlyAfter}) AS only_after,
            count(*) FILTER (WHERE ${join.changed}) AS changed${byColumn.join('')}
       FROM ${join.from}`,
  );
  const row = rows[0]!;
  const changedByColumn = Object.fromEntries(shape.values.map((c, i) => [c.name, row[`c${String(i)}`]!] as const).filter(([, n]) => n > 0));
  return {
    rows: { before: row['before']!, after: row['after']! },
    onlyBefore: row['only_before']!,
    onlyAfter: row['only_after']!,
    changed: row['changed']!,
    changedByColumn,
  };
};

const sample = async (sql: Sql, shape: Shape, join: Joined, kind: DiffSample['kind'], limit: number): Promise<readonly DiffSample[]> => {
  const where = kind === 'changed' ? join.changed : kind === 'before' ? join.onlyBefore : join.onlyAfter;
  const texts = (parts: readonly string[]): string => `ARRAY[${parts.map((part) => `(${part})::text`).join(', ')}]::text[]`;
  const { rows } = await sql.query<{ key: (string | null)[]; before: (string | null)[]; after: (string | null)[]; differs: string[] }>(
    `SELECT ${texts(shape.keyValues)} AS key, ${texts(shape.values.map((c) => c.before))} AS before, ${texts(shape.values.map((c) => c.after))} AS after,
            ${texts(shape.values.map((c) => `${c.before} IS DISTINCT FROM ${c.after}`))} AS differs
       FROM ${join.from} WHERE ${where} ORDER BY ${shape.keyValues.join(', ')} LIMIT ${String(limit)}`,
  );
  return rows.map((row) => ({
    kind,
    key: Object.fromEntries(shape.keys.map((name, i) => [name, row.key[i] ?? null])),
    changes: shape.values
      .map((c, i) => ({ column: c.name, before: row.before[i] ?? null, after: row.after[i] ?? null, differs: row.differs[i] === 'true' }))
      .filter(({ differs }) => differs)
      .map(({ column, before, after }) => ({ column, before, after })),
  }));
};

const diffRows = async (sql: Sql, pair: GenerationPair, samples: number): Promise<RowDiff> => {
  const shape = await shapeOf(sql, pair);
  const rest = { addedColumns: shape.added, removedColumns: shape.removed, keyColumns: shape.keys };
  if (shape.keys.length === 0) {
    return { ...(await countRows(sql, pair)), ...rest, samples: [] };
  }
  const join = joined(pair, shape);
  const counts = await countDifferences(sql, shape, join);
  const found: DiffSample[] = [];
  for (const [kind, n] of [
    ['changed', counts.changed],
    ['before', counts.onlyBefore],
    ['after', counts.onlyAfter],
  ] as const) {
    const room = Math.min(n, samples - found.length);
    found.push(...(room > 0 ? await sample(sql, shape, join, kind, room) : []));
  }
  return { ...counts, ...rest, samples: found };
};

/**
 * Compares all pairs in one snapshot, taken while both sides are held at the same position; the hold ends before the
 * comparison begins. Node holds only the samples.
 */
export const comparePairs = (pool: PostgresPool, { pairs, hold, samples, onSnapshot }: CompareRequest): Promise<Comparison> =>
  pool.transaction(async (sql) => {
    // Says that this session reads no view, whatever name the address gives it. Takes no snapshot: the first statement that reads does.
    await sql.query(`SET LOCAL application_name = '${COMPARING}'`);
    const sides = await readSides(
      sql,
      hold,
      pairs.flatMap(({ from, to }) => [from.id, to.id]),
    );
    const horizon = await readHorizon(sql);
    await onSnapshot();
    await sql.query(`SET LOCAL TimeZone = 'UTC'`);
    const { rows } = await sql.query<{ at: Date }>('SELECT transaction_timestamp() AS at');
    const compared: PairComparison[] = [];
    for (const pair of pairs) {
      compared.push({ pair, diff: await diffRows(sql, pair, samples), from: sides.get(pair.from.id)!, to: sides.get(pair.to.id)! });
    }
    return { takenAt: rows[0]!.at.toISOString(), horizon, pairs: compared };
  }, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');

