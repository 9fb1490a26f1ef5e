import { Decimal } from '../../kernel/decimal';

/** What JSON cannot hold exactly, as an object of one key. */
const tagged = (value: unknown): object | undefined => {
  if (typeof value === 'bigint') {
    return { $long: value.toString() };
  }
  if (value instanceof Decimal) {
    return { $decimal: value.toString() };
  }
  if (value instanceof Date) {
    return { $time: value.toISOString() };
  }
  if (value instanceof Uint8Array) {
    return { $bytes: Buffer.from(value).toString('base64') };
  }
  return typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)) ? { $number: Object.is(value, -0) ? '-0' : String(value) } : undefined;
};

/** A value of an event as JSON that keeps every digit and type; keys in the order of the alphabet. */
export const exactJson = (value: unknown): unknown => {
  const tag = tagged(value);
  if (tag !== undefined || typeof value !== 'object' || value === null) {
    return tag ?? value;
  }
  if (Array.isArray(value)) {
    return value.map(exactJson);
  }
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, exactJson(one)]),
  );
};
