import { isDeepStrictEqual } from 'node:util';
import { identifier, literal, qualified } from '../../../platform/clickhouse/quote';
import { identityOf, type NamedColumn } from '../../../projections/read-model';
import { BUCKETS } from '../../buckets';
import type { GenerationPair } from '../../ports';
import { LONGEST_VALUE, type DiffSample } from '../../verdict';

/** One column of both sides, as expressions over `a` (before) and `b` (after). */
export interface ComparedColumn {
  readonly name: string;
  readonly before: string;
  readonly after: string;
  /** What is hashed of each side: equal values give equal hashes, null and empty text do not. */
  readonly hashed: { readonly before: string; readonly after: string };
  /** Whether the values differ. */
  readonly differs: string;
  /** The same without regard to a tolerance. */
  readonly differsExactly: string;
}

/** What holds the rows of both sides: names of views over copies. */
export interface Copies {
  readonly from: string;
  readonly to: string;
}

/** How the rows of two copies are compared. */
export interface Shape {
  readonly tables: { readonly before: string; readonly after: string };
  readonly keys: readonly ComparedColumn[];
  readonly values: readonly ComparedColumn[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

const isNumber = ({ type }: NamedColumn): boolean => ['integer', 'bigint', 'decimal', 'double'].includes(type.kind);
const isDouble = ({ type }: NamedColumn): boolean => type.kind === 'double';
const scaleOf = ({ type }: NamedColumn): number => (type.kind === 'decimal' ? type.scale : 0);

/** As wide as a number can be, so that no value of the other side is out of range. */
const wide = (expression: string, scale: number, nullable: boolean): string => {
  const type = `Decimal(76, ${String(scale)})`;
  return `CAST(${expression}, ${literal(nullable ? `Nullable(${type})` : type)})`;
};

const compared = (before: NamedColumn, after: NamedColumn, tolerance: number | undefined): ComparedColumn => {
  const quoted = identifier(before.name);
  const numbers = isNumber(before) && isNumber(after);
  const scale = Math.max(scaleOf(before), scaleOf(after));
  const asNumber = (expression: string, nullable: boolean): string =>
    isDouble(before) || isDouble(after) ? `toFloat64(${expression})` : wide(expression, scale, nullable);
  const isSame = isDeepStrictEqual(before.type, after.type);
  const side = (alias: string, { nullable }: NamedColumn): string => {
    const value = `${alias}.${quoted}`;
    return isSame ? value : numbers ? asNumber(value, nullable) : `toString(${value})`;
  };
  const [a, b] = [side('a', before), side('b', after)];
  const nullable = before.nullable || after.nullable;
  const hash = (value: string): string => (nullable ? `isNull(${value}), ifNull(toString(${value}), '')` : value);
  const differsExactly = `(${a} IS DISTINCT FROM ${b})`;
  const apart = `toFloat64(abs(${asNumber(`a.${quoted}`, nullable)} - ${asNumber(`b.${quoted}`, nullable)}))`;
  const differs = tolerance === undefined || !numbers ? differsExactly : `(${differsExactly} AND NOT coalesce(${apart} <= ${String(tolerance)}, 0))`;
  return { name: before.name, before: a, after: b, hashed: { before: hash(a), after: hash(b) }, differs, differsExactly };
};

export const namesOf = (columns: readonly { readonly name: string }[]): readonly string[] => columns.map(({ name }) => name);

export const shapeOf = ({ from, to }: GenerationPair, copies: Copies, tolerances: Readonly<Record<string, number>>): Shape => {
  const after = new Map(to.columns.map((column) => [column.name, column]));
  const known = new Set(namesOf(from.columns));
  const common = from.columns.filter(({ name }) => after.has(name)).map((column) => compared(column, after.get(column.name)!, tolerances[column.name]));
  const [keysBefore, keysAfter] = [namesOf(identityOf(from.columns)), namesOf(identityOf(to.columns))];
  const keyed = [...keysBefore].sort().join('\0') === [...keysAfter].sort().join('\0');
  return {
    tables: { before: qualified(from.viewSchema, copies.from), after: qualified(to.viewSchema, copies.to) },
    keys: keyed ? common.filter(({ name }) => keysBefore.includes(name)) : [],
    values: common.filter(({ name }) => !keysBefore.includes(name) && !keysAfter.includes(name)),
    added: namesOf(to.columns).filter((name) => !known.has(name)),
    removed: namesOf(from.columns).filter((name) => !after.has(name)),
  };
};

type Side = 'before' | 'after';

/** The key alone decides, so the row of the other side is in the same bucket. */
const bucketOf = ({ keys }: Shape, side: Side): string => `bitAnd(cityHash64(${keys.map(({ hashed }) => hashed[side]).join(', ')}), ${String(BUCKETS - 1)})`;

const aliasOf = (side: Side): string => (side === 'before' ? 'a' : 'b');

/** Rows and sum of their hashes by bucket, mixed with a seed of each comparison: rows that go unnoticed by chance do so once. */
export const sumsSql = (shape: Shape, side: Side, seed: number): string => {
  const row = [...shape.keys, ...shape.values].map(({ hashed }) => hashed[side]).join(', ');
  return `SELECT ${bucketOf(shape, side)} AS bucket, count(), toString(groupBitXor(sipHash64(${String(seed)}, ${row})))
            FROM ${shape.tables[side]} AS ${aliasOf(side)} GROUP BY bucket`;
};

/** A statement has to stay short: of many buckets the others are named. */
const inSlice = (bucket: string, slice: readonly number[]): string => {
  if (slice.length <= BUCKETS / 2) {
    return ` WHERE ${bucket} IN (${slice.join()})`;
  }
  const named = new Set(slice);
  const others = Array.from({ length: BUCKETS }, (_, i) => i).filter((i) => !named.has(i));
  return others.length === 0 ? '' : ` WHERE ${bucket} NOT IN (${others.join()})`;
};

const joined = (shape: Shape, slice: readonly number[]): string => {
  const side = (of: Side): string =>
    `(SELECT 1 AS _in, ${aliasOf(of)}.* FROM ${shape.tables[of]} AS ${aliasOf(of)}${inSlice(bucketOf(shape, of), slice)}) AS ${aliasOf(of)}`;
  return `${side('before')} FULL JOIN ${side('after')} ON ${shape.keys.map(({ before, after }) => `${before} = ${after}`).join(' AND ')}`;
};

/** Sorting both sides keeps the memory of the join bounded; what a side lacks is 0 and not null, whatever the user's profile says. */
const SETTINGS = `SETTINGS join_algorithm = 'full_sorting_merge', max_bytes_before_external_sort = 500000000, join_use_nulls = 0`;

const BOTH = 'a._in = 1 AND b._in = 1';

const conditions = ({ values }: Shape): Readonly<Record<DiffSample['kind'] | 'tolerated', string>> => {
  const any = (tests: readonly string[]): string => (tests.length === 0 ? '0' : `(${tests.join(' OR ')})`);
  const differs = any(values.map((column) => column.differs));
  return {
    before: 'b._in = 0',
    after: 'a._in = 0',
    changed: `${BOTH} AND ${differs}`,
    tolerated: `${BOTH} AND NOT ${differs} AND ${any(values.map((column) => column.differsExactly))}`,
  };
};

/** Rows only before, only after, changed, tolerated; then the changed rows by column. */
export const countSql = (shape: Shape, slice: readonly number[]): string => {
  const { before, after, changed, tolerated } = conditions(shape);
  const counted = [before, after, changed, tolerated, ...shape.values.map(({ differs }) => `${BOTH} AND ${differs}`)];
  return `SELECT ${counted.map((condition) => `countIf(${condition})`).join(', ')} FROM ${joined(shape, slice)} ${SETTINGS}`;
};

/** The first rows of a kind by key: arrays of keys, values before, values after, and which differ. */
export const sampleSql = (shape: Shape, slice: readonly number[], kind: DiffSample['kind'], limit: number): string => {
  const keys = shape.keys.map((column) => column[kind === 'after' ? 'after' : 'before']);
  const texts = (parts: readonly string[]): string => `[${parts.map((part) => `CAST(toString(${part}), 'Nullable(String)')`).join(', ')}]`;
  // One character more than is shown tells that there are more
  const cut = (part: string): string => `substringUTF8(toString(${part}), 1, ${String(LONGEST_VALUE + 1)})`;
  const { values } = shape;
  return `SELECT ${texts(keys)}, ${texts(values.map(({ before }) => cut(before)))}, ${texts(values.map(({ after }) => cut(after)))}, [${values.map(({ differs }) => differs).join(', ')}]
     FROM ${joined(shape, slice)} WHERE ${conditions(shape)[kind]} ORDER BY ${keys.join(', ')} LIMIT ${String(limit)} ${SETTINGS}`;
};
