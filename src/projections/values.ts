import { Decimal } from '../kernel/decimal';
import { RefoldError, messageOf } from '../kernel/errors';
import { typeLabel, type ColumnType } from './columns';
import type { NamedColumn } from './read-model';
import { shapeOf } from './shape';

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

/** JSON as `jsonb` gives it back, frozen: keys by length, then by bytes; what JSON cannot hold is dropped. */
export const canonicalJson = (value: unknown): unknown => {
  const sorted = (node: unknown): unknown => {
    if (Array.isArray(node)) {
      return Object.freeze(node.map(sorted));
    }
    if (node !== null && typeof node === 'object') {
      const entries = Object.entries(node).sort(([a], [b]) => byLengthThenText(a, b));
      return Object.freeze(Object.fromEntries(entries.map(([key, child]) => [storable(key), sorted(child)])));
    }
    return typeof node === 'string' ? storable(node) : node;
  };
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? null : sorted(JSON.parse(text));
};

type Canonize = (value: unknown, type: ColumnType) => unknown;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

const canonicalDecimal: Canonize = (value, type) => {
  if (!(value instanceof Decimal) || type.kind !== 'decimal') {
    return undefined;
  }
  const scaled = value.withScale(type.scale);
  const magnitude = scaled.unscaled < 0n ? -scaled.unscaled : scaled.unscaled;
  return magnitude < 10n ** BigInt(type.precision) ? scaled : undefined;
};

const canonicalArray: Canonize = (value, type) => {
  if (!Array.isArray(value) || type.kind !== 'array') {
    return undefined;
  }
  const elements = value.map((element: unknown) => CANONICAL[type.of.kind](element, type.of));
  return elements.includes(undefined) ? undefined : Object.freeze(elements);
};

/** The value as it will be read back from any store, or `undefined` if it does not fit the type. */
const CANONICAL: Readonly<Record<ColumnType['kind'], Canonize>> = {
  text: (value) => (typeof value === 'string' && isStorableText(value) ? value : undefined),
  integer: (value) => (typeof value === 'number' && Number.isInteger(value) && value >= -INT4 && value < INT4 ? value + 0 : undefined),
  bigint: (value) => {
    const exact = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
    return typeof exact === 'bigint' && exact >= -INT8 && exact < INT8 ? exact : undefined;
  },
  double: (value) => (typeof value === 'number' && Number.isFinite(value) ? value + 0 : undefined), // no store tells 0 from -0
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

const kindOf = (value: unknown): string => (typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'object') : typeof value);

const BITS: Partial<Record<ColumnType['kind'], string>> = { integer: ' (32 bits)', bigint: ' (64 bits)' };

/**
 * The value in the one form in which a fold may see it, whether it comes from memory or from the store.
 * @throws RefoldError `row.invalid` with the column
 */
export const canonicalValue = (column: NamedColumn, value: unknown): unknown => canonicalOf(column)(value);

/** {@link canonicalValue} for one column. */
export const canonicalOf = (column: NamedColumn): ((value: unknown) => unknown) => {
  const { name, type, nullable } = column;
  const facts = { column: name };
  const canonical = CANONICAL[type.kind];
  const invalid = (summary: string, cause?: unknown): RefoldError => new RefoldError('row.invalid', summary, { facts, cause });
  const converted = (value: unknown): unknown => {
    try {
      return canonical(value, type);
    } catch (error) {
      throw invalid(`column ${name}: ${messageOf(error)}`, error);
    }
  };
  return (value) => {
    if (value === null || value === undefined) {
      if (nullable) {
        return null;
      }
      throw invalid(`column ${name} is ${String(value)} but not nullable`);
    }
    const said = converted(value);
    if (said === undefined) {
      throw invalid(`column ${name} cannot hold ${shown(value)} (${kindOf(value)}); it is ${typeLabel(type)}${BITS[type.kind] ?? ''}`);
    }
    return said;
  };
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

type Canonical = (row: object) => Readonly<Record<string, unknown>>;

const CANONICAL_ROWS = new WeakMap<readonly NamedColumn[], Canonical>();

/**
 * Makes rows with exactly the declared columns, each in canonical form, whatever a handler returns.
 * @throws RefoldError `row.invalid`, when called with a row
 */
export const canonicalRows = (columns: readonly NamedColumn[]): Canonical => {
  const known = CANONICAL_ROWS.get(columns);
  if (known !== undefined) {
    return known;
  }
  const names = new Set(columns.map(({ name }) => name));
  const build = shapeOf(Object.fromEntries(columns.map((column) => [column.name, canonicalOf(column)])));
  const canonical: Canonical = (row) => {
    for (const name in row) {
      if (!names.has(name) && Object.hasOwn(row, name)) {
        throw new RefoldError('row.invalid', `${name} is not a column of this read model`, { facts: { column: name } });
      }
    }
    return build(row);
  };
  CANONICAL_ROWS.set(columns, canonical);
  return canonical;
};
