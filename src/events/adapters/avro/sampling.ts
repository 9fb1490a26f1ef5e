import { types, type Type } from 'avsc';
import { Decimal, pow10 } from '../../../kernel/decimal';
import { DecimalType, TimestampType } from './logical';

/** Levels of nesting before lists stay empty and optional values null: a schema may contain itself. */
const DEEPEST = 3;

const PLAIN: Readonly<Record<string, readonly unknown[]>> = {
  null: [null],
  boolean: [true, false],
  int: [1, -2_147_483_648, 2_147_483_647],
  'abstract:long': [1n, -(2n ** 63n), 2n ** 63n - 1n],
  float: [0.5, -0.25],
  double: [0.1, -1.5e300],
  string: ['text', 'Ünïcode 🐎'],
  'abstract:bytes': [Uint8Array.of(0, 127, 255), new Uint8Array()],
};

const UUIDS = ['00000000-0000-4000-8000-000000000001', 'ffffffff-ffff-4fff-bfff-fffffffffffe'];

const decimals = ({ precision, scale, size }: DecimalType): readonly Decimal[] => {
  const digits = size === undefined ? precision : Math.min(precision, Math.floor(((8 * size - 1) * Math.LN2) / Math.LN10));
  const most = pow10(digits) - 1n;
  return [new Decimal(most < 1n ? 0n : 1n, scale), new Decimal(most, scale), new Decimal(-most, scale)];
};

const records = (type: InstanceType<typeof types.RecordType>, depth: number): readonly object[] => {
  const fields = type.fields.map((field) => [field.name, valuesOf(field.type, depth + 1)] as const);
  const count = Math.max(1, ...fields.map(([, values]) => values.length));
  return Array.from({ length: count }, (_, i) => Object.fromEntries(fields.map(([name, values]) => [name, values[i % values.length]])));
};

/** Values of a type, always the same: the ends of its range, each symbol and each branch among them. */
export const valuesOf = (type: Type, depth = 0): readonly unknown[] => {
  if (type instanceof types.RecordType) {
    return records(type, depth);
  }
  if (type instanceof types.EnumType) {
    return type.symbols;
  }
  if (type instanceof types.ArrayType) {
    return depth > DEEPEST ? [[]] : [valuesOf(type.itemsType, depth + 1), []];
  }
  if (type instanceof types.MapType) {
    const values = depth > DEEPEST ? [] : valuesOf(type.valuesType as Type, depth + 1);
    return [Object.fromEntries(values.map((value, i) => [`key ${String(i)}`, value])), {}];
  }
  if (type instanceof types.UnwrappedUnionType) {
    const branches = depth > DEEPEST ? type.types.filter(({ typeName }) => typeName === 'null') : type.types;
    return (branches.length === 0 ? type.types : branches).flatMap((branch) => valuesOf(branch, depth));
  }
  if (type instanceof DecimalType) {
    return decimals(type);
  }
  if (type instanceof TimestampType) {
    return [new Date('2026-01-02T03:04:05.006Z'), new Date('1969-12-31T23:59:59.999Z')];
  }
  if (type instanceof types.FixedType) {
    return [Buffer.alloc(type.size, 0xa5)];
  }
  return 'isUuid' in type ? UUIDS : (PLAIN[type.typeName] ?? []);
};
