import { isDeepStrictEqual } from 'node:util';
import type { CellRow, ClickHouse } from '../../../platform/clickhouse/client';
import { identifier, literal, qualified } from '../../../platform/clickhouse/quote';
import type { NamedColumn } from '../../../projections/read-model';
import { identityOf } from '../../../projections/read-model';
import type { GenerationPair } from '../../ports';
import type { DiffSample, RowDiff } from '../../verdict';

const NUMERIC = new Set(['integer', 'bigint', 'decimal']);

interface Compared {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

const wide = (scale: number, nullable: boolean): string => (nullable ? `Nullable(Decimal(76, ${String(scale)}))` : `Decimal(76, ${String(scale)})`);

/** Both sides of a comparison, as text where the types have no common equality. */
const sides = (before: NamedColumn, after: NamedColumn): Compared => {
  const quoted = identifier(before.name);
  const isArray = before.type.kind === 'array' || after.type.kind === 'array';
  const isSame = isArray ? isDeepStrictEqual(before.type, after.type) : before.type.kind === after.type.kind;
  const comparable = isSame || (NUMERIC.has(before.type.kind) && NUMERIC.has(after.type.kind));
  const side = (alias: string, own: NamedColumn, other: NamedColumn): string => {
    const value = `${alias}.${quoted}`;
    if (!comparable) {
      return `toString(${value})`;
    }
    // An integer that a decimal of the other side could not hold would end the query
    return own.type.kind !== 'decimal' && other.type.kind === 'decimal' ? `CAST(${value}, ${literal(wide(other.type.scale, own.nullable))})` : value;
  };
  return { name: before.name, before: side('a', before, after), after: side('b', after, before) };
};

interface Shape {
  readonly keys: readonly Compared[];
  readonly values: readonly Compared[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

const namesOf = (columns: readonly { readonly name: string }[]): readonly string[] => columns.map(({ name }) => name);

const shapeOf = ({ from, to }: GenerationPair): Shape => {
  const after = new Map(to.columns.map((column) => [column.name, column]));
  const common = from.columns.flatMap((column) => (after.has(column.name) ? [sides(column, after.get(column.name)!)] : []));
  const [keysBefore, keysAfter] = [namesOf(identityOf(from.columns)), namesOf(identityOf(to.columns))];
  const keyed = [...keysBefore].sort().join('\0') === [...keysAfter].sort().join('\0');
  return {
    keys: keyed ? common.filter(({ name }) => keysBefore.includes(name)) : [],
    values: common.filter(({ name }) => !keysBefore.includes(name) && !keysAfter.includes(name)),
    added: namesOf(to.columns).filter((name) => !from.columns.some((column) => column.name === name)),
    removed: namesOf(from.columns).filter((name) => !after.has(name)),
  };
};

/** What holds the rows of both sides: names of views over copies. */
export interface Copies {
  readonly from: string;
  readonly to: string;
}

/** Sorting both sides keeps the memory of the join bounded; what a side lacks is 0 and not null, whatever the user's profile says. */
const SETTINGS = `SETTINGS join_algorithm = 'full_sorting_merge', max_bytes_before_external_sort = 500000000, join_use_nulls = 0`;

const ONLY_BEFORE = 'b._in = 0';
const ONLY_AFTER = 'a._in = 0';
const differs = ({ before, after }: Compared): string => `(${before} IS DISTINCT FROM ${after})`;
const changed = ({ values }: Shape): string => (values.length === 0 ? '0' : `a._in = 1 AND b._in = 1 AND (${values.map(differs).join(' OR ')})`);

const joined = ({ from, to }: GenerationPair, copies: Copies, { keys }: Shape): string => {
  const side = (database: string, name: string): string => `(SELECT 1 AS _in, * FROM ${qualified(database, name)})`;
  const on = keys.map(({ before, after }) => `${before} = ${after}`).join(' AND ');
  return `${side(from.viewSchema, copies.from)} AS a FULL JOIN ${side(to.viewSchema, copies.to)} AS b ON ${on}`;
};

const countRows = async (clickhouse: ClickHouse, database: string, name: string): Promise<number> =>
  Number((await clickhouse.slowRows(`SELECT count() FROM ${qualified(database, name)}`))[0]![0]);

const sample = async (
  clickhouse: ClickHouse,
  from: string,
  shape: Shape,
  kind: DiffSample['kind'],
  where: string,
  limit: number,
): Promise<readonly DiffSample[]> => {
  const side = kind === 'after' ? 'after' : 'before';
  const keys = shape.keys.map((column) => column[side]);
  const texts = (parts: readonly string[]): string => `[${parts.map((part) => `CAST(toString(${part}), 'Nullable(String)')`).join(', ')}]`;
  const rows = (await clickhouse.slowRows(
    `SELECT ${texts(keys)}, ${texts(shape.values.map(({ before }) => before))}, ${texts(shape.values.map(({ after }) => after))}, [${shape.values.map(differs).join(', ')}]
     FROM ${from} WHERE ${where} ORDER BY ${keys.join(', ')} LIMIT ${String(limit)} ${SETTINGS}`,
  )) as unknown as readonly (readonly [CellRow, CellRow, CellRow, readonly number[]])[];
  return rows.map(([key, before, after, different]) => ({
    kind,
    key: Object.fromEntries(shape.keys.map(({ name }, i) => [name, key[i] as string])),
    changes: shape.values
      .map(({ name }, i) => ({
        column: name,
        before: kind === 'after' ? null : (before[i] as string | null),
        after: kind === 'before' ? null : (after[i] as string | null),
        differs: kind !== 'changed' || different[i] === 1,
      }))
      .filter((change) => change.differs && (change.before !== null || change.after !== null))
      .map(({ column, before: was, after: is }) => ({ column, before: was, after: is })),
  }));
};

/** Compares the rows of both sides by key; Node holds only the samples. */
export const diffCopies = async (clickhouse: ClickHouse, pair: GenerationPair, copies: Copies, samples: number): Promise<RowDiff> => {
  const shape = shapeOf(pair);
  const rest = { addedColumns: shape.added, removedColumns: shape.removed, keyColumns: namesOf(shape.keys) };
  const rows = {
    before: await countRows(clickhouse, pair.from.viewSchema, copies.from),
    after: await countRows(clickhouse, pair.to.viewSchema, copies.to),
  };
  if (shape.keys.length === 0) {
    return { rows, onlyBefore: 0, onlyAfter: 0, changed: 0, changedByColumn: {}, ...rest, samples: [] };
  }
  const from = joined(pair, copies, shape);
  const byColumn = shape.values.map((column) => `countIf(a._in = 1 AND b._in = 1 AND ${differs(column)})`);
  const counts = ['onlyBefore', 'onlyAfter', 'changed'] as const;
  const conditions = { onlyBefore: ONLY_BEFORE, onlyAfter: ONLY_AFTER, changed: changed(shape) };
  const counted = counts.map((name) => `countIf(${conditions[name]})`);
  const [cells] = await clickhouse.slowRows(`SELECT ${[...counted, ...byColumn].join(', ')} FROM ${from} ${SETTINGS}`);
  const [onlyBefore, onlyAfter, changedRows, ...columns] = cells!.map(Number) as [number, number, number, ...number[]];
  const changedByColumn = Object.fromEntries(shape.values.map(({ name }, i) => [name, columns[i]!] as const).filter(([, n]) => n > 0));
  const found: DiffSample[] = [];
  for (const [kind, where, n] of [
    ['changed', conditions.changed, changedRows],
    ['before', ONLY_BEFORE, onlyBefore],
    ['after', ONLY_AFTER, onlyAfter],
  ] as const) {
    const room = Math.min(n, samples - found.length);
    found.push(...(room > 0 ? await sample(clickhouse, from, shape, kind, where, room) : []));
  }
  return { rows, onlyBefore, onlyAfter, changed: changedRows, changedByColumn, ...rest, samples: found };
};
