import { types, type Type } from 'avsc';
import { RefoldError, messageOf } from '../../../kernel/errors';
import type { EventTypeDefinition } from '../../event-type';
import { needsUpcasting, upcast, type Fields, type RecordMetadata, type UpcastEvent } from '../../upcasting';
import { narrowedPrototype, narrowedType } from './narrowing';
import { valueTypeOf, type WriterSchema } from './schema';
import { faultOf, parseOldValueType, type RecordType } from './types';

/** First byte of the Confluent wire format. */
export const MAGIC = 0x00;
/** Magic byte and schema id. */
export const PREFIX_BYTES = 5;

/**
 * What turns the value of a record into events. Throws plain errors; the decoder adds the position. `one`: an instance of
 * the class; `several`: what upcasters make of it, of this type or others, whose codecs make the instances.
 */
export type Reader =
  | { readonly kind: 'one'; readonly read: (value: Buffer) => object }
  | { readonly kind: 'several'; readonly read: (value: Buffer, record: RecordMetadata) => readonly UpcastEvent[] };

/** Finds the definition of another event type of the application. */
export type TypeNamed = (name: string) => EventTypeDefinition | undefined;

interface Fault {
  readonly field: string;
  readonly reason: string;
}

/** Encodes one event type, and makes readers of it per writer's schema. */
export class EventCodec {
  readonly definition: EventTypeDefinition;
  readonly #type: RecordType;
  readonly #narrow = new Map<string, RecordType>();
  #scratch = Buffer.allocUnsafe(4096);

  /** @throws RefoldError `definition.invalid` */
  constructor(definition: EventTypeDefinition) {
    this.definition = definition;
    this.#type = valueTypeOf(definition);
    refuseAccessors(definition, this.#type);
    plainPrototypes(this.#type, new Set());
    // Decoded objects are made by avsc's constructor; sharing the prototype makes them instances of the class without a copy.
    (this.#type.recordConstructor as { prototype: unknown }).prototype = definition.class.prototype;
  }

  /** What reads and writes the values. */
  get type(): Type {
    return this.#type;
  }

  /** Aliases of the Avro record: former names of the event type. */
  get aliases(): readonly string[] {
    return this.#type.aliases ?? [];
  }

  /** The value of a record. @throws RefoldError `event.invalid` with the path of the first field that does not fit */
  encode(event: object, schemaId: number): Buffer {
    const fault = this.#faultOf(event);
    if (fault !== undefined) {
      throw new RefoldError('event.invalid', `${this.definition.name}: ${fault.reason}`, { facts: { type: this.definition.name, field: fault.field } });
    }
    let end = this.#type.encode(event, this.#scratch, PREFIX_BYTES);
    while (end < 0) {
      this.#scratch = Buffer.allocUnsafe(2 * (this.#scratch.length - end));
      end = this.#type.encode(event, this.#scratch, PREFIX_BYTES);
    }
    this.#scratch[0] = MAGIC;
    this.#scratch.writeInt32BE(schemaId, 1);
    const value = Buffer.from(this.#scratch.subarray(0, end));
    if (this.#scratch.length > 1_048_576) {
      this.#scratch = Buffer.allocUnsafe(4096); // one large event must not hold its memory for good
    }
    return value;
  }

  /** Why an event does not fit; `undefined`: it does. */
  faultOf(event: object): string | undefined {
    return this.#faultOf(event)?.reason;
  }

  /** Whether upcasters stand between a writer's schema and today's. */
  upcasts(writer: WriterSchema): boolean {
    const { version, upcasters } = this.definition;
    return needsUpcasting(writer.version ?? version, version, upcasters);
  }

  /** A reader of what was written with this schema: of whole events, or of some fields of them. @throws Error if Avro cannot resolve it */
  reader(writer: WriterSchema, typeNamed: TypeNamed, fields?: readonly string[]): Reader {
    return this.upcasts(writer) ? this.#upcastingReader(writer, typeNamed) : this.#resolvingReader(writer, fields);
  }

  #resolvingReader(writer: WriterSchema, fields: readonly string[] | undefined): Reader {
    const type = fields === undefined ? this.#type : this.#narrowed(fields);
    const resolver = type.createResolver(writer.type);
    return { kind: 'one', read: (value) => whole(type.decode(value, PREFIX_BYTES, resolver), value) };
  }

  #upcastingReader(writer: WriterSchema, typeNamed: TypeNamed): Reader {
    const old = parseOldValueType(writer.schema);
    plainPrototypes(old, new Set());
    const type = this.definition;
    const from = writer.version ?? type.version;
    const fieldsOf = (value: Buffer): Fields => whole(old.decode(value, PREFIX_BYTES), value) as Fields;
    return { kind: 'several', read: (value, record) => upcast({ type, version: from, fields: fieldsOf(value) }, record, typeNamed) };
  }

  #narrowed(fields: readonly string[]): RecordType {
    const id = [...fields].sort().join();
    const type = this.#narrow.get(id) ?? narrowedType(this.definition, fields);
    if (!this.#narrow.has(id)) {
      plainPrototypes(type, new Set());
      const read = type.fields.map(({ name }) => name);
      (type.recordConstructor as { prototype: unknown }).prototype = narrowedPrototype(this.definition, read);
      this.#narrow.set(id, type);
    }
    return type;
  }

  /** Fields of the current version as an instance: former names of fields and defaults count, as they do in Avro. @throws TypeError */
  instance(fields: Fields): object {
    const values = this.#type.fields.map((field) => {
      const name = [field.name, ...field.aliases].find((candidate) => Object.hasOwn(fields, candidate));
      return name === undefined ? undefined : fields[name];
    });
    const instance = Reflect.construct(this.#type.recordConstructor as new (...values: unknown[]) => object, values);
    const fault = this.#faultOf(instance);
    if (fault !== undefined) {
      throw new TypeError(`after upcasting, ${fault.reason}`);
    }
    return instance;
  }

  #faultOf(event: object): Fault | undefined {
    try {
      return this.#type.isValid(event) ? undefined : this.#firstFault(event);
    } catch (error) {
      return { field: '', reason: messageOf(error) }; // a union in which the value fits several branches, a getter that throws
    }
  }

  #firstFault(event: object): Fault | undefined {
    let first: Fault | undefined;
    this.#type.isValid(event, {
      errorHook: (path, value, type) => {
        const field = path.join('.');
        first ??= { field, reason: `${field === '' ? 'the event' : `field ${field}`} ${faultOf(type, value)}` };
      },
    });
    return first;
  }
}

const whole = (decoded: { readonly value: unknown; readonly offset: number }, value: Buffer): object => {
  if (decoded.offset < 0) {
    throw new Error('the body is shorter than its schema says');
  }
  if (decoded.offset < value.length) {
    throw new Error(`${String(value.length - decoded.offset)} bytes are left after the body`);
  }
  return decoded.value as object;
};

/** A field behind a setter or getter of the class would be lost or would run code in every decoding. */
const refuseAccessors = (definition: EventTypeDefinition, type: RecordType): void => {
  for (const field of type.fields) {
    for (let proto: unknown = definition.class.prototype; typeof proto === 'object' && proto !== null; proto = Object.getPrototypeOf(proto)) {
      const descriptor = Object.getOwnPropertyDescriptor(proto, field.name);
      if (descriptor?.get !== undefined || descriptor?.set !== undefined) {
        throw new RefoldError(
          'definition.invalid',
          `event type ${definition.name}: field ${field.name} is a getter or setter of class ${definition.class.name}`,
          {
            remedy: 'Declare the field as a plain property; accessors are for what is derived.',
          },
        );
      }
    }
  }
};

/** Nested records decode to plain objects. */
export const plainPrototypes = (type: Type, seen: Set<Type>): void => {
  if (seen.has(type)) {
    return;
  }
  seen.add(type);
  if (type instanceof types.RecordType) {
    (type.recordConstructor as { prototype: unknown }).prototype = Object.prototype;
    type.fields.forEach((field) => {
      plainPrototypes(field.type, seen);
    });
  } else if (type instanceof types.ArrayType) {
    plainPrototypes(type.itemsType, seen);
  } else if (type instanceof types.MapType) {
    plainPrototypes(type.valuesType as Type, seen);
  } else if (type instanceof types.UnwrappedUnionType || type instanceof types.WrappedUnionType) {
    type.types.forEach((branch) => {
      plainPrototypes(branch, seen);
    });
  }
};
