import { RefoldError } from './errors';

const POWERS: readonly bigint[] = Array.from({ length: 64 }, (_, n) => 10n ** BigInt(n));

/** 10^n; `n` is a non-negative integer. */
export const pow10 = (n: number): bigint => POWERS[n] ?? 10n ** BigInt(n);

/**
 * An exact decimal number: an unscaled integer and a scale, value = unscaled / 10^scale. Immutable; never a float.
 * Results of arithmetic have the larger scale of the operands, so nothing is rounded.
 */
export class Decimal {
  // Both are plain fields, not private ones: so deep comparisons (of tests, of caches) see the value.
  readonly unscaled: bigint;
  /** Number of decimals, a non-negative integer. */
  readonly scale: number;

  constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled;
    this.scale = scale;
  }

  /** Reads `'-12.50'`, and what `String` makes of a number: `'1e+21'`, `'1.5e-7'`. @throws RefoldError `decimal.invalid` */
  static parse(text: string): Decimal {
    const match = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text);
    if (match === null) {
      throw new RefoldError('decimal.invalid', `not a decimal: ${JSON.stringify(text)}`);
    }
    const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
    const magnitude = BigInt(whole + fraction);
    const scale = fraction.length - Number(exponent);
    const unscaled = sign === '-' ? -magnitude : magnitude;
    return scale < 0 ? new Decimal(unscaled * pow10(-scale), 0) : new Decimal(unscaled, scale);
  }

  /** The same value with exactly `scale` decimals. @throws RefoldError `decimal.invalid` if digits would be lost. */
  withScale(scale: number): Decimal {
    if (scale === this.scale) {
      return this;
    }
    if (scale > this.scale) {
      return new Decimal(this.unscaled * pow10(scale - this.scale), scale);
    }
    const divisor = pow10(this.scale - scale);
    if (this.unscaled % divisor !== 0n) {
      throw new RefoldError('decimal.invalid', `${this.toString()} has more than ${String(scale)} decimals`);
    }
    return new Decimal(this.unscaled / divisor, scale);
  }

  plus(other: Decimal): Decimal {
    if (this.scale === other.scale) {
      return new Decimal(this.unscaled + other.unscaled, this.scale);
    }
    const scale = Math.max(this.scale, other.scale);
    return new Decimal(this.withScale(scale).unscaled + other.withScale(scale).unscaled, scale);
  }

  minus(other: Decimal): Decimal {
    return this.plus(other.negated());
  }

  negated(): Decimal {
    return new Decimal(-this.unscaled, this.scale);
  }

  /** Negative, zero or positive as this is less than, equal to or greater than the other, by value. */
  compare(other: Decimal): number {
    const scale = Math.max(this.scale, other.scale);
    const a = this.withScale(scale).unscaled;
    const b = other.withScale(scale).unscaled;
    return a < b ? -1 : a > b ? 1 : 0;
  }

  equals(other: Decimal): boolean {
    return this.compare(other) === 0;
  }

  toString(): string {
    const negative = this.unscaled < 0n;
    const digits = (negative ? -this.unscaled : this.unscaled).toString().padStart(this.scale + 1, '0');
    const whole = digits.slice(0, digits.length - this.scale);
    const text = this.scale === 0 ? whole : `${whole}.${digits.slice(digits.length - this.scale)}`;
    return negative ? `-${text}` : text;
  }

  toJSON(): string {
    return this.toString();
  }
}
