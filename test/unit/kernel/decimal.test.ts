import fc from 'fast-check';
import { Decimal, pow10 } from '../../../src/kernel/decimal';
import type { RefoldError } from '../../../src/kernel/errors';

const decimal = fc.tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.nat(70)).map(([unscaled, scale]) => new Decimal(unscaled, scale));
/** The value as a numerator over 10^80: arithmetic that does not know of scales. */
const numerator = (value: Decimal): bigint => value.unscaled * 10n ** BigInt(80 - value.scale);

test("parse and toString are each other's inverse, scale included", () => {
  fc.assert(
    fc.property(decimal, (a) => {
      expect(Decimal.parse(a.toString())).toEqual(a);
    }),
  );
});

test.each([
  ['0', 0n, 0],
  ['-0.00', 0n, 2],
  ['+1.5', 15n, 1],
  ['-0.05', -5n, 2],
  ['007', 7n, 0],
  ['1e+21', 10n ** 21n, 0],
  ['-1.5e-7', -15n, 8],
  ['1.25E1', 125n, 1],
])('%s', (text, unscaled, scale) => {
  expect(Decimal.parse(text)).toEqual(new Decimal(unscaled, scale));
});

test.each(['', '.5', '1.', '1e', '1e1000', ' 1', '1,5', 'NaN', '--1', '0x1', '١'])('%p is not a decimal', (text) => {
  expect(() => Decimal.parse(text)).toThrow(expect.objectContaining({ code: 'decimal.invalid' }) as RefoldError);
});

test('reads every finite number as JavaScript writes it', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Number(Decimal.parse(String(value)).toString())).toBe(value + 0);
    }),
  );
});

test('sums and differences are exact, in the larger scale', () => {
  fc.assert(
    fc.property(decimal, decimal, (a, b) => {
      const [sum, difference] = [a.plus(b), a.minus(b)];
      expect(numerator(sum)).toBe(numerator(a) + numerator(b));
      expect(numerator(difference)).toBe(numerator(a) - numerator(b));
      expect([sum.scale, difference.scale]).toEqual([Math.max(a.scale, b.scale), Math.max(a.scale, b.scale)]);
    }),
  );
});

test('a sum does not depend on order or grouping', () => {
  fc.assert(
    fc.property(fc.array(decimal, { minLength: 1 }), (values) => {
      const forwards = values.reduce((a, b) => a.plus(b));
      const backwards = values.reduceRight((a, b) => b.plus(a));
      expect(forwards).toEqual(backwards);
    }),
  );
});

test('comparing is by value and agrees with the sign of the difference', () => {
  fc.assert(
    fc.property(decimal, decimal, (a, b) => {
      const difference = numerator(a) - numerator(b);
      expect(Math.sign(a.compare(b))).toBe(difference < 0n ? -1 : difference > 0n ? 1 : 0);
      expect(a.equals(b)).toBe(difference === 0n);
      expect(a.equals(a.withScale(a.scale + 3))).toBe(true);
    }),
  );
});

test('withScale keeps the value or throws', () => {
  fc.assert(
    fc.property(decimal, fc.nat(75), (a, scale) => {
      if (scale >= a.scale || a.unscaled % pow10(a.scale - scale) === 0n) {
        expect(numerator(a.withScale(scale))).toBe(numerator(a));
        expect(a.withScale(scale).scale).toBe(scale);
      } else {
        expect(() => a.withScale(scale)).toThrow(expect.objectContaining({ code: 'decimal.invalid' }) as RefoldError);
      }
    }),
  );
});

test('deep comparison sees the digits, JSON carries them as text', () => {
  expect(new Decimal(1n, 2)).not.toEqual(new Decimal(2n, 2));
  expect(JSON.stringify({ a: Decimal.parse('-12.50') })).toBe('{"a":"-12.50"}');
});
