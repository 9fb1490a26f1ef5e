import { Decimal } from '../kernel/decimal';
import { RefoldError } from '../kernel/errors';
import { typeLabel, type ColumnType } from './columns';
import type { NamedColumn } from './read-model';

const INT4 = 2 ** 31;
const INT8 = 2n ** 63n;
/** Years 1 to 9999: what every store and ISO 8601 with four digits can hold. */
const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00.000Z');
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z');

const isStorableText = (value: string): boolean => !value.includes('\0') && value.isWellFormed();

/** Order of text by code point, which is also the order of its UTF-8 bytes; JavaScript's own is by UTF-16 unit. */
export const compareText = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      // Surrogates stand for code points above all others.
      const surrogates = Number(x >= 0xd800 && x <= 0xdfff) - Number(y >= 0xd800 && y <= 0xdfff);
      return surrogates !== 0 ? surrogates : x - y;
    }
  }
  return a.length - b.length;
};

const byLengthThenText = (a: string, b: string): number => Buffer.byteLength(a) - Buffer.byteLength(b) || compareText(a, b);

const storable = (text: string): string => {
  if (!isStorableText(text)) {
    throw new RangeError('JSON cannot hold NUL or half a surrogate pair');
  }
  return text;
};

/** JSON as `jsonb` gives it back: keys by length, then by bytes; what JSON cannot hold is dropped. */
export const canonicalJson = (value: unknown): unknown => {
  const sorted = (node: unknown): unknown => {
    if (Array.isArray(node)) {
      return node.map(sorted);
    }
    if (node !== null && typeof node === 'object') {
      const entries = Object.entries(node).sort(([a], [b]) => byLengthThenText(a, b));
      return Object.fromEntries(entries.map(([key, child]) => [storable(key), sorted(child)]));
    }
    return typeof node === 'string' ? storable(node) : node;
  };
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? null : sorted(JSON.parse(text));
};

type Canonical = (value: unknown, type: ColumnType) => unknown;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

const canonicalDecimal: Canonical = (value, type) => {
  if (!(value instanceof Decimal) || type.kind !== 'decimal') {
    return undefined;
  }
  const scaled = value.withScale(type.scale);
  const magnitude = scaled.unscaled < 0n ? -scaled.unscaled : scaled.unscaled;
  return magnitude < 10n ** BigInt(type.precision) ? scaled : undefined;
};

const canonicalArray: Canonical = (value, type) => {
  if (!Array.isArray(value) || type.kind !== 'array') {
    return undefined;
  }
  const elements = value.map((element: unknown) => CANONICAL[type.of.kind](element, type.of));
  return elements.includes(undefined) ? undefined : Object.freeze(elements);
};

/** The value as it will be read back from any store, or `undefined` if it does not fit the type. */
const CANONICAL: Readonly<Record<ColumnType['kind'], Canonical>> = {
  text: (value) => (typeof value === 'string' && isStorableText(value) ? value : undefined),
  integer: (value) => (typeof value === 'number' && Number.isInteger(value) && value >= -INT4 && value < INT4 ? value + 0 : undefined),
  bigint: (value) => {
    const exact = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
    return typeof exact === 'bigint' && exact >= -INT8 && exact < INT8 ? exact : undefined;
  },
  boolean: (value) => (typeof value === 'boolean' ? value : undefined),
  timestamp: (value) => (value instanceof Date && value.getTime() >= FIRST_INSTANT && value.getTime() <= LAST_INSTANT ? new Date(value.getTime()) : undefined),
  json: (value) => (value === undefined ? undefined : canonicalJson(value)),
  uuid: (value) => (typeof value === 'string' && UUID.test(value) ? value.toLowerCase() : undefined),
  decimal: canonicalDecimal,
  array: canonicalArray,
};

const shown = (value: unknown): string => {
  const text = typeof value === 'bigint' ? `${value.toString()}n` : value instanceof Decimal ? value.toString() : (JSON.stringify(value) as string | undefined);
  return (text ?? String(value)).slice(0, 60);
};

/**
 * The value in the one form in which a fold may see it, whether it comes from memory or from the store.
 * @throws RefoldError `row.invalid` with the column
 */
export const canonicalValue = (column: NamedColumn, value: unknown): unknown => {
  if (value === null || value === undefined) {
    if (column.nullable) {
      return null;
    }
    throw new RefoldError('row.invalid', `column ${column.name} is ${String(value)} but not nullable`, { facts: { column: column.name } });
  }
  let canonical: unknown;
  try {
    canonical = CANONICAL[column.type.kind](value, column.type);
  } catch (error) {
    throw new RefoldError('row.invalid', `column ${column.name}: ${error instanceof Error ? error.message : String(error)}`, {
      facts: { column: column.name },
      cause: error,
    });
  }
  if (canonical === undefined) {
    throw new RefoldError('row.invalid', `column ${column.name} cannot hold ${shown(value)} (${typeof value}); it is ${typeLabel(column.type)}`, {
      facts: { column: column.name },
    });
  }
  return canonical;
};

/** Whether a key column can hold the value that a record key says; always in its one canonical form. */
export const isKeyOf = (type: ColumnType, key: string): boolean => {
  if (type.kind === 'text') {
    return isStorableText(key);
  }
  if (type.kind === 'uuid') {
    return CANONICAL.uuid(key, type) === key;
  }
  if (!/^(0|-?[1-9]\d{0,18})$/.test(key)) {
    return false;
  }
  return CANONICAL[type.kind](type.kind === 'integer' ? Number(key) : BigInt(key), type) !== undefined;
};

/** A value as text: equal texts, equal values. Used for keys. */
export const keyText = (value: unknown): string => (value instanceof Date ? String(value.getTime()) : String(value));

/** Smaller, equal, larger, for any comparable column type. */
export const compareValues = (a: unknown, b: unknown): number => {
  if (a instanceof Decimal && b instanceof Decimal) {
    return a.compare(b);
  }
  if (typeof a === 'string' && typeof b === 'string') {
    return compareText(a, b);
  }
  const [x, y] = a instanceof Date && b instanceof Date ? [a.getTime(), b.getTime()] : [a as number | bigint, b as number | bigint];
  return x < y ? -1 : x > y ? 1 : 0;
};

/**
 * A row with exactly the declared columns, each in canonical form, frozen: a handler cannot change it in place.
 * @throws RefoldError `row.invalid`
 */
export const canonicalRow = (columns: readonly NamedColumn[], row: object): Readonly<Record<string, unknown>> => {
  const given = row as Readonly<Record<string, unknown>>;
  const canonical: Record<string, unknown> = {};
  for (const column of columns) {
    canonical[column.name] = canonicalValue(column, given[column.name]);
  }
  for (const name of Object.keys(given)) {
    if (!(name in canonical)) {
      throw new RefoldError('row.invalid', `${name} is not a column of this read model`, { facts: { column: name } });
    }
  }
  return Object.freeze(canonical);
};
