import { Decimal } from '../../kernel/decimal';

const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') {
    return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  }
  if (value instanceof Date || value instanceof Decimal) {
    return value instanceof Date ? value.getTime() : value.toString();
  }
  return Array.isArray(value) ? value.map(plain) : value;
};

/**
 * A row as JSON, to compare it with what was written down: 64-bit integers as numbers, as text where those do not hold them;
 * decimals as text; times in milliseconds since the epoch.
 */
export const jsonOf = (row: object): Readonly<Record<string, unknown>> => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]));
