import { types, type Type } from 'avsc';
import { Decimal } from '../../../kernel/decimal';
import { parseRfc3339 } from '../../cloudevents';
import { DecimalType, TimestampType } from './logical';
import type { RecordType } from './types';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

const isBytes = ({ typeName }: Type): boolean => typeName === 'abstract:bytes' || typeName === 'bytes' || typeName === 'fixed';
const isLong = ({ typeName }: Type): boolean => typeName === 'abstract:long' || typeName === 'long';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Values that JSON writes as text (or as a number, where it keeps every digit); whatever else is left to the check of the type. */
const scalarOf = (type: Type, json: unknown): unknown => {
  const text = typeof json === 'number' && (Number.isSafeInteger(json) || type instanceof DecimalType) ? String(json) : json;
  if (typeof text !== 'string') {
    return json;
  }
  if (type instanceof TimestampType) {
    const time = typeof json === 'string' ? parseRfc3339(text) : undefined;
    return time === undefined ? json : new Date(time);
  }
  if (type instanceof DecimalType) {
    return /^-?\d+(\.\d+)?$/.test(text) ? Decimal.parse(text) : json;
  }
  if (isLong(type)) {
    return /^-?\d+$/.test(text) ? BigInt(text) : json;
  }
  if (isBytes(type)) {
    return typeof json === 'string' && BASE64.test(json) ? Buffer.from(json, 'base64') : json;
  }
  return json;
};

const branchOf = (branches: readonly Type[], json: unknown): unknown => {
  const fitting = branches.map((branch) => ({ branch, value: valueOf(branch, json) })).filter(({ branch, value }) => branch.isValid(value));
  return fitting.length === 1 ? fitting[0]!.value : json; // none or several: the type says what is wrong
};

const fieldsOf = (type: RecordType, json: Fields): Fields => {
  const unknown = Object.keys(json).find((name) => !type.fields.some((field) => field.name === name));
  if (unknown !== undefined) {
    throw new TypeError(`there is no field ${unknown}`);
  }
  return Object.fromEntries(type.fields.map((field) => [field.name, Object.hasOwn(json, field.name) ? valueOf(field.type, json[field.name]) : undefined]));
};

const valueOf = (type: Type, json: unknown): unknown => {
  if (type instanceof types.UnwrappedUnionType) {
    return branchOf(type.types, json);
  }
  if (type instanceof types.RecordType) {
    return isFields(json) ? fieldsOf(type, json) : json;
  }
  if (type instanceof types.ArrayType) {
    return Array.isArray(json) ? json.map((item) => valueOf(type.itemsType, item)) : json;
  }
  if (type instanceof types.MapType) {
    return isFields(json) ? Object.fromEntries(Object.entries(json).map(([key, value]) => [key, valueOf(type.valuesType as Type, value)])) : json;
  }
  return scalarOf(type, json);
};

/**
 * An event of the type from JSON, not checked yet: times as RFC 3339 text, decimals and 64-bit integers as text of digits (or
 * as numbers), bytes as Base64. @throws TypeError for something else than fields, and for a field that the type does not have
 */
export const eventFromJson = (type: RecordType, json: unknown): object => {
  if (!isFields(json)) {
    throw new TypeError('an event is written as a JSON object of its fields');
  }
  const fields = fieldsOf(type, json);
  const values = type.fields.map(({ name }) => fields[name]);
  return Reflect.construct(type.recordConstructor as new (...values: unknown[]) => object, values);
};

const jsonOf = (type: Type, value: unknown): unknown => {
  if (type instanceof types.UnwrappedUnionType) {
    const branch = type.types.find((one) => one.isValid(value));
    return branch === undefined ? value : jsonOf(branch, value);
  }
  if (type instanceof types.RecordType) {
    return Object.fromEntries(type.fields.map((field) => [field.name, jsonOf(field.type, (value as Fields)[field.name])]));
  }
  if (type instanceof types.ArrayType) {
    return (value as readonly unknown[]).map((item) => jsonOf(type.itemsType, item));
  }
  if (type instanceof types.MapType) {
    const sorted = Object.entries(value as Fields).sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(sorted.map(([key, item]) => [key, jsonOf(type.valuesType as Type, item)]));
  }
  if (type instanceof DecimalType && value instanceof Decimal) {
    return value.withScale(type.scale).toString();
  }
  if (value instanceof Date) {
    return value.toISOString();
  }
  if (value instanceof Uint8Array) {
    return Buffer.from(value).toString('base64');
  }
  return typeof value === 'bigint' ? value.toString() : value;
};

/** The inverse of {@link eventFromJson}: fields in the order of the schema, keys of maps sorted, so equal events have equal texts. */
export const eventToJson = (type: RecordType, event: object): string => JSON.stringify(jsonOf(type, event));
