import { identifier } from '../../../platform/postgres/quote';
import type { ColumnType } from '../../columns';
import type { ProjectionDefinition } from '../../definition';
import type { Generation } from '../../generations';
import { identityOf, type NamedColumn } from '../../read-model';
import type { Merge, Stamp, StampedRow } from '../../read-model-store';
import { arrayText, castType, copyLines, selectColumn } from './columns';
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
  readonly lines: (rows: readonly T[]) => string;
}

/** The statements that write one generation's table, made once. */
export interface Writes {
  readonly load: string;
  readonly delete: string;
  /** Leaves out a row that another partition wrote since it was loaded. */
  readonly rows: Bulk<StampedRow>;
  readonly merges: Bulk<Merge>;
}

const stampFields = <T extends { readonly stamp: Stamp | undefined }>(): readonly Field<T>[] => [
  { name: '_topic', type: { kind: 'text' }, of: ({ stamp }) => stamp!.topic },
  { name: '_partition', type: { kind: 'integer' }, of: ({ stamp }) => stamp!.partition },
  { name: '_offset', type: { kind: 'bigint' }, of: ({ stamp }) => stamp!.offset },
];

const mergedValue = (column: NamedColumn): ((merge: Merge) => unknown) => {
  const { name, role, bound } = column;
  if (role === 'window') {
    return bound === 'start' ? ({ window }) => new Date(window!.start) : ({ window }) => new Date(window!.end);
  }
  return role === 'key' ? ({ group }) => group[name] : ({ measures }) => measures[name];
};

/** Arrays of the columns' own types: Postgres reads each element once. */
const bulkOf = <T>(table: string, fields: readonly Field<T>[], onConflict: string): Bulk<T> => {
  const into = `${table} AS t (${fields.map(({ name }) => name).join(', ')})`;
  const arrays = fields.map(({ type }, i) => `$${String(i + 1)}::${castType(type)}[]`);
  return {
    upsert: `INSERT INTO ${into} SELECT * FROM unnest(${arrays.join(', ')}) ON CONFLICT ${onConflict}`,
    values: (rows) => fields.map(({ type, of }) => arrayText(type, rows.map(of))),
    copy: `COPY ${table} (${fields.map(({ name }) => name).join(', ')}) FROM STDIN`,
    lines: (rows) => copyLines(fields, rows),
  };
};

const rowsBulk = (table: string, { model: { columns } }: ProjectionDefinition): Bulk<StampedRow> => {
  const identity = new Set(identityOf(columns));
  const stamps = stampFields<StampedRow>();
  const fields = [...columns.map(({ name, type }) => ({ name: identifier(name), type, of: ({ row }: StampedRow) => row[name] })), ...stamps];
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
    ...(stamped ? stampFields<Merge>() : []),
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
  const stamps = stampFields<StampedRow>().map(({ name }) => name);
  return {
    load: `SELECT ${[...columns.map(selectColumn), ...stamps].join(', ')} FROM ${table} WHERE ${key} = ANY($1::text[]::${keyType}[])`,
    delete: `DELETE FROM ${table} WHERE ${key} = ANY($1::text[]::${keyType}[])`,
    rows: rowsBulk(table, definition),
    merges: mergesBulk(generation, definition),
  };
};
