import { identifier, qualified } from '../../../platform/postgres/quote';
import { exactPlan, planViewIn, rangeFits, type NumericRange, type Reshaping, type ViewDialect, type ViewPlan } from '../../view-plan';
import type { Relation, RelationColumn } from './relations';

const INTEGER_DIGITS: Readonly<Record<string, number>> = { smallint: 5, integer: 10, bigint: 19 };

/** Digits before and after the point that a numeric type holds; `undefined` for other types. */
const numericRange = (type: string): NumericRange | undefined => {
  if (type in INTEGER_DIGITS) {
    return { whole: INTEGER_DIGITS[type]!, scale: 0 };
  }
  const match = /^numeric(?:\((\d+),(\d+)\))?$/.exec(type);
  if (match === null) {
    return undefined;
  }
  return match[1] === undefined
    ? { whole: Number.POSITIVE_INFINITY, scale: Number.POSITIVE_INFINITY }
    : { whole: Number(match[1]) - Number(match[2]), scale: Number(match[2]) };
};

/**
 * Whether every value of `from` can be shown as `to` without loss. Narrower types are refused even where they can be cast:
 * the cast would fail in a reader's query, at the first value that does not fit.
 */
export const fits = (from: string, to: string): boolean => {
  if (from === to) {
    return true;
  }
  const [given, wanted] = [numericRange(from), numericRange(to)];
  if (given === undefined || wanted === undefined) {
    return false;
  }
  // numeric(5,0) holds 99999, smallint does not: digits decide only between integers and towards numeric
  const digitsDecide = !(to in INTEGER_DIGITS) || from in INTEGER_DIGITS;
  return digitsDecide && rangeFits(given, wanted);
};

const collate = ({ collation }: RelationColumn): string => (collation === undefined ? '' : ` COLLATE ${collation}`);

const DIALECT: ViewDialect<RelationColumn> = {
  quoted: identifier,
  fits,
  same: (found, known) => found.type === known.type && found.collation === known.collation,
  cast: ({ name }, known) => `${identifier(name)}::${known.type}${collate(known)}`,
  nothing: (known) => `NULL::${known.type}${collate(known)}`,
};

/** See {@link planViewIn}. */
export const planView = (view: readonly RelationColumn[], target: readonly RelationColumn[], required: ReadonlySet<string>): ViewPlan =>
  planViewIn(DIALECT, view, target, required);

/** See {@link exactPlan}. */
export const planExactly = (view: readonly RelationColumn[], target: readonly RelationColumn[]): Reshaping => exactPlan(DIALECT, view, target);

/** CREATE OR REPLACE keeps dependents, grants and comments; options are lost unless they are said again. */
export const viewStatement = (
  schema: string,
  name: string,
  table: string,
  plan: Pick<ViewPlan, 'select'>,
  existing: Relation | undefined,
  verb: 'CREATE' | 'CREATE OR REPLACE' = 'CREATE OR REPLACE',
): string => {
  const options = existing?.options ?? [];
  const withOptions = options.length === 0 ? '' : ` WITH (${options.join(', ')})`;
  return `${verb} VIEW ${qualified(schema, name)}${withOptions} AS SELECT ${plan.select.join(', ')} FROM ${qualified(schema, table)}`;
};
