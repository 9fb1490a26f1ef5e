import { identifier, qualified } from '../../../platform/postgres/quote';
import type { ProjectionDefinition } from '../../definition';
import type { Generation } from '../../generations';
import type { NamedColumn } from '../../read-model';
import type { Merge, StampedRow } from '../../read-model-store';
import { castType, selectColumn, writeValue } from './columns';
import { identityColumns } from './table';

/** A statement over arrays, one array per column: one round trip however many rows. */
interface ArrayStatement<T> {
  readonly text: string;
  readonly values: (rows: readonly T[]) => readonly (readonly (string | null)[])[];
}

/** The statements that write one generation's table, made once. */
export interface Writes {
  readonly load: string;
  readonly upsert: ArrayStatement<StampedRow>;
  readonly merge: ArrayStatement<Merge>;
  readonly delete: string;
}

const unnest = (types: readonly string[]): string =>
  `SELECT ${types.map((type, i) => `c${String(i)}::${type}`).join(', ')} FROM unnest(${types
    .map((_, i) => `$${String(i + 1)}::text[]`)
    .join(', ')}) AS given(${types.map((_, i) => `c${String(i)}`).join(', ')})`;

const names = (columns: readonly NamedColumn[]): readonly string[] => columns.map(({ name }) => identifier(name));

const upsertText = (table: string, definition: ProjectionDefinition): string => {
  const { columns } = definition.model;
  const stamps = ['_topic', '_partition', '_offset'];
  const identity = new Set(identityColumns(definition));
  const changed = [...names(columns.filter((column) => !identity.has(column))), ...stamps];
  const types = [...columns.map(({ type }) => castType(type)), 'text', 'integer', 'bigint'];
  return `INSERT INTO ${table} (${[...names(columns), ...stamps].join(', ')}) ${unnest(types)}
    ON CONFLICT (${names([...identity]).join(', ')}) DO UPDATE SET ${changed.map((name) => `${name} = excluded.${name}`).join(', ')}`;
};

/** How a stored measure takes up another: each law in SQL (`LEAST` and `GREATEST` skip null, as the law does). */
const MERGES: Readonly<Record<NonNullable<NamedColumn['law']>, (column: string) => string>> = {
  count: (column) => `t.${column} + excluded.${column}`,
  sum: (column) => `t.${column} + excluded.${column}`,
  min: (column) => `LEAST(t.${column}, excluded.${column})`,
  max: (column) => `GREATEST(t.${column}, excluded.${column})`,
};

const mergeText = (table: string, definition: ProjectionDefinition): string => {
  const { columns, measures } = definition.model;
  const sets = measures.map(({ name, law }) => `${identifier(name)} = ${MERGES[law!](identifier(name))}`);
  return `INSERT INTO ${table} AS t (${names(columns).join(', ')}) ${unnest(columns.map(({ type }) => castType(type)))}
    ON CONFLICT (${names(identityColumns(definition)).join(', ')}) DO UPDATE SET ${sets.join(', ')}`;
};

const mergedValue = (column: NamedColumn, merge: Merge): unknown => {
  if (column.role === 'window') {
    return new Date(column.bound === 'start' ? merge.window!.start : merge.window!.end);
  }
  return column.role === 'key' ? merge.group[column.name] : merge.measures[column.name];
};

export const writesFor = (generation: Generation, definition: ProjectionDefinition): Writes => {
  const table = qualified(generation.viewSchema, generation.table);
  const { columns, keys } = definition.model;
  const key = identifier(keys[0]!.name);
  const keyType = castType(keys[0]!.type);
  const rowFold = definition.kind === 'row-fold';
  return {
    load: `SELECT ${[...columns.map(selectColumn), '_topic', '_partition', '_offset'].join(', ')} FROM ${table} WHERE ${key} = ANY($1::text[]::${keyType}[])`,
    delete: `DELETE FROM ${table} WHERE ${key} = ANY($1::text[]::${keyType}[])`,
    upsert: {
      text: rowFold ? upsertText(table, definition) : '',
      values: (rows) => [
        ...columns.map((column) => rows.map(({ row }) => writeValue(column, row[column.name]))),
        rows.map(({ stamp }) => stamp.topic),
        rows.map(({ stamp }) => String(stamp.partition)),
        rows.map(({ stamp }) => String(stamp.offset)),
      ],
    },
    merge: {
      text: rowFold ? '' : mergeText(table, definition),
      values: (merges) => columns.map((column) => merges.map((merge) => writeValue(column, mergedValue(column, merge)))),
    },
  };
};
