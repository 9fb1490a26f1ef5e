import { RefoldError } from '../../../kernel/errors';
import type { ClickHouse } from '../../../platform/clickhouse/client';
import { identifier, literal, qualified } from '../../../platform/clickhouse/quote';
import { ONE_SERVER, newestWins, onCluster, type Topology } from '../../../platform/clickhouse/topology';
import { generationLabel, rowTables, type Generation } from '../../generations';
import { GROUPS } from '../../kept-groups';
import { missingTable, schemaDrift } from '../../schema-drift';
import type { NamedColumn } from '../../read-model';
import { identityOf } from '../../read-model';
import { columnType, plainType } from './columns';
import { createStreamTimeTable, isByStreamTime, publishedSelect } from './published';

/** What the engine needs beside the columns of the model; readers never see it. */
const STAMPS = [
  ['_topic', 'LowCardinality(String)'],
  ['_partition', 'UInt32'],
  ['_offset', 'UInt64'],
  ['_version', 'UInt128'],
  ['_deleted', 'Bool'],
] as const;
export const STAMP_COLUMNS = STAMPS.map(([name]) => name);

/** The table of the rows that readers see; the generation's own name is a view over it. */
export const rowsTable = (generation: Generation): string => rowTables(generation)[0];

/** A table of a generation that rows are written to. */
export interface WrittenTable {
  readonly name: string;
  /** Quoted, with its database. */
  readonly qualified: string;
  readonly columns: readonly NamedColumn[];
  readonly identity: readonly NamedColumn[];
  /** What identifies a stored row, quoted. */
  readonly sortingKey: readonly string[];
}

const tableOf = ({ viewSchema, storage }: Generation, name: string, columns: readonly NamedColumn[]): WrittenTable => {
  const identity = identityOf(columns);
  const source = storage === 'partials' ? ['_topic', '_partition'] : [];
  return {
    name,
    qualified: qualified(viewSchema, name),
    columns,
    identity,
    sortingKey: [...identity.map((column) => identifier(column.name)), ...source],
  };
};

/** All of them: first that of the rows that readers see, of storage `groups` then that of what is kept of groups. */
export const writtenTables = (generation: Generation): readonly [WrittenTable, ...WrittenTable[]] => {
  const [shown, ...groups] = rowTables(generation);
  return [tableOf(generation, shown, generation.columns), ...groups.map((name) => tableOf(generation, name, GROUPS.columns))];
};

/** Digits that the sum of a Decimal128 may grow by before it wraps silently: more partials than that nobody has. */
const ROOM_TO_GROW = 10;

/** Sums of decimals wrap, they do not overflow: where that could happen they are added in the widest type, and checked by the cast back. */
const sumOfDecimals = (column: NamedColumn, precision: number, scale: number, quoted: string): string => {
  const term = precision + ROOM_TO_GROW > 38 ? `CAST(${quoted}, 'Decimal(76, ${String(scale)})')` : quoted;
  return `CAST(sum(${term}), ${literal(plainType(column))})`;
};

/** What merges the partials of one measure, in the measure's own type; what overflows it is an error, never another number. */
const MERGES: Readonly<Record<NonNullable<NamedColumn['law']>, (column: NamedColumn, quoted: string) => string>> = {
  count: (_, quoted) => `accurateCast(sum(toInt128(${quoted})), 'Int64')`,
  sum: (column, quoted) =>
    column.type.kind === 'decimal'
      ? sumOfDecimals(column, column.type.precision, column.type.scale, quoted)
      : `accurateCast(sum(toInt128(${quoted})), 'Int64')`,
  min: (_, quoted) => `min(${quoted})`,
  max: (_, quoted) => `max(${quoted})`,
};

/**
 * All versions of a row have one key, so conditions on it may be tested before the versions are compared. ClickHouse does that by
 * itself only without `FINAL`, and would read every column of what the primary key leaves over. Other conditions stay behind it.
 */
const KEYS_FIRST = 'SETTINGS optimize_move_to_prewhere_if_final = 1';

/** The newest version of each row of a table, without the deleted ones; partials merged. */
const allRows = (generation: Generation, table: string): string => {
  const { columns, storage, viewSchema } = generation;
  const from = `FROM ${qualified(viewSchema, table)} AS stored FINAL WHERE NOT stored._deleted`;
  const stored = ({ name }: NamedColumn): string => `stored.${identifier(name)}`;
  if (storage !== 'partials') {
    return `SELECT ${columns.map((column) => `${stored(column)} AS ${identifier(column.name)}`).join(', ')} ${from} ${KEYS_FIRST}`;
  }
  const merged = columns.map((column) => {
    const shown = column.role === 'measure' ? MERGES[column.law!](column, stored(column)) : column.bound === 'end' ? `any(${stored(column)})` : stored(column);
    return `${shown} AS ${identifier(column.name)}`;
  });
  return `SELECT ${merged.join(', ')} ${from} GROUP BY ${identityOf(columns).map(stored).join(', ')} ${KEYS_FIRST}`;
};

/** What readers see of a table of rows. */
export const readableSelect = (generation: Generation, table: string): string => publishedSelect(generation, allRows(generation, table));

/** All rows of a generation, whether readers see them yet or not. */
export const everyRow = (generation: Generation): string => allRows(generation, rowsTable(generation));

/** The comment of the table: whose rows these are. Names alone come again: in another application, or after the control schema was made anew. */
const ownership = ({ app, id, createdAt }: Generation): string => JSON.stringify({ refold: 'rows', app, generation: id, createdAt });

const createRows = (generation: Generation, { qualified: table, columns, sortingKey }: WrittenTable, topology: Topology): string => {
  const declared = [...columns.map((column) => [identifier(column.name), columnType(column)] as const), ...STAMPS].map(([name, type]) => `${name} ${type}`);
  return `CREATE TABLE IF NOT EXISTS ${table}${onCluster(topology)} (${declared.join(', ')})
     ${newestWins(topology, sortingKey)}
     COMMENT ${literal(ownership(generation))}`;
};

/**
 * DDL of a generation: the tables of its rows and the view over what readers see of them. Of rows with the same key the highest
 * version counts; a deleted one keeps its version, so that an older row that lands late stays invisible.
 */
export const createTables = (generation: Generation, topology: Topology = ONE_SERVER): readonly string[] => {
  const view = qualified(generation.viewSchema, generation.table);
  return [
    ...writtenTables(generation).map((table) => createRows(generation, table, topology)),
    ...(isByStreamTime(generation) ? [createStreamTimeTable(generation, topology)] : []),
    `CREATE VIEW IF NOT EXISTS ${view}${onCluster(topology)} AS ${readableSelect(generation, rowsTable(generation))}`,
  ];
};

/** @throws RefoldError `store.name-taken` if one of the tables was made for another generation */
const assertOwn = async (clickhouse: ClickHouse, generation: Generation): Promise<void> => {
  for (const name of rowTables(generation)) {
    await assertOwnTable(clickhouse, generation, name);
  }
};

const assertOwnTable = async (clickhouse: ClickHouse, generation: Generation, name: string): Promise<void> => {
  const { viewSchema: database } = generation;
  const [found] = await clickhouse.rows('SELECT comment FROM system.tables WHERE database = {database:String} AND name = {name:String}', { database, name });
  if (found !== undefined && found[0] !== ownership(generation)) {
    throw new RefoldError('store.name-taken', `table ${name} holds rows of something else`, {
      facts: { name: `${database}.${name}`, generation: generationLabel(generation), madeFor: String(found[0]) || undefined },
      remedy:
        'Drop it and the view beside it if nobody needs it (the control schema was made anew), or use another database: applications that share one need read models of different names.',
    });
  }
};

/** Whether nothing is missing: the view comes last. On a cluster this server does not know of the others. */
const isProvisioned = async (clickhouse: ClickHouse, generation: Generation): Promise<boolean> => {
  if (clickhouse.topology.cluster !== '') {
    return false;
  }
  const { viewSchema: database, table } = generation;
  const rows = await clickhouse.rows('SELECT name, comment FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}', {
    database,
    names: [...rowTables(generation), table],
  });
  const comments = new Map(rows.map(([name, comment]) => [name, comment]));
  return comments.has(table) && rowTables(generation).every((name) => comments.get(name) === ownership(generation));
};

/** Creates what is missing, and asks no more than once where nothing is. @throws RefoldError `store.name-taken` */
export const provisionTables = async (clickhouse: ClickHouse, generation: Generation): Promise<void> => {
  if (await isProvisioned(clickhouse, generation)) {
    return;
  }
  await assertOwn(clickhouse, generation);
  for (const statement of createTables(generation, clickhouse.topology)) {
    await clickhouse.command(statement);
  }
  await assertOwn(clickhouse, generation); // another application may have been quicker
};

/**
 * @throws RefoldError `store.schema-drift` naming the first column that differs; `generation.not-provisioned` if a candidate has no table yet;
 *   `store.name-taken` if the table was made for another generation
 */
export const assertTables = async (clickhouse: ClickHouse, generation: Generation): Promise<void> => {
  for (const table of writtenTables(generation)) {
    await assertTable(clickhouse, generation, table);
  }
};

const assertTable = async (clickhouse: ClickHouse, generation: Generation, { name: table, columns }: WrittenTable): Promise<void> => {
  const rows = await clickhouse.rows('SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}', {
    database: generation.viewSchema,
    table,
  });
  const drift = (message: string, column?: string): never => {
    throw schemaDrift(generation, table, message, column);
  };
  if (rows.length === 0) {
    throw missingTable(generation, table);
  }
  await assertOwnTable(clickhouse, generation, table);
  const found = new Map(rows.map(([name, type]) => [name, type]));
  for (const [name, declared] of [...columns.map((column) => [column.name, columnType(column)] as const), ...STAMPS]) {
    const actual = found.get(name) ?? drift(`column ${name} is missing`, name);
    if (actual !== declared) {
      drift(`column ${name} is ${String(actual)}, declared is ${declared}`, name);
    }
  }
};
