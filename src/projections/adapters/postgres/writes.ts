import { identifier } from '../../../platform/postgres/quote';
import type { ColumnType } from '../../columns';
import type { ProjectionDefinition } from '../../definition';
import type { Generation } from '../../generations';
import type { NamedColumn } from '../../read-model';
import type { Merge, Stamp, StampedRow } from '../../read-model-store';
import { reading } from '../../shape';
import { arrayText, cast, copyLines, elementType, selectColumn } from './columns';
import { isOneOf } from './identity';
import { LAWS } from './merging';
import { writtenTables, type WrittenTable } from './table';

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

/** The statements that write the rows of one table by what identifies them. */
export interface RowWrites {
  readonly identity: readonly NamedColumn[];
  /** One array of texts per column that identifies rows. */
  readonly delete: string;
  readonly rows: Bulk<StampedRow>;
}

/** Of rows that are loaded before, by their only key. A row that another partition wrote since is left out. */
export interface FoldedWrites extends RowWrites {
  readonly load: string;
  /** Of rows whose keys have moved: leaves out those that were changed since they were loaded. */
  readonly moved: { readonly update: string; readonly values: (rows: readonly StampedRow[]) => readonly string[] };
}

/** The statements that write one generation, made once: what its storage needs. */
export interface Writes {
  /** What is loaded and folded by key. */
  readonly folded?: FoldedWrites;
  /** The rows for readers, where they lie beside it: whose they are is known by then. */
  readonly shown?: RowWrites;
  readonly merges?: Bulk<Merge>;
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
const movedRows = ({ qualified: table, columns, identity }: WrittenTable): FoldedWrites['moved'] => {
  const fields = rowFields(columns);
  const before = stampFields<StampedRow>(({ movedFrom }) => movedFrom!);
  const names = [...fields.map(({ name }) => name), ...before.map(({ name }) => `from${name}`)];
  const sets = fields.map(({ name, type }) => `${name} = ${cast(type, `w.${name}`)}`);
  const keys = identity.map(({ name }) => `t.${identifier(name)} = w.${identifier(name)}`);
  const same = [...keys, ...before.map(({ name }) => `t.${name} = w.from${name}`)];
  return {
    update: `UPDATE ${table} AS t SET ${sets.join(', ')} FROM ${unnest([...fields, ...before], names)} WHERE ${same.join(' AND ')}`,
    values: valuesOf([...fields, ...before]),
  };
};

const OF_THIS_PARTITION = ' WHERE t._partition = excluded._partition AND t._topic = excluded._topic';

const rowsBulk = ({ qualified: table, columns, identity, primaryKey }: WrittenTable, condition: string): Bulk<StampedRow> => {
  const known = new Set(identity);
  const stamps = stampFields<StampedRow>(({ stamp }) => stamp);
  const changed = [...columns.filter((column) => !known.has(column)).map(({ name }) => identifier(name)), ...stamps.map(({ name }) => name)];
  const sets = changed.map((name) => `${name} = excluded.${name}`).join(', ');
  return bulkOf(table, rowFields(columns), `(${primaryKey.join(', ')}) DO UPDATE SET ${sets}${condition}`);
};

const mergesBulk = ({ qualified: table, columns, primaryKey, isStamped }: WrittenTable): Bulk<Merge> => {
  const fields = [
    ...columns.map((column) => ({ name: identifier(column.name), type: column.type, of: mergedValue(column) })),
    ...(isStamped ? stampFields<Merge>(({ stamp }) => stamp!) : []),
  ];
  const sets = [
    ...columns.flatMap(({ name, law }) => (law === undefined ? [] : [`${identifier(name)} = ${LAWS[law].add(identifier(name))}`])),
    ...(isStamped ? ['_offset = excluded._offset'] : []),
  ];
  return bulkOf(table, fields, `(${primaryKey.join(', ')}) DO UPDATE SET ${sets.join(', ')}`);
};

const rowWrites = (table: WrittenTable, condition = ''): RowWrites => {
  const { identity } = table;
  return { identity, delete: `DELETE FROM ${table.qualified} WHERE ${isOneOf(identity)}`, rows: rowsBulk(table, condition) };
};

const foldedWrites = (table: WrittenTable): FoldedWrites => {
  const stamps = stampFields<StampedRow>(({ stamp }) => stamp).map(({ name }) => name);
  const load = `SELECT ${[...table.columns.map(selectColumn), ...stamps].join(', ')} FROM ${table.qualified} WHERE ${isOneOf(table.identity)}`;
  return { ...rowWrites(table, OF_THIS_PARTITION), load, moved: movedRows(table) };
};

export const writesFor = (generation: Generation, definition: ProjectionDefinition): Writes => {
  const [shown, groups] = writtenTables(generation, definition);
  switch (generation.storage) {
    case 'rows':
      return { folded: foldedWrites(shown) };
    case 'groups':
      return { folded: foldedWrites(groups!), shown: rowWrites(shown) };
    default:
      return { merges: mergesBulk(shown) };
  }
};
