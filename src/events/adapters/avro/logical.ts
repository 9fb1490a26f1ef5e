import { types, type Schema, type Type } from 'avsc';
import { Decimal, pow10 } from '../../../kernel/decimal';
import { readExactLong, readTwosComplement, take, twosComplementLength, writeExactLong, writeTwosComplement, type Tap } from './tap';

/** A type that can say in words why a value does not fit it. */
export interface Faulting {
  /** `undefined` if the value fits. */
  fault(value: unknown): string | undefined;
}

/** The reading half of a resolver, as avsc builds it. */
interface Resolver {
  _read: (tap: Tap) => unknown;
}

/** The largest distance of a Date from the epoch, in milliseconds. */
const MAX_DATE_MS = 8_640_000_000_000_000;

const dateOf = (ms: number): Date => {
  if (ms > MAX_DATE_MS || ms < -MAX_DATE_MS) {
    throw new Error('the timestamp is beyond what a Date holds');
  }
  return new Date(ms);
};

const readMillis = (tap: Tap): Date => dateOf(Number(readExactLong(tap)));

/** Microseconds below a millisecond are cut off towards the past: a Date holds milliseconds (decision 011). */
const readMicros = (tap: Tap): Date => {
  const micros = readExactLong(tap);
  return dateOf(typeof micros === 'number' ? Math.floor(micros / 1000) : Number((micros - (((micros % 1000n) + 1000n) % 1000n)) / 1000n));
};

/** `timestamp-millis` and `timestamp-micros` as Date. */
export class TimestampType extends types.LogicalType implements Faulting {
  readonly micros: boolean;

  constructor(schema: Schema, options: unknown) {
    super(schema, options);
    if (this.underlyingType.typeName !== 'long') {
      throw new Error('a timestamp needs the type long');
    }
    this.micros = this.typeName === 'logical:timestamp-micros';
  }

  fault(value: unknown): string | undefined {
    if (!(value instanceof Date)) {
      return 'is not a Date';
    }
    return Number.isNaN(value.getTime()) ? 'is an invalid Date' : undefined;
  }

  _check(value: unknown, _flags: unknown, hook?: (value: unknown, type: Type) => void): boolean {
    const fits = this.fault(value) === undefined;
    if (!fits) {
      hook?.(value, this);
    }
    return fits;
  }

  _read(tap: Tap): Date {
    return this.micros ? readMicros(tap) : readMillis(tap);
  }

  _write(tap: Tap, value: Date): void {
    const ms = BigInt(value.getTime());
    writeExactLong(tap, this.micros ? ms * 1000n : ms);
  }

  /** A writer without the logical type is read by the unit of the reader. */
  _update(resolver: Resolver, writer: Type): void {
    if (writer instanceof TimestampType) {
      resolver._read = writer.micros ? readMicros : readMillis;
    } else if (['int', 'long'].includes(writer.typeName)) {
      resolver._read = this.micros ? readMicros : readMillis;
    }
  }

  // The three below serve defaults only, which avsc copies through them.
  protected override _fromValue(value: number): Date {
    return new Date(this.micros ? Math.floor(value / 1000) : value);
  }

  protected override _toValue(value: unknown): number | undefined {
    return value instanceof Date ? value.getTime() * (this.micros ? 1000 : 1) : undefined;
  }

  protected override _resolve(): undefined {
    return undefined;
  }
}

interface DecimalSchema {
  readonly type: string;
  readonly precision?: unknown;
  readonly scale?: unknown;
}

/** `decimal` over bytes or fixed, as {@link Decimal}: big-endian two's complement of the unscaled value. */
export class DecimalType extends types.LogicalType implements Faulting {
  readonly precision: number;
  readonly scale: number;
  /** Bytes of a fixed; `undefined` over bytes. */
  readonly size: number | undefined;
  readonly #limit: bigint;

  constructor(schema: Schema, options: unknown) {
    super(schema, options);
    const { precision, scale = 0 } = schema as unknown as DecimalSchema;
    const underlying = this.underlyingType;
    if (underlying.typeName !== 'bytes' && underlying.typeName !== 'fixed') {
      throw new Error('a decimal needs the type bytes or fixed');
    }
    if (
      !Number.isSafeInteger(precision) ||
      !Number.isSafeInteger(scale) ||
      (precision as number) < 1 ||
      (scale as number) < 0 ||
      (scale as number) > (precision as number)
    ) {
      throw new Error('a decimal needs a precision of at least 1 and a scale from 0 to the precision');
    }
    this.precision = precision as number;
    this.scale = scale as number;
    this.size = underlying instanceof types.FixedType ? underlying.size : undefined;
    this.#limit = pow10(this.precision);
  }

  /** The unscaled value at the scale of the schema, or why there is none. */
  #unscaled(value: unknown): bigint | string {
    if (!(value instanceof Decimal)) {
      return 'is not a Decimal';
    }
    const shift = this.scale - value.scale;
    const { unscaled } = value;
    if (shift < 0 && unscaled % pow10(-shift) !== 0n) {
      return `${value.toString()} has more than ${String(this.scale)} decimals`;
    }
    const scaled = shift >= 0 ? unscaled * pow10(shift) : unscaled / pow10(-shift);
    if (scaled >= this.#limit || scaled <= -this.#limit) {
      return `${value.toString()} has more than ${String(this.precision)} digits`;
    }
    if (this.size !== undefined && twosComplementLength(scaled) > this.size) {
      return `${value.toString()} does not fit ${String(this.size)} bytes`;
    }
    return scaled;
  }

  fault(value: unknown): string | undefined {
    const unscaled = this.#unscaled(value);
    return typeof unscaled === 'string' ? unscaled : undefined;
  }

  _check(value: unknown, _flags: unknown, hook?: (value: unknown, type: Type) => void): boolean {
    const fits = typeof this.#unscaled(value) !== 'string';
    if (!fits) {
      hook?.(value, this);
    }
    return fits;
  }

  _read(tap: Tap): Decimal | undefined {
    const length = this.size ?? tap.readLong();
    const start = take(tap, length);
    return start < 0 ? undefined : new Decimal(readTwosComplement(tap.buf, start, length), this.scale);
  }

  _write(tap: Tap, value: unknown): void {
    const unscaled = this.#unscaled(value);
    if (typeof unscaled === 'string') {
      throw new Error(unscaled);
    }
    const length = this.size ?? twosComplementLength(unscaled);
    if (this.size === undefined) {
      tap.writeLong(length);
    }
    writeTwosComplement(tap, unscaled, length);
  }

  /** A writer with another scale or more digits is read where each value fits exactly; one without the logical type by the reader's scale. */
  _update(resolver: Resolver, writer: Type): void {
    if (writer instanceof DecimalType) {
      const same = writer.scale === this.scale && writer.precision <= this.precision;
      resolver._read = same ? (tap) => writer._read(tap) : (tap) => this.#refit(writer._read(tap));
    } else if (writer.typeName === 'bytes') {
      resolver._read = (tap) => {
        const length = tap.readLong();
        const start = take(tap, length);
        return start < 0 ? undefined : this.#refit(new Decimal(readTwosComplement(tap.buf, start, length), this.scale));
      };
    }
  }

  #refit(value: Decimal | undefined): Decimal | undefined {
    const unscaled = value === undefined ? undefined : this.#unscaled(value);
    if (typeof unscaled === 'string') {
      throw new Error(unscaled);
    }
    return unscaled === undefined ? undefined : new Decimal(unscaled, this.scale);
  }

  // The three below serve defaults only, which avsc copies through them.
  protected override _fromValue(value: Buffer): Decimal {
    return new Decimal(readTwosComplement(value, 0, value.length), this.scale);
  }

  protected override _toValue(value: unknown): Buffer | undefined {
    const unscaled = this.#unscaled(value);
    if (typeof unscaled === 'string') {
      return undefined;
    }
    const length = this.size ?? twosComplementLength(unscaled);
    const hex = BigInt.asUintN(8 * length, unscaled).toString(16);
    return Buffer.from(hex.padStart(2 * length, '0'), 'hex');
  }

  protected override _resolve(): undefined {
    return undefined;
  }
}

export const LOGICAL_TYPES = { 'timestamp-millis': TimestampType, 'timestamp-micros': TimestampType, decimal: DecimalType } as const;
