import { identifier } from '../../../platform/postgres/quote';
import type { NamedColumn } from '../../read-model';
import { castType } from './columns';

interface Law {
  /** How the stored measure of row `t` takes up another. */
  readonly add: (column: string) => string;
  /** How the measures of several rows are one. */
  readonly merge: (column: string) => string;
}

/** Each law in SQL: `LEAST`, `GREATEST` and all aggregates skip null, as the laws do. */
export const LAWS: Readonly<Record<NonNullable<NamedColumn['law']>, Law>> = {
  count: { add: (column) => `t.${column} + excluded.${column}`, merge: (column) => `sum(${column})` },
  sum: { add: (column) => `t.${column} + excluded.${column}`, merge: (column) => `sum(${column})` },
  min: { add: (column) => `LEAST(t.${column}, excluded.${column})`, merge: (column) => `min(${column})` },
  max: { add: (column) => `GREATEST(t.${column}, excluded.${column})`, merge: (column) => `max(${column})` },
};

const mergedColumn = ({ name, type, law }: NamedColumn): string => {
  const quoted = identifier(name);
  // A sum is wider than what it sums and forgets the precision: readers are to find the type of a merged row.
  return law === undefined ? quoted : `${LAWS[law].merge(quoted)}::${castType(type)} AS ${quoted}`;
};

/**
 * Rows with the columns and types of a table of merged rows. The laws do not depend on order, so neither does the view
 * demand one. It groups by all columns that are no measures, so that conditions on any of them are tested before merging.
 */
export const mergingSelect = (table: string, columns: readonly NamedColumn[]): string => {
  const groups = columns.filter(({ role }) => role !== 'measure').map(({ name }) => identifier(name));
  return `SELECT ${columns.map(mergedColumn).join(', ')} FROM ${table} GROUP BY ${groups.join(', ')}`;
};
