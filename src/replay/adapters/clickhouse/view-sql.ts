import { identifier, literal } from '../../../platform/clickhouse/quote';
import { exactPlan, planViewIn, rangeFits, type NumericRange, type PlannedColumn, type Reshaping, type ViewDialect, type ViewPlan } from '../../view-plan';

const nullable = (type: string): boolean => type.startsWith('Nullable(');
/** The type of a value that is there. */
const plain = (type: string): string => (nullable(type) ? type.slice('Nullable('.length, -1) : type);

const INTEGER_DIGITS: Readonly<Record<string, number>> = { Int32: 10, Int64: 19 };

const rangeOf = (type: string): NumericRange | undefined => {
  const digits = INTEGER_DIGITS[type];
  if (digits !== undefined) {
    return { whole: digits, scale: 0 };
  }
  const match = /^Decimal\((\d+), (\d+)\)$/.exec(type);
  return match === null ? undefined : { whole: Number(match[1]) - Number(match[2]), scale: Number(match[2]) };
};

/** Whether every value of `from` can be shown as `to` without loss; where values may be null the view's column becomes nullable. */
export const fits = (from: string, to: string): boolean => {
  const [given, wanted] = [plain(from), plain(to)];
  const [a, b] = [rangeOf(given), rangeOf(wanted)];
  // Decimal(19, 0) holds more than Int64: digits decide only between integers and towards Decimal
  const digitsDecide = !(wanted in INTEGER_DIGITS) || given in INTEGER_DIGITS;
  return given === wanted || (a !== undefined && b !== undefined && digitsDecide && rangeFits(a, b));
};

const shownAs = (value: string, type: string, orNull: boolean): string => `CAST(${value}, ${literal(orNull ? `Nullable(${plain(type)})` : type)})`;

const DIALECT: ViewDialect<PlannedColumn> = {
  quoted: identifier,
  fits,
  same: (found, known) => found.type === known.type,
  cast: (found, known) => shownAs(identifier(found.name), known.type, nullable(found.type) || nullable(known.type)),
  nothing: (known) => shownAs('NULL', known.type, true),
};

/** See {@link planViewIn}. */
export const planView = (view: readonly PlannedColumn[], target: readonly PlannedColumn[], required: ReadonlySet<string>): ViewPlan =>
  planViewIn(DIALECT, view, target, required);

/** See {@link exactPlan}. */
export const planExactly = (view: readonly PlannedColumn[], target: readonly PlannedColumn[]): Reshaping => exactPlan(DIALECT, view, target);
