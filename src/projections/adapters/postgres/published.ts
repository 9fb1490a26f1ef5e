import { identifier, literal } from '../../../platform/postgres/quote';
import type { Generation } from '../../generations';
import type { Due, RowCondition } from '../../publication';
import { conditionValue } from '../../published';
import type { NamedColumn } from '../../read-model';
import { castType, writeValue } from './columns';

const conditionSql = (column: NamedColumn, condition: RowCondition): string =>
  `${identifier(column.name)} ${condition.is} ${literal(writeValue(column, conditionValue(column, condition))!)}::${castType(column.type)}`;

/** What a time column of a row has to be at most for stream time to have come so far beyond it. */
const before = (id: number, ms: number): string =>
  `(SELECT timestamptz 'epoch' + (refold.stream_time(${String(id)}) - ${String(ms)}) * interval '1 millisecond')`;

/**
 * The rows that readers are to see. Stream time is asked for once by each query, in its own snapshot: rows, checkpoints and
 * what is parked change in one transaction, and so does what is seen.
 * @param rows all rows of the generation, for FROM
 */
export const publishedSelect = ({ id, columns, publication = {} }: Generation, rows: string): string => {
  const { from, until, having = [] } = publication;
  const byName = new Map(columns.map((column) => [column.name, column]));
  const conditions = [
    ...(from === undefined ? [] : [`${identifier(from.column)} <= ${before(id, from.afterMs)}`]),
    ...(until === undefined ? [] : [`coalesce(${identifier(until.column)} > ${before(id, until.afterMs)}, true)`]),
    ...having.map((one) => conditionSql(byName.get(one.column)!, one)),
  ];
  return `SELECT ${columns.map(({ name }) => identifier(name)).join(', ')} FROM ${rows} WHERE ${conditions.join(' AND ')}`;
};

/**
 * Deletes rows whose time has passed, at most `$1`. What a worker writes just now is left out: neither waits for the other, and
 * a row that was written meanwhile is judged anew.
 */
export const expireStatement = ({ id }: Generation, { column, afterMs }: Due, table: string): string =>
  `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
     SELECT ctid FROM ${table} WHERE ${identifier(column)} <= ${before(id, afterMs)} LIMIT $1 FOR UPDATE SKIP LOCKED))`;
