import { Decimal } from '../kernel/decimal';
import { RefoldError } from '../kernel/errors';

/**
 * Results are kept as JSON, so that a repeated command is told the same again. What JSON cannot say is an object with one
 * key that begins with `$`; a plain object that looks so is wrapped in `$object`.
 */
type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const refused = (what: string): RefoldError =>
  new RefoldError('decision.invalid', `a result cannot hold ${what}`, {
    remedy: 'Answer plain objects, arrays, texts, numbers, booleans, null, Date, bigint, Decimal or bytes.',
  });

const isPlain = (value: object): boolean => [Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null);

const written = (value: unknown, within: readonly object[]): Json => {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') {
    return value;
  }
  if (typeof value === 'number') {
    return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: Object.is(value, -0) ? '-0' : String(value) };
  }
  if (value === undefined) {
    return { $undefined: true };
  }
  if (typeof value === 'bigint') {
    return { $bigint: String(value) };
  }
  if (typeof value !== 'object') {
    throw refused(`a ${typeof value}`);
  }
  return writtenObject(value, within);
};

const writtenObject = (value: object, within: readonly object[]): Json => {
  if (value instanceof Decimal) {
    return { $decimal: value.toString() };
  }
  if (value instanceof Date) {
    return { $date: value.getTime() };
  }
  if (value instanceof Uint8Array) {
    return { $bytes: Buffer.from(value).toString('base64') };
  }
  if (within.includes(value)) {
    throw refused('itself');
  }
  const inside = [...within, value];
  if (Array.isArray(value)) {
    return value.map((one) => written(one, inside));
  }
  if (!isPlain(value)) {
    throw refused(`an instance of ${value.constructor.name}`);
  }
  const entries = Object.entries(value);
  const fields = Object.fromEntries(entries.map(([name, one]) => [name, written(one, inside)]));
  return entries.length === 1 && entries[0]![0].startsWith('$') ? { $object: fields } : fields;
};

const fieldsOf = (json: object): Record<string, unknown> => Object.fromEntries(Object.entries(json).map(([name, one]) => [name, read(one as Json)]));

const READERS: Readonly<Record<string, (kept: never) => unknown>> = {
  $undefined: () => undefined,
  $number: (text: string) => Number(text),
  $bigint: (text: string) => BigInt(text),
  $decimal: (text: string) => Decimal.parse(text),
  $date: (ms: number | null) => new Date(ms ?? Number.NaN),
  $bytes: (text: string) => new Uint8Array(Buffer.from(text, 'base64')),
  $object: fieldsOf,
};

const read = (json: Json): unknown => {
  if (Array.isArray(json)) {
    return json.map(read);
  }
  if (typeof json !== 'object' || json === null) {
    return json;
  }
  const [[name, kept] = ['', null], ...rest] = Object.entries(json);
  const reader = rest.length === 0 && name.startsWith('$') ? READERS[name] : undefined;
  return reader === undefined ? fieldsOf(json) : reader(kept as never);
};

/** @throws RefoldError `decision.invalid` for what cannot be kept exactly */
export const resultText = (result: unknown): string => JSON.stringify(written(result, []));

export const resultOfText = (text: string): unknown => read(JSON.parse(text) as Json);
