import { identifier } from '../../../platform/postgres/quote';
import type { ColumnType } from '../../columns';
import type { NamedColumn } from '../../read-model';
import { castType } from './columns';

interface Law {
  /** How the stored measure of row `t` takes up another. */
  readonly add: (column: string) => string;
  /** How the measures of several rows are one. */
  readonly merge: (column: string, type: ColumnType) => string;
}

/** Postgres compares booleans, but has neither the least nor the greatest of many. */
const ofMany =
  (law: string, ofBooleans: string): Law['merge'] =>
  (column, { kind }) =>
    `${kind === 'boolean' ? ofBooleans : law}(${column})`;

/** Each law in SQL: `LEAST`, `GREATEST` and all aggregates skip null, as the laws do. */
export const LAWS: Readonly<Record<NonNullable<NamedColumn['law']>, Law>> = {
  count: { add: (column) => `t.${column} + excluded.${column}`, merge: (column) => `sum(${column})` },
  sum: { add: (column) => `t.${column} + excluded.${column}`, merge: (column) => `sum(${column})` },
  min: { add: (column) => `LEAST(t.${column}, excluded.${column})`, merge: ofMany('min', 'bool_and') },
  max: { add: (column) => `GREATEST(t.${column}, excluded.${column})`, merge: ofMany('max', 'bool_or') },
};

const mergedColumn = ({ name, type, law }: NamedColumn): string => {
  const quoted = identifier(name);
  // A sum is wider than what it sums and forgets the precision: readers are to find the type of a merged row.
  return law === undefined ? quoted : `${LAWS[law].merge(quoted, type)}::${castType(type)} AS ${quoted}`;
};

/**
 * Rows with the columns and types of a table of merged rows. The laws do not depend on order, so neither does the view
 * demand one. It groups by all columns that are no measures, so that conditions on any of them are tested before merging.
 */
export const mergingSelect = (table: string, columns: readonly NamedColumn[]): string => {
  const groups = columns.filter(({ role }) => role !== 'measure').map(({ name }) => identifier(name));
  return `SELECT ${columns.map(mergedColumn).join(', ')} FROM ${table} GROUP BY ${groups.join(', ')}`;
};
