import { RefoldError } from '../../../kernel/errors';
import type { ClickHouse } from '../../../platform/clickhouse/client';
import { identifier, literal, qualified } from '../../../platform/clickhouse/quote';
import { ONE_SERVER, newestWins, onCluster, type Topology } from '../../../platform/clickhouse/topology';
import { generationLabel, type Generation } from '../../generations';
import { missingTable, schemaDrift } from '../../schema-drift';
import type { NamedColumn } from '../../read-model';
import { identityOf } from '../../read-model';
import { columnType, plainType } from './columns';
import { rowsTable } from './rows-table';
import { createStreamTimeTable, isByStreamTime, publishedSelect } from './published';

export { rowsTable } from './rows-table';

/** What the engine needs beside the columns of the model; readers never see it. */
const STAMPS = [
  ['_topic', 'LowCardinality(String)'],
  ['_partition', 'UInt32'],
  ['_offset', 'UInt64'],
  ['_version', 'UInt128'],
  ['_deleted', 'Bool'],
] as const;
export const STAMP_COLUMNS = STAMPS.map(([name]) => name);

/** What identifies a stored row. */
export const sortingKey = ({ columns, storage }: Generation): readonly string[] => [
  ...identityOf(columns).map(({ name }) => identifier(name)),
  ...(storage === 'partials' ? ['_topic', '_partition'] : []),
];

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

/** The newest version of each row of a table, without the deleted ones; partials merged. */
const allRows = (generation: Generation, table: string): string => {
  const { columns, storage, viewSchema } = generation;
  const from = `FROM ${qualified(viewSchema, table)} AS stored FINAL WHERE NOT stored._deleted`;
  const stored = ({ name }: NamedColumn): string => `stored.${identifier(name)}`;
  if (storage !== 'partials') {
    return `SELECT ${columns.map((column) => `${stored(column)} AS ${identifier(column.name)}`).join(', ')} ${from}`;
  }
  const merged = columns.map((column) => {
    const shown = column.role === 'measure' ? MERGES[column.law!](column, stored(column)) : column.bound === 'end' ? `any(${stored(column)})` : stored(column);
    return `${shown} AS ${identifier(column.name)}`;
  });
  return `SELECT ${merged.join(', ')} ${from} GROUP BY ${identityOf(columns).map(stored).join(', ')}`;
};

/** What readers see of a table of rows. */
export const readableSelect = (generation: Generation, table: string): string => publishedSelect(generation, allRows(generation, table));

/** All rows of a generation, whether readers see them yet or not. */
export const everyRow = (generation: Generation): string => allRows(generation, rowsTable(generation));

/** The comment of the table: whose rows these are. Names alone come again: in another application, or after the control schema was made anew. */
const ownership = ({ app, id, createdAt }: Generation): string => JSON.stringify({ refold: 'rows', app, generation: id, createdAt });

/**
 * DDL of a generation: the table of its rows and the view over it. Of rows with the same key the highest version counts;
 * a deleted one keeps its version, so that an older row that lands late stays invisible.
 */
export const createTable = (generation: Generation, topology: Topology = ONE_SERVER): readonly string[] => {
  const { viewSchema, table, columns } = generation;
  const declared = [...columns.map((column) => [identifier(column.name), columnType(column)] as const), ...STAMPS].map(([name, type]) => `${name} ${type}`);
  const rows = rowsTable(generation);
  return [
    `CREATE TABLE IF NOT EXISTS ${qualified(viewSchema, rows)}${onCluster(topology)} (${declared.join(', ')})
     ${newestWins(topology, sortingKey(generation))}
     COMMENT ${literal(ownership(generation))}`,
    ...(isByStreamTime(generation) ? [createStreamTimeTable(generation, topology)] : []),
    `CREATE VIEW IF NOT EXISTS ${qualified(viewSchema, table)}${onCluster(topology)} AS ${readableSelect(generation, rows)}`,
  ];
};

/** @throws RefoldError `store.name-taken` if the table was made for another generation */
const assertOwn = async (clickhouse: ClickHouse, generation: Generation): Promise<void> => {
  const { viewSchema: database } = generation;
  const name = rowsTable(generation);
  const [found] = await clickhouse.rows('SELECT comment FROM system.tables WHERE database = {database:String} AND name = {name:String}', { database, name });
  if (found !== undefined && found[0] !== ownership(generation)) {
    throw new RefoldError('store.name-taken', `table ${name} holds rows of something else`, {
      facts: { name: `${database}.${name}`, generation: generationLabel(generation), madeFor: String(found[0]) || undefined },
      remedy:
        'Drop it and the view beside it if nobody needs it (the control schema was made anew), or use another database: applications that share one need read models of different names.',
    });
  }
};

/** Creates what is missing. @throws RefoldError `store.name-taken` */
export const provisionTable = async (clickhouse: ClickHouse, generation: Generation): Promise<void> => {
  await assertOwn(clickhouse, generation);
  for (const statement of createTable(generation, clickhouse.topology)) {
    await clickhouse.command(statement);
  }
  await assertOwn(clickhouse, generation); // another application may have been quicker
};

/**
 * @throws RefoldError `store.schema-drift` naming the first column that differs; `generation.not-provisioned` if a candidate has no table yet;
 *   `store.name-taken` if the table was made for another generation
 */
export const assertTable = async (clickhouse: ClickHouse, generation: Generation): Promise<void> => {
  const table = rowsTable(generation);
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
  await assertOwn(clickhouse, generation);
  const found = new Map(rows.map(([name, type]) => [name, type]));
  for (const [name, declared] of [...generation.columns.map((column) => [column.name, columnType(column)] as const), ...STAMPS]) {
    const actual = found.get(name) ?? drift(`column ${name} is missing`, name);
    if (actual !== declared) {
      drift(`column ${name} is ${String(actual)}, declared is ${declared}`, name);
    }
  }
};
