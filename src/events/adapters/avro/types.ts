import { Type, types, type ForSchemaOptions, type Schema } from 'avsc';
import { arrayType, mapType } from './collections';
import { checking, derive, stringFault } from './derive';
import { LOGICAL_TYPES, type Faulting } from './logical';
import { readExactLong, take, writeExactLong, type Tap } from './tap';

interface Resolver {
  _read: (tap: Tap) => unknown;
}

const longFault = (value: unknown): string | undefined =>
  typeof value !== 'bigint' ? 'is not a bigint' : BigInt.asIntN(64, value) !== value ? 'does not fit 64 bits' : undefined;

const readBigint = (tap: Tap): bigint => BigInt(readExactLong(tap));

/** avsc's door for other representations of a long; what is slow or goes through buffers is replaced below. */
const abstractLong = types.LongType.__with(
  {
    fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
    toBuffer: (value: bigint) => {
      const buffer = Buffer.alloc(8);
      buffer.writeBigInt64LE(value);
      return buffer;
    },
    fromJSON: (value: number) => BigInt(value),
    toJSON: Number,
    isValid: (value: unknown) => longFault(value) === undefined,
    compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
  },
  false,
);

/** Of a default too, which JSON gives as a double: one that has lost digits is refused. */
const copyLong = (value: bigint | number): bigint => {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new Error(`the default ${String(value)} of a long is beyond what JSON numbers hold exactly`);
  }
  return BigInt(value);
};

const bigintLong = derive(abstractLong, {
  ...checking(longFault),
  _read: readBigint,
  _write: writeExactLong,
  _copy: copyLong,
  _update(resolver: Resolver, writer: Type) {
    if (['int', 'long', 'abstract:long'].includes(writer.typeName)) {
      resolver._read = readBigint;
    }
  },
});

/** Copied: the record's buffer may be one small part of a large fetch that would otherwise stay in memory. */
const readUint8Array = (tap: Tap): Uint8Array | undefined => {
  const length = tap.readLong();
  const start = take(tap, length);
  return start < 0 ? undefined : new Uint8Array(tap.buf.subarray(start, start + length));
};

/** `abstract` in the name makes avsc ask `_check` where bytes stand in a union; it would know a Buffer only. */
const uint8Bytes = derive(new types.BytesType(), {
  typeName: 'abstract:bytes',
  _concreteTypeName: 'bytes',
  ...checking((value) => (value instanceof Uint8Array ? undefined : 'is not a Uint8Array')),
  _deref: () => 'bytes',
  _read: readUint8Array,
  _write(tap: Tap, value: Uint8Array) {
    tap.writeLong(value.length);
    const start = take(tap, value.length);
    if (start >= 0) {
      tap.buf.set(value, start);
    }
  },
  _copy: (value: string | Uint8Array) => (typeof value === 'string' ? Uint8Array.from(Buffer.from(value, 'latin1')) : Uint8Array.from(value)),
  _update(resolver: Resolver, writer: Type) {
    if (['bytes', 'string', 'abstract:bytes'].includes(writer.typeName)) {
      resolver._read = readUint8Array;
    }
  },
});

const strictString = derive(new types.StringType(), checking(stringFault));

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Text that is judged when it is written; whatever a foreign producer wrote is read as it is. */
const uuidString = derive(new types.StringType(), {
  ...checking((value) => stringFault(value) ?? (UUID.test(value as string) ? undefined : 'is not a UUID')),
  isUuid: true,
});

const enumType = (schema: Schema, options: ForSchemaOptions): Type => {
  const base = new types.EnumType(schema, options);
  const symbols = new Set<unknown>(base.symbols);
  const fault = (value: unknown): string | undefined => (symbols.has(value) ? undefined : `is none of ${base.symbols.join(', ')}`);
  const type = derive(base, checking(fault));
  if (base.name !== undefined) {
    options.registry[base.name] = type;
  }
  return type;
};

const kindOf = (schema: unknown): unknown =>
  typeof schema === 'string' ? schema : typeof schema === 'object' && schema !== null && 'type' in schema ? schema.type : undefined;

const isUuid = (schema: unknown): boolean => typeof schema === 'object' && schema !== null && 'logicalType' in schema && schema.logicalType === 'uuid';

const isLogical = (schema: unknown): boolean =>
  typeof schema === 'object' &&
  schema !== null &&
  'logicalType' in schema &&
  typeof schema.logicalType === 'string' &&
  Object.hasOwn(LOGICAL_TYPES, schema.logicalType);

/** Types of writers: read through the resolver of a reader, or skipped. */
const writerHook = (schema: Schema, options: ForSchemaOptions): Type | undefined => {
  switch (kindOf(schema)) {
    case 'array':
      return arrayType(schema, options);
    case 'map':
      return mapType(schema, options);
    default:
      return undefined;
  }
};

/** Types that make the values of the table in decision 011. */
const valueHook = (schema: Schema, options: ForSchemaOptions): Type | undefined => {
  if (isLogical(schema)) {
    return undefined;
  }
  switch (kindOf(schema)) {
    case 'long':
      return bigintLong;
    case 'bytes':
      return uint8Bytes;
    case 'string':
      return isUuid(schema) ? uuidString : strictString;
    case 'enum':
      return enumType(schema, options);
    default:
      return writerHook(schema, options);
  }
};

/** A record type of avsc; the constructor makes the decoded objects. */
export type RecordType = InstanceType<typeof types.RecordType>;

const asRecord = (type: Type): RecordType => {
  if (!(type instanceof types.RecordType)) {
    throw new Error('the schema of an event must be a record');
  }
  return type;
};

/** Schema of an event class: strict, because whoever wrote it can correct it. */
export const parseValueType = (schema: Schema): RecordType =>
  asRecord(
    Type.forSchema(schema, { typeHook: valueHook, logicalTypes: LOGICAL_TYPES, assertLogicalTypes: true, omitRecordMethods: true, wrapUnions: 'never' }),
  );

/** A writer's schema read by itself: the input of upcasters. Unions that plain values cannot tell apart stay wrapped. */
export const parseOldValueType = (schema: Schema): RecordType =>
  asRecord(Type.forSchema(schema, { typeHook: valueHook, logicalTypes: LOGICAL_TYPES, omitRecordMethods: true, wrapUnions: 'auto' }));

/** A writer's schema, for resolvers. A logical type it spells wrongly counts as its plain type, as Avro demands. */
export const parseWriterType = (schema: Schema): RecordType =>
  asRecord(Type.forSchema(schema, { typeHook: writerHook, logicalTypes: LOGICAL_TYPES, omitRecordMethods: true, wrapUnions: 'auto' }));

/** Why a value does not fit a type, in words. */
export const faultOf = (type: Type, value: unknown): string => {
  if (value === undefined) {
    return 'is missing';
  }
  const own = (type as Partial<Faulting>).fault?.(value);
  if (own !== undefined) {
    return own;
  }
  const branches = type instanceof types.UnwrappedUnionType ? type.types : [];
  const reasons = branches.filter((branch) => branch.typeName !== 'null').map((branch) => faultOf(branch, value));
  return reasons.length > 0 ? reasons.join(', and ') : `is not of type ${type.typeName}`;
};
