import fc from 'fast-check';
import { Decimal } from '../../../src/kernel/decimal';
import { bigint, count, decimal, integer, max, min, sum, text, timestamp } from '../../../src/projections/columns';
import { broughtMeasure, measureOfNothing, mergeMeasure } from '../../../src/projections/measures';
import type { NamedColumn } from '../../../src/projections/read-model';

const named = (column: { readonly definition: object }): NamedColumn => ({ name: 'm', ...column.definition }) as NamedColumn;

const decimals = fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n }).map((unscaled) => new Decimal(unscaled, 2));
const longs = fc.bigInt({ min: -(2n ** 60n), max: 2n ** 60n });
const smalls = fc.integer({ min: -1_000_000, max: 1_000_000 });
const texts = fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed() && !s.includes('\0'));
const dates = fc.integer({ min: -1e12, max: 4e12 }).map((ms) => new Date(ms));

const MEASURES: readonly (readonly [string, NamedColumn, fc.Arbitrary<unknown>])[] = [
  ['count', named(count()), fc.oneof(fc.nat(1_000), longs)],
  ['sum of decimals', named(sum(decimal(12, 2))), decimals],
  ['sum of integers', named(sum(integer())), smalls],
  ['sum of 64-bit integers', named(sum(bigint())), longs],
  ['min of decimals', named(min(decimal(12, 2).nullable())), decimals],
  ['max of integers', named(max(integer().nullable())), smalls],
  ['min of text', named(min(text().nullable())), texts],
  ['max of instants', named(max(timestamp().nullable())), dates],
];

describe.each(MEASURES)('%s', (_, column, values) => {
  const brought = fc.option(values).map((value) => broughtMeasure(column, value));
  const merge = (a: unknown, b: unknown): unknown => mergeMeasure(column, a, b);

  it('does not depend on order', () => {
    fc.assert(fc.property(brought, brought, (a, b) => expect(merge(a, b)).toEqual(merge(b, a))));
  });

  it('does not depend on grouping', () => {
    fc.assert(fc.property(brought, brought, brought, (a, b, c) => expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)))));
  });

  it('takes nothing as its identity', () => {
    fc.assert(fc.property(brought, (a) => expect([merge(a, null), merge(null, a)]).toEqual([a, a])));
  });
});

describe('a measure without any value', () => {
  it.each([
    ['count', named(count()), 0n],
    ['sum', named(sum(decimal(12, 2))), new Decimal(0n, 2)],
    ['min', named(min(integer().nullable())), null],
  ])('%s', (_, column, value) => {
    expect(measureOfNothing(column)).toEqual(value);
  });

  it('is refused where every contribution has to bring one', () => {
    expect(() => broughtMeasure(named(max(decimal(12, 2))), undefined)).toThrow(expect.objectContaining({ code: 'row.invalid' }));
  });
});
