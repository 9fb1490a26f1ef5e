import { identifier, qualified } from '../../../platform/postgres/quote';
import { BUCKETS } from '../../buckets';
import type { GenerationPair } from '../../ports';
import { LONGEST_VALUE, type DiffSample } from '../../verdict';
import type { RelationColumn } from './relations';

/** One column of both sides, as expressions over `a` (before) and `b` (after). */
export interface ComparedColumn {
  readonly name: string;
  readonly before: string;
  readonly after: string;
  /** Whether the values differ. */
  readonly differs: string;
  /** The same without regard to a tolerance. */
  readonly differsExactly: string;
}

/** How the rows of two tables are compared. */
export interface Shape {
  readonly pair: GenerationPair;
  /** Columns that identify a row; empty if they are not the same on both sides. */
  readonly keys: readonly ComparedColumn[];
  readonly values: readonly ComparedColumn[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

const NUMBERS = /^(smallint|integer|bigint|numeric|double precision)/;

/** Exact, unless one of them is not: `numeric` keeps 15 digits of a double. */
const numberType = (...types: readonly string[]): string => (types.includes('double precision') ? '::float8' : '::numeric');

/** What both sides are cast to where their types have no common equality, or one whose hashes differ. */
const commonType = (before: string, after: string): string => {
  const [a, b] = [before, after].map((type) => type.replace(/\(.*\)/, ''));
  if (a === 'json' || b === 'json') {
    return '::jsonb';
  }
  return a === b ? '' : NUMBERS.test(before) && NUMBERS.test(after) ? numberType(before, after) : '::text';
};

const compared = (before: RelationColumn, after: RelationColumn, tolerance: number | undefined): ComparedColumn => {
  const cast = commonType(before.type, after.type);
  const [a, b] = [`a.${identifier(before.name)}`, `b.${identifier(after.name)}`];
  const differsExactly = `${a}${cast} IS DISTINCT FROM ${b}${cast}`;
  const isNumber = NUMBERS.test(before.type) && NUMBERS.test(after.type) && ![before, after].some(({ type }) => type.endsWith('[]'));
  const type = numberType(before.type, after.type);
  const near = `coalesce(abs(${a}${type} - ${b}${type}) <= ${String(tolerance)}${type}, false)`;
  const differs = tolerance === undefined || !isNumber ? differsExactly : `(${differsExactly} AND NOT ${near})`;
  return { name: before.name, before: `${a}${cast}`, after: `${b}${cast}`, differs, differsExactly };
};

export const shapeOf = (
  pair: GenerationPair,
  keys: { readonly before: readonly string[]; readonly after: readonly string[] },
  columns: { readonly before: readonly RelationColumn[]; readonly after: readonly RelationColumn[] },
  tolerances: Readonly<Record<string, number>>,
): Shape => {
  const { before, after } = columns;
  const byName = new Map(after.map((column) => [column.name, column]));
  const known = new Set(before.map(({ name }) => name));
  const common = before.filter(({ name }) => byName.has(name)).map((column) => compared(column, byName.get(column.name)!, tolerances[column.name]));
  const keyed = [...keys.before].sort().join('\0') === [...keys.after].sort().join('\0');
  return {
    pair,
    keys: keyed ? keys.before.map((name) => common.find((column) => column.name === name)!) : [],
    values: common.filter(({ name }) => !keyed || !keys.before.includes(name)),
    added: after.filter(({ name }) => !known.has(name)).map(({ name }) => name),
    removed: before.filter(({ name }) => !byName.has(name)).map(({ name }) => name),
  };
};

type Side = 'before' | 'after';

export const tableOf = ({ from, to }: GenerationPair, side: Side): string => {
  const generation = side === 'before' ? from : to;
  return qualified(generation.viewSchema, generation.table);
};

const aliasOf = (side: Side): string => (side === 'before' ? 'a' : 'b');
const rowOf = (columns: readonly ComparedColumn[], side: Side): string => `ROW(${columns.map((column) => column[side]).join(', ')})`;

/** The key alone decides, so the row of the other side is in the same bucket. */
const bucketOf = ({ keys }: Shape, side: Side): string => `(hash_record_extended(${rowOf(keys, side)}, 0) & ${String(BUCKETS - 1)})::int`;

/** Rows and sum of their hashes by bucket. A seed of each comparison: rows that go unnoticed by chance do so once. */
export const sumsSql = (shape: Shape, side: Side, seed: number): string =>
  `SELECT ${bucketOf(shape, side)} AS bucket, count(*) AS rows,
          bit_xor(hash_record_extended(${rowOf([...shape.keys, ...shape.values], side)}, ${String(seed)}))::text AS sum
     FROM ${tableOf(shape.pair, side)} ${aliasOf(side)} GROUP BY 1`;

const slicedSide = (shape: Shape, side: Side, slice: readonly number[]): string => {
  const where = slice.length === BUCKETS ? '' : ` WHERE ${bucketOf(shape, side)} = ANY('{${slice.join()}}')`;
  return `(SELECT * FROM ${tableOf(shape.pair, side)} ${aliasOf(side)}${where}) ${aliasOf(side)}`;
};

const joined = (shape: Shape, slice: readonly number[]): string =>
  `${slicedSide(shape, 'before', slice)} FULL JOIN ${slicedSide(shape, 'after', slice)} ON ${shape.keys.map((key) => `${key.before} = ${key.after}`).join(' AND ')}`;

const conditions = ({ keys, values }: Shape): Readonly<Record<DiffSample['kind'] | 'tolerated', string>> => {
  const key = identifier(keys[0]!.name);
  const both = `a.${key} IS NOT NULL AND b.${key} IS NOT NULL`;
  const any = (tests: readonly string[]): string => (tests.length === 0 ? 'false' : `(${tests.join(' OR ')})`);
  const differs = any(values.map((column) => column.differs));
  return {
    before: `b.${key} IS NULL`,
    after: `a.${key} IS NULL`,
    changed: `${both} AND ${differs}`,
    tolerated: `${both} AND NOT ${differs} AND ${any(values.map((column) => column.differsExactly))}`,
  };
};

/** Counts by kind, and as `c0`, `c1`, ... the changed rows by column. */
export const countSql = (shape: Shape, slice: readonly number[]): string => {
  const { before, after, changed, tolerated } = conditions(shape);
  const exact = shape.values.every((column) => column.differs === column.differsExactly);
  const byColumn = shape.values.map((column, i) => `, count(*) FILTER (WHERE ${changed} AND ${column.differs}) AS c${String(i)}`);
  return `SELECT count(*) FILTER (WHERE ${before}) AS only_before, count(*) FILTER (WHERE ${after}) AS only_after,
                 count(*) FILTER (WHERE ${changed}) AS changed, ${exact ? '0::bigint' : `count(*) FILTER (WHERE ${tolerated})`} AS tolerated${byColumn.join('')}
            FROM ${joined(shape, slice)}`;
};

const texts = (parts: readonly string[]): string => `ARRAY[${parts.map((part) => `(${part})::text`).join(', ')}]::text[]`;

/** One character more than is shown tells that there are more. */
const cut = (part: string): string => `left((${part})::text, ${String(LONGEST_VALUE + 1)})`;

/** The first rows of a kind by key: `key`, `before`, `after` and `differs` as arrays of text. */
export const sampleSql = (shape: Shape, slice: readonly number[], kind: DiffSample['kind'], limit: number): string => {
  const keys = shape.keys.map((key) => `coalesce(${key.before}, ${key.after})`);
  const { values } = shape;
  return `SELECT ${texts(keys)} AS key, ${texts(values.map((c) => cut(c.before)))} AS before, ${texts(values.map((c) => cut(c.after)))} AS after,
                 ${texts(values.map((c) => (kind === 'changed' ? c.differs : c.differsExactly)))} AS differs
            FROM ${joined(shape, slice)} WHERE ${conditions(shape)[kind]} ORDER BY ${keys.join(', ')} LIMIT ${String(limit)}`;
};
