import { identifier } from '../../../platform/postgres/quote';
import type { ColumnType } from '../../columns';
import type { ProjectionDefinition } from '../../definition';
import type { Generation } from '../../generations';
import { identityOf, type NamedColumn } from '../../read-model';
import type { Merge, Stamp, StampedRow } from '../../read-model-store';
import { reading } from '../../shape';
import { arrayText, cast, castType, copyLines, elementType, selectColumn } from './columns';
import { LAWS } from './merging';
import { primaryKey, writtenTable } from './table';

interface Field<T> {
  /** Quoted. */
  readonly name: string;
  readonly type: ColumnType;
  readonly of: (row: T) => unknown;
}

/** How many rows are written at once. */
export interface Bulk<T> {
  /** For rows of which the table may hold earlier ones: one array per column, one round trip however many rows. */
  readonly upsert: string;
  readonly values: (rows: readonly T[]) => readonly string[];
  /** For rows of which the table holds none: a fraction of what an upsert costs. */
  readonly copy: string;
  readonly lines: (rows: readonly T[]) => readonly Buffer[];
}

/** The statements that write one generation's table, made once. */
export interface Writes {
  readonly load: string;
  readonly delete: string;
  /** Leaves out a row that another partition wrote since it was loaded. */
  readonly rows: Bulk<StampedRow>;
  /** Of rows whose keys have moved: leaves out those that were changed since they were loaded. */
  readonly moved: { readonly update: string; readonly values: (rows: readonly StampedRow[]) => readonly string[] };
  readonly merges: Bulk<Merge>;
}

const stampFields = <T>(stampOf: (row: T) => Stamp): readonly Field<T>[] => [
  { name: '_topic', type: { kind: 'text' }, of: (row) => stampOf(row).topic },
  { name: '_partition', type: { kind: 'integer' }, of: (row) => stampOf(row).partition },
  { name: '_offset', type: { kind: 'bigint' }, of: (row) => stampOf(row).offset },
];

const mergedValue = (column: NamedColumn): ((merge: Merge) => unknown) => {
  const { name, role, bound } = column;
  if (role === 'window') {
    return bound === 'start' ? ({ window }) => new Date(window!.start) : ({ window }) => new Date(window!.end);
  }
  return reading(role === 'key' ? 'group' : 'measures', name);
};

/** Arrays of the columns' own types: Postgres reads each element once. */
const unnest = <T>(fields: readonly Field<T>[], as: readonly string[]): string =>
  `unnest(${fields.map(({ type }, i) => `$${String(i + 1)}::${elementType(type)}[]`).join(', ')}) AS w(${as.join(', ')})`;

const valuesOf =
  <T>(fields: readonly Field<T>[]) =>
  (rows: readonly T[]): readonly string[] =>
    fields.map(({ type, of }) => arrayText(type, rows.map(of)));

const bulkOf = <T>(table: string, fields: readonly Field<T>[], onConflict: string): Bulk<T> => {
  const names = fields.map(({ name }) => name);
  const given = fields.map(({ name, type }) => cast(type, `w.${name}`)).join(', ');
  return {
    upsert: `INSERT INTO ${table} AS t (${names.join(', ')}) SELECT ${given} FROM ${unnest(fields, names)} ON CONFLICT ${onConflict}`,
    values: valuesOf(fields),
    copy: `COPY ${table} (${names.join(', ')}) FROM STDIN`,
    lines: copyLines(fields),
  };
};

const rowFields = (columns: readonly NamedColumn[]): readonly Field<StampedRow>[] => [
  ...columns.map(({ name, type }) => ({ name: identifier(name), type, of: reading<StampedRow>('row', name) })),
  ...stampFields<StampedRow>(({ stamp }) => stamp),
];

/** Rows that another partition wrote before: only where they are still as they were loaded. */
const movedRows = (table: string, { model: { columns, keys } }: ProjectionDefinition): Writes['moved'] => {
  const key = identifier(keys[0]!.name);
  const fields = rowFields(columns);
  const before = stampFields<StampedRow>(({ movedFrom }) => movedFrom!);
  const names = [...fields.map(({ name }) => name), ...before.map(({ name }) => `from${name}`)];
  const sets = fields.map(({ name, type }) => `${name} = ${cast(type, `w.${name}`)}`);
  return {
    update: `UPDATE ${table} AS t SET ${sets.join(', ')} FROM ${unnest([...fields, ...before], names)}
      WHERE t.${key} = w.${key} AND ${before.map(({ name }) => `t.${name} = w.from${name}`).join(' AND ')}`,
    values: valuesOf([...fields, ...before]),
  };
};

const rowsBulk = (table: string, { model: { columns } }: ProjectionDefinition): Bulk<StampedRow> => {
  const identity = new Set(identityOf(columns));
  const stamps = stampFields<StampedRow>(({ stamp }) => stamp);
  const fields = rowFields(columns);
  const changed = [...columns.filter((column) => !identity.has(column)).map(({ name }) => identifier(name)), ...stamps.map(({ name }) => name)];
  const key = [...identity].map(({ name }) => identifier(name)).join(', ');
  const sets = changed.map((name) => `${name} = excluded.${name}`).join(', ');
  return bulkOf(table, fields, `(${key}) DO UPDATE SET ${sets} WHERE t._partition = excluded._partition AND t._topic = excluded._topic`);
};

const mergesBulk = (generation: Generation, definition: ProjectionDefinition): Bulk<Merge> => {
  const { columns, measures } = definition.model;
  const stamped = generation.storage === 'partials';
  const fields = [
    ...columns.map((column) => ({ name: identifier(column.name), type: column.type, of: mergedValue(column) })),
    ...(stamped ? stampFields<Merge>(({ stamp }) => stamp!) : []),
  ];
  const sets = [
    ...measures.map(({ name, law }) => `${identifier(name)} = ${LAWS[law!].add(identifier(name))}`),
    ...(stamped ? ['_offset = excluded._offset'] : []),
  ];
  return bulkOf(writtenTable(generation), fields, `(${primaryKey(generation, definition).join(', ')}) DO UPDATE SET ${sets.join(', ')}`);
};

export const writesFor = (generation: Generation, definition: ProjectionDefinition): Writes => {
  const table = writtenTable(generation);
  const { columns, keys } = definition.model;
  const key = identifier(keys[0]!.name);
  const keyType = castType(keys[0]!.type);
  const stamps = stampFields<StampedRow>(({ stamp }) => stamp).map(({ name }) => name);
  return {
    load: `SELECT ${[...columns.map(selectColumn), ...stamps].join(', ')} FROM ${table} WHERE ${key} = ANY($1::text[]::${keyType}[])`,
    delete: `DELETE FROM ${table} WHERE ${key} = ANY($1::text[]::${keyType}[])`,
    rows: rowsBulk(table, definition),
    moved: movedRows(table, definition),
    merges: mergesBulk(generation, definition),
  };
};
