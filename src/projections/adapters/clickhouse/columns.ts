import { Decimal } from '../../../kernel/decimal';
import { RefoldError } from '../../../kernel/errors';
import type { Cell } from '../../../platform/clickhouse/client';
import { identifier } from '../../../platform/clickhouse/quote';
import type { ColumnType, ScalarType } from '../../columns';
import type { NamedColumn } from '../../read-model';
import { canonicalJson } from '../../values';

/** How a column type lives in ClickHouse: declared, written as a JSON cell, read as one. */
interface ClickHouseType {
  readonly sql: string;
  readonly write: (value: unknown) => Cell;
  readonly read: (cell: Cell) => unknown;
  /** Text that `CAST` turns into the type, as it would the cell; default: the cell as text. */
  readonly text?: (value: unknown) => string;
  /** Expression to read the column with; default: the column itself. */
  readonly select?: (quoted: string) => string;
}

/** What DateTime64 holds; beyond it ClickHouse stores its nearest bound, silently. */
const FIRST_INSTANT = Date.parse('1900-01-01T00:00:00.000Z');
const LAST_INSTANT = Date.parse('2299-12-31T23:59:59.999Z');

/** Milliseconds: what a JSON number is taken for, in a DateTime64 of three digits. Several times as fast to write as text. */
export const writeInstant = (value: unknown): number => {
  const instant = (value as Date).getTime();
  if (instant < FIRST_INSTANT || instant > LAST_INSTANT) {
    throw new RefoldError('store.value-refused', `clickhouse holds instants of the years 1900 to 2299, not ${(value as Date).toISOString()}`);
  }
  return instant;
};

const instantText = (value: unknown): string => new Date(writeInstant(value)).toISOString().replace('T', ' ').replace('Z', '');

const TYPES: Readonly<Record<Exclude<ScalarType['kind'], 'decimal'>, ClickHouseType>> = {
  text: { sql: 'String', write: String, read: (cell) => cell },
  integer: { sql: 'Int32', write: (value) => value as number, read: (cell) => cell },
  bigint: { sql: 'Int64', write: String, read: (cell) => BigInt(cell as string) },
  double: { sql: 'Float64', write: (value) => value as number, read: Number },
  boolean: { sql: 'Bool', write: (value) => value as boolean, read: (cell) => cell },
  timestamp: {
    sql: `DateTime64(3, 'UTC')`,
    write: writeInstant,
    text: instantText,
    read: (cell) => new Date(Number(cell)),
    select: (quoted) => `toUnixTimestamp64Milli(${quoted})`,
  },
  uuid: { sql: 'UUID', write: String, read: (cell) => cell },
  // As text: ClickHouse's own JSON type gives numbers back as it likes
  json: { sql: 'String', write: (value) => JSON.stringify(value), read: (cell) => canonicalJson(JSON.parse(cell as string)) },
};

const decimalType = (precision: number, scale: number): ClickHouseType => ({
  sql: `Decimal(${String(precision)}, ${String(scale)})`,
  write: String,

  read: (cell) => Decimal.parse(cell as string).withScale(scale),
  select: (quoted) => `toString(${quoted})`,
});

const arrayType = (of: ScalarType): ClickHouseType => {
  const element = typeOf(of);
  const shown = element.select?.('e');
  return {
    sql: `Array(${element.sql})`,
    write: (value) => (value as readonly unknown[]).map(element.write),
    read: (cell) => Object.freeze((cell as readonly Cell[]).map(element.read)),
    ...(shown === undefined ? {} : { select: (quoted) => `arrayMap(e -> ${shown}, ${quoted})` }),
  };
};

const typeOf = (type: ColumnType): ClickHouseType => {
  switch (type.kind) {
    case 'decimal':
      return decimalType(type.precision, type.scale);
    case 'array':
      return arrayType(type.of);
    default:
      return TYPES[type.kind];
  }
};

/** The type of a value that is there. */
export const plainType = ({ type }: NamedColumn): string => typeOf(type).sql;

/** The type of the column. */
export const columnType = (column: NamedColumn): string => (column.nullable ? `Nullable(${plainType(column)})` : plainType(column));

/** A value as JSON, as it comes in an answer. @throws RefoldError `store.value-refused` for one that the type cannot hold */
export const cellJson = ({ type }: NamedColumn, value: unknown): string => JSON.stringify(typeOf(type).write(value));

export const readCell = (column: NamedColumn, cell: Cell): unknown => (cell === null ? null : typeOf(column.type).read(cell));

export const selectColumn = (column: NamedColumn): string => {
  const quoted = identifier(column.name);
  return typeOf(column.type).select?.(quoted) ?? quoted;
};

/** What values are ordered by: ClickHouse orders UUIDs by their second half first, others by their digits. */
export const ordered = ({ type }: NamedColumn, expression: string): string => (type.kind === 'uuid' ? `toString(${expression})` : expression);

/** Text that `CAST` turns into the column's type, for parameters. */
export const parameterText = (column: NamedColumn, value: unknown): string => {
  const { write, text } = typeOf(column.type);
  return text === undefined ? String(write(value)) : text(value);
};
