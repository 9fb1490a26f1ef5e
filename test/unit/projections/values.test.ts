import fc from 'fast-check';
import { Decimal } from '../../../src/kernel/decimal';
import { bigint, boolean, decimal, double, integer, json, text, timestamp } from '../../../src/projections/columns';
import type { NamedColumn } from '../../../src/projections/read-model';
import { canonicalJson, canonicalRows, canonicalValue, compareText } from '../../../src/projections/values';

const named = (column: { readonly definition: object }, name = 'c'): NamedColumn => ({ name, ...column.definition }) as NamedColumn;
const invalid = expect.objectContaining({ code: 'row.invalid' }) as Error;

describe('values of a row', () => {
  it.each([
    ['text with NUL', text(), 'a\0b'],
    ['half a surrogate pair', text(), '\ud800'],
    ['a number as text', text(), 5],
    ['too large for 32 bits', integer(), 2 ** 31],
    ['a fraction as integer', integer(), 1.5],
    ['too large for 64 bits', bigint(), 2n ** 63n],
    ['no number as double', double(), Number.NaN],
    ['infinity', double(), Infinity],
    ['a float as decimal', decimal(12, 2), 1.25],
    ['too many decimals', decimal(12, 2), Decimal.parse('1.234')],
    ['too many digits', decimal(4, 2), Decimal.parse('100.00')],
    ['an invalid date', timestamp(), new Date(Number.NaN)],
    ['text as boolean', boolean(), 'true'],
    ['the year 10000', timestamp(), new Date(Date.UTC(10_000, 0, 1))],
    ['the year 0', timestamp(), new Date('0000-12-31T00:00:00Z')],
    ['NUL inside of JSON', json(), { a: ['\0'] }],
    ['half a surrogate pair inside of JSON', json(), { '\ud800': 1 }],
    ['nothing', text(), undefined],
    ['null', json(), null],
  ])('refuse %s', (_, column, value) => {
    expect(() => canonicalValue(named(column), value)).toThrow(invalid);
  });

  it('name the column and the type', () => {
    expect(() => canonicalValue(named(decimal(4, 2), 'price'), Decimal.parse('100'))).toThrow(/column price cannot hold 100 .*decimal\(4, 2\)/);
  });

  it('take one form: decimals their scale, missing nullables null', () => {
    expect(canonicalValue(named(decimal(12, 2)), Decimal.parse('1.5'))).toEqual(Decimal.parse('1.50'));
    expect(canonicalValue(named(text().nullable()), undefined)).toBeNull();
    expect(canonicalValue(named(bigint()), 7)).toBe(7n);
    expect(Object.is(canonicalValue(named(integer()), -0), 0)).toBe(true);
    expect(Object.is(canonicalValue(named(double()), -0), 0)).toBe(true);
  });

  it('canonical values are canonical already', () => {
    const values = fc.oneof(
      fc.tuple(
        fc.constant(named(decimal(20, 4))),
        fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }).map((n) => new Decimal(n, 3)),
      ),
      fc.tuple(
        fc.constant(named(json())),
        fc.jsonValue().filter((value) => value !== null),
      ),
      fc.tuple(fc.constant(named(bigint())), fc.maxSafeInteger()),
    );
    fc.assert(
      fc.property(values, ([column, value]) => {
        const once = canonicalValue(column, value);
        expect(canonicalValue(column, once)).toEqual(once);
      }),
    );
  });

  it('JSON does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const reversed = Object.fromEntries(Object.entries(object).reverse());
        expect(JSON.stringify(canonicalJson(object))).toBe(JSON.stringify(canonicalJson(reversed)));
      }),
    );
    expect(Object.keys(canonicalJson({ bb: 1, a: 2, b: 3 }) as object)).toEqual(['a', 'b', 'bb']);
  });

  it('a row has exactly the declared columns, and what lies in them cannot be changed', () => {
    const columns = [named(text(), 'a')];
    expect(() => canonicalRows(columns)({ a: 'x', b: 1 })).toThrow(/b is not a column/);
    const { a } = canonicalRows([named(json(), 'a')])({ a: { b: [1] } }) as { a: { b: number[] } };
    expect([Object.isFrozen(a), Object.isFrozen(a.b)]).toEqual([true, true]);
  });

  it('text is ordered as its UTF-8 bytes are', () => {
    const texts = fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed());
    fc.assert(fc.property(texts, texts, (a, b) => expect(Math.sign(compareText(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))));
    expect(compareText('\uffff', '\u{10000}')).toBeLessThan(0);
  });
});
