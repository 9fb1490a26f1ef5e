import { Decimal } from '../../../kernel/decimal';
import { identifier } from '../../../platform/postgres/quote';
import type { ColumnType, ScalarType } from '../../columns';
import type { NamedColumn } from '../../read-model';
import { lineOf } from '../../shape';
import { canonicalJson } from '../../values';

/** How a column type lives in Postgres: declared, written as text, read as text. */
interface PostgresType {
  readonly sql: string;
  /** Text that Postgres takes as the type. */
  readonly write: (value: unknown) => string;
  /** Whether that may hold what separates the elements of an array. */
  readonly quoted?: true;
  /** Canonical value from the text of `select`. */
  readonly read: (text: string) => unknown;
  /** Expression to read the column with; default: the column itself. */
  readonly select?: (quoted: string) => string;
}

const asText = (value: unknown): string => String(value);

const TYPES: Readonly<Record<Exclude<ScalarType['kind'], 'decimal'>, PostgresType>> = {
  // "C": order by code point, equal on every server, and cheap to compare
  text: { sql: 'text COLLATE "C"', write: asText, quoted: true, read: (text) => text },
  integer: { sql: 'integer', write: asText, read: Number },
  bigint: { sql: 'bigint', write: asText, read: BigInt },
  double: { sql: 'double precision', write: asText, read: Number },
  boolean: { sql: 'boolean', write: asText, read: (text) => text === 't' || text === 'true' },
  timestamp: {
    sql: 'timestamptz',
    write: (value) => (value as Date).toISOString(),
    read: (text) => new Date(Number(text)),
    select: (quoted) => `floor(extract(epoch FROM ${quoted}) * 1000)::bigint`,
  },
  uuid: { sql: 'uuid', write: asText, read: (text) => text },
  json: { sql: 'jsonb', write: (value) => JSON.stringify(value), quoted: true, read: (text) => canonicalJson(JSON.parse(text)) },
};

const decimalType = (precision: number, scale: number): PostgresType => ({
  sql: `numeric(${String(precision)}, ${String(scale)})`,
  write: asText,
  read: Decimal.parse,
});

/** Read as JSON of the texts of its elements, which keeps every digit. */
const arrayType = (of: ScalarType): PostgresType => {
  const element = postgresType(of);
  const shown = element.select?.('e') ?? 'e';
  return {
    sql: element.sql.includes(' COLLATE ') ? element.sql.replace(' COLLATE ', '[] COLLATE ') : `${element.sql}[]`,
    write: (value) => arrayText(of, value as readonly unknown[]),
    quoted: true,
    read: (text) => Object.freeze((JSON.parse(text) as readonly string[]).map(element.read)),
    select: (quoted) => `array_to_json(ARRAY(SELECT (${shown})::text FROM unnest(${quoted}) WITH ORDINALITY AS u (e, n) ORDER BY n))::text`,
  };
};

export const postgresType = (type: ColumnType): PostgresType => {
  switch (type.kind) {
    case 'decimal':
      return decimalType(type.precision, type.scale);
    case 'array':
      return arrayType(type.of);
    default:
      return TYPES[type.kind];
  }
};

/** The type's name without its collation, for casts. */
export const castType = (type: ColumnType): string => postgresType(type).sql.replace(' COLLATE "C"', '');

/** The same as the catalog says it (`format_type`), as far as it can be compared. */
export const catalogType = ({ type }: Pick<NamedColumn, 'type'>): string => castType(type).replace(', ', ',');

/** The type of a column's elements in a parameter of many rows: an array of arrays would be flattened, so theirs are texts, cast row by row. */
export const elementType = (type: ColumnType): string => (type.kind === 'array' ? 'text' : castType(type));

/** What a value of such a parameter is turned into. */
export const cast = (type: ColumnType, value: string): string => (type.kind === 'array' ? `${value}::${castType(type)}` : value);
/** For many values, of which some come often: the bounds of windows cost much to write. */
const writerOf = (type: ColumnType): ((value: unknown) => string) => {
  const { write } = postgresType(type);
  if (type.kind !== 'timestamp') {
    return write;
  }
  const written = new Map<number, string>();
  return (value) => {
    const time = (value as Date).getTime();
    const known = written.get(time);
    if (known !== undefined) {
      return known;
    }
    const text = write(value);
    written.set(time, text);
    return text;
  };
};

const quote = (text: string): string => `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`;

/** Values of one type as the text of an array: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
export const arrayText = (type: ColumnType, values: readonly unknown[]): string => {
  const { quoted } = postgresType(type);
  const write = writerOf(type);
  const elements = values.map((value) => (value === null || value === undefined ? 'NULL' : quoted === true ? quote(write(value)) : write(value)));
  return `{${elements.join()}}`;
};

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The value as a field of a line that COPY reads: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2 */
const copyField = (type: ColumnType): ((value: unknown) => string) => {
  const { quoted } = postgresType(type);
  const write = writerOf(type);
  const escaped = (text: string): string => (/[\\\n\r\t]/.test(text) ? text.replace(/[\\\n\r\t]/g, (char) => ESCAPES[char]!) : text);
  return (value) => (value === null || value === undefined ? '\\N' : quoted === true ? escaped(write(value)) : write(value));
};

/** Rows whose lines are one piece of text: a long text made of many small ones is copied by the garbage collector as long as it grows. */
const PIECE = 200;

/** Makes lines that COPY reads, in pieces, from rows by the types of their fields. */
export const copyLines = <T>(
  fields: readonly { readonly type: ColumnType; readonly of: (row: T) => unknown }[],
): ((rows: readonly T[]) => readonly Buffer[]) => {
  const parts = fields.map(({ type, of }) => {
    const field = copyField(type);
    return (row: T) => field(of(row));
  });
  const line = lineOf(parts, '\t', '\n');
  return (rows) => {
    const pieces: Buffer[] = [];
    for (let at = 0; at < rows.length; at += PIECE) {
      let text = '';
      for (let i = at; i < Math.min(rows.length, at + PIECE); i += 1) {
        text += line(rows[i]!);
      }
      pieces.push(Buffer.from(text));
    }
    return pieces;
  };
};

/** Parameter text of one value. */
export const writeValue = ({ type }: NamedColumn, value: unknown): string | null =>
  value === null || value === undefined ? null : postgresType(type).write(value);

export const readValue = (column: NamedColumn, text: string | null): unknown => (text === null ? null : postgresType(column.type).read(text));

export const selectColumn = (column: NamedColumn): string => {
  const quoted = identifier(column.name);
  return postgresType(column.type).select?.(quoted) ?? quoted;
};
