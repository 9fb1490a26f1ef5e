import { identifier } from '../../../platform/postgres/quote';
import type { ProjectionDefinition } from '../../definition';
import type { Generation } from '../../generations';
import { identityOf, type NamedColumn } from '../../read-model';
import type { Merge, Stamp, StampedRow } from '../../read-model-store';
import { arrayText, cast, castType, elementType, selectColumn } from './columns';
import { LAWS } from './merging';
import { primaryKey, writtenTable } from './table';

/** A statement over arrays, one array per column: one round trip however many rows. */
interface ArrayStatement<T> {
  readonly text: string;
  readonly values: (rows: readonly T[]) => readonly string[];
}

/** The statements that write one generation's table, made once. */
export interface Writes {
  readonly load: string;
  /** Leaves out a row that another partition wrote since it was loaded. */
  readonly upsert: ArrayStatement<StampedRow>;
  /** Of rows whose keys have moved: leaves out those that were changed since they were loaded. */
  readonly upsertMoved: ArrayStatement<StampedRow>;
  readonly merge: ArrayStatement<Merge>;
  readonly delete: string;
}

/** Arrays of the columns' own types: Postgres reads each element once. */
const parameters = (types: readonly string[]): string => types.map((type, i) => `$${String(i + 1)}::${type}[]`).join(', ');

const unnest = (columns: readonly NamedColumn[], stamps: readonly (readonly [name: string, type: string])[]): string => {
  const types = [...columns.map(({ type }) => elementType(type)), ...stamps.map(([, type]) => type)];
  const all = [...names(columns), ...stamps.map(([name]) => name)];
  const values = [...columns.map(({ name, type }) => cast(type, `w.${identifier(name)}`)), ...stamps.map(([name]) => `w.${name}`)];
  return `SELECT ${values.join(', ')} FROM unnest(${parameters(types)}) AS w(${all.join(', ')})`;
};

const names = (columns: readonly NamedColumn[]): readonly string[] => columns.map(({ name }) => identifier(name));

const STAMPED = [
  ['_topic', 'text'],
  ['_partition', 'integer'],
  ['_offset', 'bigint'],
] as const;
const STAMPS = STAMPED.map(([name]) => name);
const STAMP_TYPES = STAMPED.map(([, type]) => type);

const stampValues = (stamps: readonly Stamp[]): readonly string[] => [
  arrayText(
    { kind: 'text' },
    stamps.map(({ topic }) => topic),
  ),
  arrayText(
    { kind: 'integer' },
    stamps.map(({ partition }) => partition),
  ),
  arrayText(
    { kind: 'bigint' },
    stamps.map(({ offset }) => offset),
  ),
];

const upsertText = (table: string, definition: ProjectionDefinition): string => {
  const { columns } = definition.model;
  const identity = new Set(identityOf(columns));
  const changed = [...names(columns.filter((column) => !identity.has(column))), ...STAMPS];
  return `INSERT INTO ${table} AS t (${[...names(columns), ...STAMPS].join(', ')}) ${unnest(columns, STAMPED)}
    ON CONFLICT (${names([...identity]).join(', ')}) DO UPDATE SET ${changed.map((name) => `${name} = excluded.${name}`).join(', ')}
    WHERE t._partition = excluded._partition AND t._topic = excluded._topic`;
};

/** The same for rows that another partition wrote before: only where they are still as they were loaded. */
const movedText = (table: string, definition: ProjectionDefinition): string => {
  const { columns, keys } = definition.model;
  const key = identifier(keys[0]!.name);
  const given = [...names(columns), ...STAMPS];
  const types = [...columns.map(({ type }) => elementType(type)), ...STAMP_TYPES, ...STAMP_TYPES];
  const sets = [...columns.map(({ name, type }) => [identifier(name), cast(type, `w.${identifier(name)}`)]), ...STAMPS.map((name) => [name, `w.${name}`])];
  return `UPDATE ${table} AS t SET ${sets.map((set) => set.join(' = ')).join(', ')}
    FROM unnest(${parameters(types)}) AS w(${[...given, 'from_topic', 'from_partition', 'from_offset'].join(', ')})
    WHERE t.${key} = w.${key} AND t._topic = w.from_topic AND t._partition = w.from_partition AND t._offset = w.from_offset`;
};

const mergeText = (generation: Generation, definition: ProjectionDefinition): string => {
  const { columns, measures } = definition.model;
  const stamped = generation.storage === 'partials';
  const sets = measures.map(({ name, law }) => `${identifier(name)} = ${LAWS[law!].add(identifier(name))}`);
  return `INSERT INTO ${writtenTable(generation)} AS t (${[...names(columns), ...(stamped ? STAMPS : [])].join(', ')}) ${unnest(columns, stamped ? STAMPED : [])}
    ON CONFLICT (${primaryKey(generation, definition).join(', ')}) DO UPDATE SET ${[...sets, ...(stamped ? ['_offset = excluded._offset'] : [])].join(', ')}`;
};

const mergedValue = (column: NamedColumn, merge: Merge): unknown => {
  if (column.role === 'window') {
    return new Date(column.bound === 'start' ? merge.window!.start : merge.window!.end);
  }
  return column.role === 'key' ? merge.group[column.name] : merge.measures[column.name];
};

const rowValues = (columns: readonly NamedColumn[], rows: readonly StampedRow[]): readonly string[] => [
  ...columns.map(({ name, type }) =>
    arrayText(
      type,
      rows.map(({ row }) => row[name]),
    ),
  ),
  ...stampValues(rows.map(({ stamp }) => stamp)),
];

export const writesFor = (generation: Generation, definition: ProjectionDefinition): Writes => {
  const table = writtenTable(generation);
  const { columns, keys } = definition.model;
  const key = identifier(keys[0]!.name);
  const keyType = castType(keys[0]!.type);
  const rowFold = definition.kind === 'row-fold';
  return {
    load: `SELECT ${[...columns.map(selectColumn), ...STAMPS].join(', ')} FROM ${table} WHERE ${key} = ANY($1::text[]::${keyType}[])`,
    delete: `DELETE FROM ${table} WHERE ${key} = ANY($1::text[]::${keyType}[])`,
    upsert: { text: rowFold ? upsertText(table, definition) : '', values: (rows) => rowValues(columns, rows) },
    upsertMoved: {
      text: rowFold ? movedText(table, definition) : '',
      values: (rows) => [...rowValues(columns, rows), ...stampValues(rows.map(({ movedFrom }) => movedFrom!))],
    },
    merge: {
      text: rowFold ? '' : mergeText(generation, definition),
      values: (merges) => [
        ...columns.map((column) =>
          arrayText(
            column.type,
            merges.map((merge) => mergedValue(column, merge)),
          ),
        ),
        ...(generation.storage === 'partials' ? stampValues(merges.map(({ stamp }) => stamp!)) : []),
      ],
    },
  };
};
