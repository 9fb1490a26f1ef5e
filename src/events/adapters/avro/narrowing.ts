import type { Schema } from 'avsc';
import type { EventTypeDefinition } from '../../event-type';
import { avroSchemaOf } from './schema';
import { parseValueType, type RecordType } from './types';

interface Field {
  readonly name: string;
  readonly type: unknown;
}

/** Reading a field that the reader did not declare. */
export class UndeclaredField extends Error {
  override readonly name = 'UndeclaredField';

  constructor(type: string, field: string) {
    super(`field ${field} of ${type} is not among the fields that the handler declares`);
  }
}

/** Whether a field spells out a type of its own, to which other fields may refer by name. */
const namesTypes = ({ type }: Field): boolean => JSON.stringify(type).includes('"name":');

/** Names in the schema of an event type. */
export const fieldNamesOf = (definition: EventTypeDefinition): readonly string[] =>
  ((avroSchemaOf(definition)['fields'] ?? []) as readonly Field[]).map(({ name }) => name);

/** The schema of an event type with only some of its fields: what is left out is skipped in the bytes and not made. */
export const narrowedType = (definition: EventTypeDefinition, declared: readonly string[]): RecordType => {
  const schema = avroSchemaOf(definition);
  const fields = schema['fields'] as readonly Field[];
  const parsed = (kept: (field: Field) => boolean): RecordType => parseValueType({ ...schema, fields: fields.filter(kept) } as unknown as Schema);
  const isDeclared = ({ name }: Field): boolean => declared.includes(name);
  try {
    return parsed(isDeclared);
  } catch {
    return parsed((field) => isDeclared(field) || namesTypes(field)); // a declared field refers to a type that another one spells out
  }
};

/** The prototype of the class, on which a field that was not read throws instead of being `undefined`. */
export const narrowedPrototype = (definition: EventTypeDefinition, read: readonly string[]): object => {
  const left = fieldNamesOf(definition).filter((name) => !read.includes(name));
  const guard = (field: string): PropertyDescriptor => ({
    configurable: true,
    get: () => {
      throw new UndeclaredField(definition.name, field);
    },
  });
  return Object.create(definition.class.prototype as object, Object.fromEntries(left.map((name) => [name, guard(name)]))) as object;
};
