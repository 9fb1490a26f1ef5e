import { types, type Type } from 'avsc';
import { messageOf } from '../../../kernel/errors';
import type { CompatibilityMode, RegisteredSchema, RegisteredSubject } from '../../schema-registry';
import type { SchemaBreak } from '../../schema-verdict';
import { parseWriterSchema } from './schema';

/** Why a reader cannot read what a writer wrote. */
export interface Obstacle {
  readonly field: string;
  readonly reason: string;
}

const nameOf = (type: Type): string => {
  if (type instanceof types.UnwrappedUnionType || type instanceof types.WrappedUnionType) {
    return type.types.map(nameOf).join(' | ');
  }
  if (type instanceof types.ArrayType) {
    return `array of ${nameOf(type.itemsType)}`;
  }
  if (type instanceof types.MapType) {
    return `map of ${nameOf(type.valuesType as Type)}`;
  }
  const kind = type.typeName.replace(/^(abstract|logical):/, '');
  return type.name === undefined || type.name === kind ? kind : `${kind} ${type.name}`;
};

const resolves = (reader: Type, writer: Type): boolean => {
  try {
    reader.createResolver(writer);
    return true;
  } catch {
    return false;
  }
};

const withinRecord = (
  reader: InstanceType<typeof types.RecordType>,
  writer: InstanceType<typeof types.RecordType>,
  path: string,
  seen: Set<Type>,
): Obstacle[] =>
  reader.fields.flatMap((field) => {
    const at = path === '' ? field.name : `${path}.${field.name}`;
    const source = writer.fields.find(({ name }) => name === field.name || field.aliases.includes(name));
    if (source !== undefined) {
      return obstacles(field.type, source.type, at, seen);
    }
    return field.defaultValue() === undefined ? [{ field: at, reason: 'was not written and has no default' }] : [];
  });

const within = (reader: Type, writer: Type, path: string, seen: Set<Type>): Obstacle[] => {
  if (reader instanceof types.RecordType && writer instanceof types.RecordType && !seen.has(reader)) {
    const names = [reader.name, ...(reader.aliases ?? [])];
    return names.includes(writer.name) ? withinRecord(reader, writer, path, new Set([...seen, reader])) : [];
  }
  if (reader instanceof types.ArrayType && writer instanceof types.ArrayType) {
    return obstacles(reader.itemsType, writer.itemsType, `${path}[]`, seen);
  }
  if (reader instanceof types.MapType && writer instanceof types.MapType) {
    return obstacles(reader.valuesType as Type, writer.valuesType as Type, `${path}{}`, seen);
  }
  if (reader instanceof types.EnumType && writer instanceof types.EnumType) {
    const unknown = writer.symbols.filter((symbol) => !reader.symbols.includes(symbol));
    return unknown.length === 0 ? [] : [{ field: path, reason: `${unknown.join(', ')} could not be read any more` }];
  }
  return [];
};

/** Whether Avro can resolve the two decides; where it cannot, the innermost places that it stumbles over are named. */
export const obstacles = (reader: Type, writer: Type, path = '', seen = new Set<Type>()): Obstacle[] => {
  if (resolves(reader, writer)) {
    return [];
  }
  const inner = within(reader, writer, path, seen);
  return inner.length > 0 ? inner : [{ field: path, reason: `${nameOf(writer)} cannot be read as ${nameOf(reader)}` }];
};

const between = (reader: () => Type, writer: () => Type): Obstacle[] => {
  try {
    return obstacles(reader(), writer());
  } catch (error) {
    return [{ field: '', reason: `no Avro schema of a record: ${messageOf(error)}` }];
  }
};

const typeOf = ({ id, schema }: RegisteredSchema): Type => parseWriterSchema(id, schema).type;

const forwardTo = (modes: readonly CompatibilityMode[], schemas: readonly RegisteredSchema[]): readonly RegisteredSchema[] => {
  const forward = modes.filter((mode) => /^(FORWARD|FULL)/.test(mode));
  return forward.some((mode) => mode.endsWith('_TRANSITIVE')) ? schemas : forward.length > 0 ? schemas.slice(-1) : [];
};

/** What registering a schema would break: reading anything ever registered under the subject, and what the modes of registry and event type demand. */
export const breaksOf = ({ mode, schemas }: RegisteredSubject, compatibility: CompatibilityMode, reader: Type, text: string): readonly SchemaBreak[] => [
  ...schemas.flatMap((one) =>
    between(
      () => reader,
      () => typeOf(one),
    ).map((obstacle): SchemaBreak => ({ id: one.id, direction: 'backward', ...obstacle })),
  ),
  ...forwardTo([mode, compatibility], schemas).flatMap((one) =>
    between(
      () => typeOf(one),
      () => typeOf({ id: 0, schema: text }),
    ).map((obstacle): SchemaBreak => ({ id: one.id, direction: 'forward', ...obstacle })),
  ),
];

interface Field {
  readonly name: string;
}

const fieldsOf = (text: string): ReadonlyMap<string, string> => {
  try {
    const { fields } = JSON.parse(text) as { readonly fields?: readonly Field[] };
    return new Map((fields ?? []).map((field) => [field.name, JSON.stringify(field)]));
  } catch {
    return new Map();
  }
};

/** How a schema differs from the one before it, field by field. */
export const changesBetween = (before: string, after: string): readonly string[] => {
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  const changes = [
    ...[...now.keys()].filter((name) => !old.has(name)).map((name) => `field ${name} added`),
    ...[...old.keys()].filter((name) => !now.has(name)).map((name) => `field ${name} removed`),
    ...[...now].filter(([name, text]) => old.has(name) && old.get(name) !== text).map(([name]) => `field ${name} changed`),
  ];
  return changes.length > 0 ? changes : ['order of fields or attributes beside them changed'];
};
