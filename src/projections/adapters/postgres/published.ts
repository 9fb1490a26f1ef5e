import { identifier, literal } from '../../../platform/postgres/quote';
import type { Generation } from '../../generations';
import type { RowCondition } from '../../publication';
import { conditionValue } from '../../published';
import type { NamedColumn } from '../../read-model';
import { castType, writeValue } from './columns';

const conditionSql = (column: NamedColumn, condition: RowCondition): string =>
  `${identifier(column.name)} ${condition.is} ${literal(writeValue(column, conditionValue(column, condition))!)}::${castType(column.type)}`;

/**
 * The rows that readers are to see. Stream time is asked for once by each query, in its own snapshot: rows, checkpoints and
 * what is parked change in one transaction, and so does what is seen.
 * @param rows all rows of the generation, for FROM
 */
export const publishedSelect = ({ id, columns, publication = {} }: Generation, rows: string): string => {
  const { from, until, having = [] } = publication;
  const before = (ms: number): string => `(SELECT timestamptz 'epoch' + (refold.stream_time(${String(id)}) - ${String(ms)}) * interval '1 millisecond')`;
  const byName = new Map(columns.map((column) => [column.name, column]));
  const conditions = [
    ...(from === undefined ? [] : [`${identifier(from.column)} <= ${before(from.afterMs)}`]),
    ...(until === undefined ? [] : [`coalesce(${identifier(until.column)} > ${before(until.afterMs)}, true)`]),
    ...having.map((one) => conditionSql(byName.get(one.column)!, one)),
  ];
  return `SELECT ${columns.map(({ name }) => identifier(name)).join(', ')} FROM ${rows} WHERE ${conditions.join(' AND ')}`;
};
