import type { Schema } from 'avsc';
import { RefoldError, messageOf } from '../../../kernel/errors';
import type { EventTypeDefinition } from '../../event-type';
import { parseValueType, parseWriterType, type RecordType } from './types';

/** Extra attribute of a registered schema: the version of the event type. */
export const VERSION_ATTRIBUTE = 'refold.version';

/**
 * Extra attribute of a registered schema: the first version that means the same. Code of an earlier one must not read it by
 * Avro's rules, because an upcaster stands between the two (decision 025).
 */
const SINCE_ATTRIBUTE = 'refold.since';

/** `orders.OrderPlaced.v2`: a raised version begins a new subject, since upcasters may do what no registry calls compatible (decision 010). */
export const subjectOf = (type: EventTypeDefinition): string => `${type.name}.v${String(type.version)}`;

const sinceOf = ({ upcasters }: EventTypeDefinition): number => 1 + Math.max(0, ...Object.keys(upcasters).map(Number));

/** Full names as Avro aliases: within a namespace, a name without one begins with a dot. */
const aliasesOf = (own: unknown, { formerNames }: EventTypeDefinition, namespaced: boolean): object => {
  const former = formerNames.map((name) => (namespaced && !name.includes('.') ? `.${name}` : name));
  return former.length === 0 ? {} : { aliases: [...(Array.isArray(own) ? (own as readonly unknown[]) : []), ...former] };
};

/** The Avro schema of an event type, named after it. @throws RefoldError `definition.invalid` */
export const avroSchemaOf = (type: EventTypeDefinition): Readonly<Record<string, unknown>> => {
  if (typeof type.schema !== 'object' || type.schema === null || Array.isArray(type.schema)) {
    throw new RefoldError('definition.invalid', `the schema of event type ${type.name} is not an Avro record`);
  }
  const { type: kind, name: _name, namespace: _namespace, ...rest } = type.schema as Readonly<Record<string, unknown>>;
  const dot = type.name.lastIndexOf('.');
  const namespace = dot < 0 ? {} : { namespace: type.name.slice(0, dot) };
  const since = sinceOf(type);
  return {
    type: kind,
    name: type.name.slice(dot + 1),
    ...namespace,
    [VERSION_ATTRIBUTE]: type.version,
    ...(since === 1 ? {} : { [SINCE_ATTRIBUTE]: since }),
    ...rest,
    ...aliasesOf(rest['aliases'], type, dot >= 0),
  };
};

/** What the registry is given: one `JSON.stringify` form. @throws RefoldError `definition.invalid` */
export const registeredTextOf = (type: EventTypeDefinition): string => JSON.stringify(avroSchemaOf(type));

/** The type that encodes and decodes the instances of the class. @throws RefoldError `definition.invalid` */
export const valueTypeOf = (definition: EventTypeDefinition): RecordType => {
  const schema = avroSchemaOf(definition);
  try {
    return parseValueType(schema as unknown as Schema);
  } catch (cause) {
    throw new RefoldError('definition.invalid', `the Avro schema of event type ${definition.name} cannot be used: ${messageOf(cause)}`, { cause });
  }
};

/** A registered schema, parsed: what a reader needs to know of the writer. */
export interface WriterSchema {
  readonly id: number;
  /** Full name and aliases of the Avro record. */
  readonly name: string;
  /** Version of the event type; `undefined` in schemas of foreign producers. */
  readonly version: number | undefined;
  /** The first version whose code may read it by Avro's rules alone; 1 if nothing is said. */
  readonly since: number;
  readonly schema: Schema;
  readonly type: RecordType;
}

/** @throws Error if the text is not JSON, or not the Avro schema of a record */
export const parseWriterSchema = (id: number, text: string): WriterSchema => {
  const schema = JSON.parse(text) as Schema;
  const type = parseWriterType(schema);
  const attribute = (name: string): number | undefined => {
    const value = (schema as unknown as Readonly<Record<string, unknown>>)[name];
    return Number.isSafeInteger(value) ? (value as number) : undefined;
  };
  return { id, name: type.name ?? '', version: attribute(VERSION_ATTRIBUTE), since: attribute(SINCE_ATTRIBUTE) ?? 1, schema, type };
};
