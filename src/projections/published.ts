import { Decimal } from '../kernel/decimal';
import type { Due, Publication, RowCondition } from './publication';
import type { NamedColumn } from './read-model';
import type { ComparisonOperator } from './row-query';
import { canonicalValue, compareValues } from './values';

type Row = Readonly<Record<string, unknown>>;

/**
 * Up to when a generation has heard everything, milliseconds: the least stream time of its partitions, and of what is parked
 * the stream time at which it was read, because by that it will be judged. It never goes back. `undefined` while one has none.
 */
export const leastStreamTime = (times: readonly (number | undefined)[]): number | undefined => {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 || known.length < times.length ? undefined : known.reduce((least, time) => Math.min(least, time));
};

/** The value of a condition in the type of its column. */
export const conditionValue = (column: NamedColumn, { value }: RowCondition): unknown => {
  const { type } = column;
  const parsed = (): unknown => {
    switch (type.kind) {
      case 'integer':
        return Number(value);
      case 'bigint':
        return BigInt(value);
      case 'boolean':
        return value === 'true';
      case 'timestamp':
        return new Date(value);
      case 'decimal':
        return Decimal.parse(value);
      default:
        return value;
    }
  };
  return canonicalValue({ ...column, nullable: false }, parsed());
};

const HOLDS: Readonly<Record<ComparisonOperator, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

const meets = (columns: readonly NamedColumn[], condition: RowCondition): ((row: Row) => boolean) => {
  const column = columns.find(({ name }) => name === condition.column)!;
  const wanted = conditionValue(column, condition);
  return (row) => {
    const value = row[column.name];
    return value !== null && value !== undefined && HOLDS[condition.is](compareValues(value, wanted));
  };
};

/** Stream time from which on something is so for a row; `undefined`: its column says nothing. */
const dueOf = (row: Row, { column, afterMs }: Due): number | undefined => {
  const at = row[column];
  return at instanceof Date ? at.getTime() + afterMs : undefined;
};

/** Whether the time of a row has passed at a stream time: it is as good as deleted. */
export const isPast = (row: Row, until: Due | undefined, streamTime: number | undefined): boolean => {
  const due = until && dueOf(row, until);
  return due !== undefined && streamTime !== undefined && streamTime >= due;
};

/** Which rows readers see at a stream time of the generation. Pure. */
export const shownAt = (
  { from, until, having = [] }: Publication,
  columns: readonly NamedColumn[],
  streamTime: number | undefined,
): ((row: Row) => boolean) => {
  const conditions = having.map((condition) => meets(columns, condition));
  const hasCome = (row: Row): boolean => {
    const due = from && dueOf(row, from);
    return from === undefined || (due !== undefined && streamTime !== undefined && due <= streamTime);
  };
  return (row) => hasCome(row) && !isPast(row, until, streamTime) && conditions.every((holds) => holds(row));
};
