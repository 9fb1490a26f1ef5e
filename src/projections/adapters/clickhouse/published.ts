import type { ClickHouse } from '../../../platform/clickhouse/client';
import { identifier, literal, qualified } from '../../../platform/clickhouse/quote';
import { newestWins, onCluster, type Topology } from '../../../platform/clickhouse/topology';
import { repeated } from '../../repeated';
import { rowTables, type Generation } from '../../generations';
import type { RowCondition } from '../../publication';
import { conditionValue } from '../../published';
import type { NamedColumn } from '../../read-model';
import { ordered, parameterText, plainType } from './columns';
import { RowBytes } from './row-binary';

/** Whether stream time decides what readers see. */
export const isByStreamTime = ({ publication }: Generation): boolean => publication?.from !== undefined || publication?.until !== undefined;

/** The table that says up to when a generation has heard everything. */
export const streamTimeTable = ({ table }: Generation): string => `${table}_stream_time`;

/** Of all that was written the highest counts, so it may be written in any order and again. */
export const createStreamTimeTable = (generation: Generation, topology: Topology): string =>
  `CREATE TABLE IF NOT EXISTS ${qualified(generation.viewSchema, streamTimeTable(generation))}${onCluster(topology)} (_one UInt8, _version Int64)
     ${newestWins(topology, ['_one'])}`;

const conditionSql = (column: NamedColumn, condition: RowCondition): string => {
  const value = `CAST(${literal(parameterText(column, conditionValue(column, condition)))}, ${literal(plainType(column))})`;
  return `${ordered(column, identifier(column.name))} ${condition.is} ${ordered(column, value)}`;
};

/** The rows that readers are to see, of all of them. */
export const publishedSelect = (generation: Generation, all: string): string => {
  const { viewSchema, columns, publication } = generation;
  if (publication === undefined) {
    return all;
  }
  const { from, until, having = [] } = publication;
  const before = (ms: number): string =>
    `(SELECT fromUnixTimestamp64Milli(maxOrNull(_version) - ${String(ms)}, 'UTC') FROM ${qualified(viewSchema, streamTimeTable(generation))})`;
  const byName = new Map(columns.map((column) => [column.name, column]));
  const conditions = [
    ...(from === undefined ? [] : [`${identifier(from.column)} <= ${before(from.afterMs)}`]),
    ...(until === undefined ? [] : [`ifNull(${identifier(until.column)} > ${before(until.afterMs)}, 1)`]),
    ...having.map((one) => conditionSql(byName.get(one.column)!, one)),
  ];
  return `SELECT ${columns.map(({ name }) => identifier(name)).join(', ')} FROM (${all}) AS folded WHERE ${conditions.join(' AND ')}`;
};

/** Lets readers see what the generation has heard by now; again it changes nothing. */
export const publishStreamTime = async (clickhouse: ClickHouse, generation: Generation, streamTime: number): Promise<void> => {
  const table = qualified(generation.viewSchema, streamTimeTable(generation));
  const row = new RowBytes();
  row.byte(1);
  row.int64(streamTime);
  const block = row.pieces();
  await repeated(() => clickhouse.insert(table, ['_one', '_version'], block, `stream-time:${String(generation.id)}:${String(streamTime)}`));
};

/** Deletes rows whose column says this time or an earlier one; answers how many versions of rows there were. */
export const expireRows = async (clickhouse: ClickHouse, generation: Generation, time: number, column: string): Promise<number> => {
  const table = qualified(generation.viewSchema, rowTables(generation)[0]);
  const past = `${identifier(column)} <= fromUnixTimestamp64Milli(toInt64(${String(time)}), 'UTC')`;
  const [counted] = await clickhouse.rows(`SELECT count() FROM ${table} WHERE ${past}`);
  const rows = Number(counted![0]);
  if (rows > 0) {
    await clickhouse.command(`DELETE FROM ${table}${onCluster(clickhouse.topology)} WHERE ${past}`);
  }
  return rows;
};
