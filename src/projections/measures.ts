import { Decimal } from '../kernel/decimal';
import { RefoldError, isRefoldError } from '../kernel/errors';
import { greater, lesser } from './aggregates/choices';
import { plus } from './aggregates/numbers';
import { isAggregate } from './aggregates/of-column';
import type { NamedColumn } from './read-model';
import { canonicalOf } from './values';

/**
 * The laws of the measures. Each is commutative and associative, and `null` (nothing brought) is its identity, so
 * contributions may be merged in any order and in any grouping.
 */
type Merge = (a: unknown, b: unknown) => unknown;

const LAWS: Readonly<Record<NonNullable<NamedColumn['law']>, Merge>> = {
  count: plus as Merge,
  sum: plus as Merge,
  min: lesser,
  max: greater,
};

/** Merges two values of a measure; `null` stands for none. */
export const mergeMeasure = (column: NamedColumn, a: unknown, b: unknown): unknown => {
  if (a === null) {
    return b;
  }
  return b === null ? a : LAWS[column.law!](a, b);
};

/** What a row shows where no contribution brought a value: 0 for count and sum, null for min and max (rule R36). */
export const measureOfNothing = (column: NamedColumn): unknown => {
  if (column.law === 'min' || column.law === 'max') {
    return null;
  }
  return column.type.kind === 'decimal' ? new Decimal(0n, column.type.scale) : 0n;
};

/**
 * Makes the function that says what one contribution brings, in canonical form; `null` for nothing. It throws RefoldError
 * `row.invalid`.
 */
export const bringing = (column: NamedColumn): ((value: unknown) => unknown) => {
  if (isAggregate(column)) {
    const take = column.aggregate.taking(column.name);
    return (value) => take(value) ?? null;
  }
  const optional = column.law === 'count' || column.law === 'sum' || column.nullable;
  const canonical = canonicalOf(column);
  return (value) => (optional && (value === undefined || value === null) ? null : canonical(value));
};

/** The same, of one value. */
export const broughtMeasure = (column: NamedColumn, value: unknown): unknown => bringing(column)(value);

/** Makes the function that says what a row holds of a merged measure. It throws RefoldError `store.value-refused` where it outgrows its type. */
export const fitting = (column: NamedColumn): ((sum: unknown) => unknown) => {
  const canonical = canonicalOf(column);
  return (sum) => {
    try {
      return sum === null ? null : canonical(sum);
    } catch (error) {
      throw isRefoldError(error, 'row.invalid') ? new RefoldError('store.value-refused', error.summary, { facts: error.facts, cause: error }) : error;
    }
  };
};
