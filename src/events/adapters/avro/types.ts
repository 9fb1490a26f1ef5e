import { Type, types, type ForSchemaOptions, type Schema } from 'avsc';
import { LOGICAL_TYPES, type Faulting } from './logical';
import { readExactLong, take, writeExactLong, type Tap } from './tap';

type Hook = (value: unknown, type: Type) => void;

/** The inner methods of avsc's types that are called or replaced here. */
interface Inner {
  _read(tap: Tap): unknown;
  _skip(tap: Tap): void;
}

interface Resolver {
  _read: (tap: Tap) => unknown;
}

/** The same type with some methods replaced. avsc freezes its types, and its checks go by `typeName`, so both must live on. */
const derive = <T extends Type>(base: T, methods: object): T => Object.create(base, Object.getOwnPropertyDescriptors(methods)) as T;

const checking = (fault: (value: unknown) => string | undefined): object => ({
  fault,
  _check(this: Type, value: unknown, _flags: unknown, hook?: Hook): boolean {
    const fits = fault(value) === undefined;
    if (!fits) {
      hook?.(value, this);
    }
    return fits;
  },
});

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

const bigintLong = derive(abstractLong, {
  ...checking(longFault),
  _read: readBigint,
  _write: writeExactLong,
  _copy: (value: bigint | number) => BigInt(value),
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

const stringFault = (value: unknown): string | undefined =>
  typeof value !== 'string' ? 'is not a string' : /\p{Surrogate}/u.test(value) ? 'holds half of a surrogate pair, which UTF-8 cannot write' : undefined;

const strictString = derive(new types.StringType(), checking(stringFault));

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

/** More items than bytes are believed only so far (items of zero bytes exist); a corrupt count must not loop for hours. */
const BELIEVED_ITEMS = 65_536;

/** Reads the count of the next block; the size in bytes that may follow it is skipped. */
const blockCount = (tap: Tap): number => {
  let count = tap.readLong();
  if (count < 0) {
    count = -count;
    tap.readLong();
  }
  if (count > BELIEVED_ITEMS && count > tap.buf.length - tap.pos) {
    throw new Error(`a block of ${String(count)} items is longer than the record`);
  }
  return count;
};

const skipBlocks = (tap: Tap, skipItem: () => void): void => {
  for (let count = blockCount(tap); count > 0; count = blockCount(tap)) {
    while (count > 0) {
      skipItem();
      count -= 1;
    }
  }
};

const arrayType = (schema: Schema, options: ForSchemaOptions): Type =>
  derive(new types.ArrayType(schema, options), {
    _read(this: { readonly itemsType: Inner }, tap: Tap): unknown[] {
      const items: unknown[] = [];
      for (let count = blockCount(tap); count > 0; count = blockCount(tap)) {
        while (count > 0) {
          items.push(this.itemsType._read(tap));
          count -= 1;
        }
      }
      return items;
    },
    _skip(this: { readonly itemsType: Inner }, tap: Tap): void {
      skipBlocks(tap, () => {
        this.itemsType._skip(tap);
      });
    },
  });

/** Own property even for the key `__proto__`. */
const put = (target: Record<string, unknown>, key: string, value: unknown): void => {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
};

const mapType = (schema: Schema, options: ForSchemaOptions): Type => {
  const base = new types.MapType(schema, options);
  const inherited = base as unknown as { _check(value: unknown, flags: unknown, hook?: Hook, path?: string[]): boolean };
  return derive(base, {
    _check(this: Type, value: unknown, flags: unknown, hook?: Hook, path?: string[]): boolean {
      const keysFit = typeof value !== 'object' || value === null || Object.keys(value).every((key) => stringFault(key) === undefined);
      if (!keysFit) {
        hook?.(value, this);
      }
      return keysFit && inherited._check.call(this, value, flags, hook, path);
    },
    _read(this: { readonly valuesType: Inner }, tap: Tap): Record<string, unknown> {
      const values: Record<string, unknown> = {};
      for (let count = blockCount(tap); count > 0; count = blockCount(tap)) {
        while (count > 0) {
          put(values, tap.readString(), this.valuesType._read(tap));
          count -= 1;
        }
      }
      return values;
    },
    _skip(this: { readonly valuesType: Inner }, tap: Tap): void {
      skipBlocks(tap, () => {
        tap.skipString();
        this.valuesType._skip(tap);
      });
    },
  });
};

const kindOf = (schema: unknown): unknown =>
  typeof schema === 'string' ? schema : typeof schema === 'object' && schema !== null && 'type' in schema ? schema.type : undefined;

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
      return strictString;
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
