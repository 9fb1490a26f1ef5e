import fc from 'fast-check';
import { Decimal } from '../../../../src/kernel/decimal';
import {
  avg,
  collectList,
  collectSet,
  countDistinct,
  first,
  histogram,
  last,
  maxBy,
  minBy,
  percentiles,
  topK,
  type AggregateDefinition,
} from '../../../../src/projections/aggregates/columns';
import { aggregateOf } from '../../../../src/projections/aggregates/of-column';
import { array, bigint, boolean, count, decimal, integer, json, max, min, sum, text, timestamp } from '../../../../src/projections/columns';
import { broughtMeasure, measureOfNothing, mergeMeasure } from '../../../../src/projections/measures';
import { readModel, type NamedColumn } from '../../../../src/projections/read-model';

const at = (offset: number) => ({ time: 0, topic: 't', partition: 0, offset, index: 0 });
const money = (digits: string): Decimal => Decimal.parse(digits);

/** What a row shows of these contributions. */
const shownBy = ({ definition: { aggregate } }: { readonly definition: AggregateDefinition }, brought: readonly unknown[]): unknown => {
  const take = aggregate.taking('m');
  const inputs = brought.map(take).filter((input) => input !== undefined);
  return aggregate.read(inputs.reduce((state, input, offset) => aggregate.add(state, input, at(offset)), aggregate.empty));
};

test('averages are rounded to the nearest, halves away from zero; none is null, and so is null alone', () => {
  const column = avg(decimal(12, 2), { scale: 2 });
  expect(shownBy(column, [money('0.01'), money('0.02')])).toEqual(money('0.02'));
  expect(shownBy(column, [money('-0.01'), money('-0.02')])).toEqual(money('-0.02'));
  expect(shownBy(column, [money('0.01'), money('0.01'), money('0.02')])).toEqual(money('0.01'));
  expect(shownBy(avg(decimal(12, 2), { scale: 0 }), [money('2.50')])).toEqual(money('3'));
  expect(shownBy(avg(bigint()), [1, 2n])).toEqual(money('1.5000'));
  expect([shownBy(column, []), shownBy(column, [null, undefined])]).toEqual([null, null]);
});

test('their type has room for the integer digits of the values', () => {
  const types = [avg(decimal(12, 2)), avg(integer()), avg(bigint(), { scale: 0 })].map(({ definition }) => definition.type);
  expect(types).toEqual([
    { kind: 'decimal', precision: 16, scale: 6 },
    { kind: 'decimal', precision: 14, scale: 4 },
    { kind: 'decimal', precision: 19, scale: 0 },
  ]);
});

test('first and last go by event time before they go by position', () => {
  const { aggregate } = last(text()).definition;
  const late = aggregate.add(aggregate.empty, 'early event, appended last', { ...at(9), time: 1 });
  const both = aggregate.add(late, 'late event', { ...at(3), time: 2 });
  expect(aggregate.read(both)).toBe('late event');
  expect(JSON.stringify(aggregate.toJson(both))).toBe('[[[2,"t",0,3,0],"late event"]]');
});

test('of equal ones minBy and maxBy show the first in log order', () => {
  const pairs = ['a', 'b'].map((value) => ({ value, by: 5 }));
  expect([shownBy(minBy(text(), integer()), pairs), shownBy(maxBy(text(), integer()), pairs)]).toEqual(['a', 'a']);
  expect(shownBy(maxBy(text().nullable(), integer()), [...pairs, { value: null, by: 6 }, null, undefined])).toBeNull();
});

test('the number of different values stays at its limit', () => {
  const column = countDistinct(bigint(), { limit: 3 });
  expect(shownBy(column, [1n, 1, 2n, null])).toBe(2n);
  expect(shownBy(column, [1n, 2n, 3n])).toBe(3n);
  expect(shownBy(column, [1n, 2n, 3n, 4n, 5n])).toBe(3n);
});

test('JSON is equal whatever order its keys came in, and exact numbers are text within JSON', () => {
  expect(
    shownBy(collectSet(json(), { limit: 5 }), [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ]),
  ).toEqual([{ a: 1, b: 2 }]);
  expect(shownBy(collectList(decimal(12, 2).nullable(), { limit: 5 }), [money('1'), null, undefined])).toEqual(['1.00', null]);
});

describe('percentiles', () => {
  const values = fc.array(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), { minLength: 1, maxLength: 30 });
  const shares = fc.constantFrom(0, 0.5, 0.9, 0.99, 1);

  test.each([0.5, 0.1, 0.01, 0.001])('are off by %d of themselves at most, and half a unit', (accuracy) => {
    fc.assert(
      fc.property(values, shares, (all, share) => {
        const sorted = [...all].sort((a, b) => (a < b ? -1 : 1));
        const exact = sorted[Math.floor((share * 100 * (all.length - 1)) / 100)]!;
        const [shown] = shownBy(percentiles(bigint(), [share], { accuracy }), all) as [bigint];
        const off = Number(shown > exact ? shown - exact : exact - shown);
        expect(off).toBeLessThanOrEqual(Math.abs(Number(exact)) * accuracy * (1 + 1e-12) + 0.5);
      }),
    );
  });

  test('in the type of the values, none of none', () => {
    expect(shownBy(percentiles(decimal(12, 2), [0.5, 1], { accuracy: 0.01 }), [money('-3'), money('0'), money('0.07')])).toEqual([
      money('0.00'),
      money('0.07'),
    ]);
    expect(shownBy(percentiles(integer(), [0.5], { accuracy: 0.01 }), [7])).toEqual([7]);
    expect(shownBy(percentiles(integer(), [0.5], { accuracy: 0.01 }), [null])).toEqual([]);
  });

  test('beyond the limit the lowest buckets become one, and the highest stay exact', () => {
    const { aggregate } = percentiles(integer(), [0, 1], { accuracy: 0.01, limit: 2 }).definition;
    const state = [1, 2, 3, 3].reduce((before: unknown, value, i) => aggregate.add(before, value, at(i)), aggregate.empty);
    expect(aggregate.read(state)).toEqual([2, 3]);
    expect(aggregate.toJson(state)).toEqual([
      [expect.any(Number), '2'],
      [expect.any(Number), '2'],
    ]);
  });

  test('what is taken back elsewhere than where it was added is right once parts are merged', () => {
    const { aggregate } = percentiles(integer(), [0.5], { accuracy: 0.01 }).definition;
    const undo = (state: unknown, value: number): unknown => (aggregate as unknown as { undo(state: unknown, value: number): unknown }).undo(state, value);
    const added = [1, 2, 3].reduce((before: unknown, value, i) => aggregate.add(before, value, at(i)), aggregate.empty);
    expect(aggregate.read(undo(aggregate.empty, 1))).toEqual([]);
    expect(aggregate.read(aggregate.merge(undo(undo(aggregate.empty, 1), 2), added))).toEqual([3]);
  });
});

describe('the aggregates of measures that stores merge are the same laws', () => {
  const named = (column: { readonly definition: object }): NamedColumn => ({ name: 'm', ...column.definition }) as NamedColumn;
  test.each([
    ['count', named(count()), fc.nat(9)],
    ['sum', named(sum(decimal(12, 2))), fc.nat(9).map((n) => new Decimal(BigInt(n), 2))],
    ['min', named(min(integer().nullable())), fc.nat(9)],
    ['max', named(max(timestamp().nullable())), fc.nat(9).map((n) => new Date(n))],
  ] as [string, NamedColumn, fc.Arbitrary<unknown>][])('%s', (_, column, values) => {
    const aggregate = aggregateOf(column);
    fc.assert(
      fc.property(fc.array(fc.option(values)), (all) => {
        const merged = all.map((one) => broughtMeasure(column, one)).reduce((a, b) => mergeMeasure(column, a, b), null);
        const take = aggregate.taking('m');
        const state = all.reduce((before: unknown, one, i) => {
          const input = take(one);
          return input === undefined ? before : aggregate.add(before, input, at(i));
        }, aggregate.empty);
        expect(aggregate.read(state)).toEqual(merged ?? measureOfNothing(column));
      }),
    );
  });
});

describe('refused', () => {
  test.each<[string, () => unknown]>([
    ['a limit of 0', () => collectList(text(), { limit: 0 })],
    ['half a limit', () => topK(integer(), 1.5)],
    ['an average of text', () => avg(text() as never)],
    ['a negative scale', () => avg(integer(), { scale: -1 })],
    ['the first of arrays', () => first(array(text()) as never)],
    ['kept null where there is none', () => last(text() as never, { nulls: 'keep' })],
    ['the largest by JSON', () => maxBy(text(), json() as never)],
    ['the largest booleans', () => topK(boolean() as never, 3)],
    ['bounds that do not rise', () => histogram(integer(), [2, 2])],
    ['no bounds', () => histogram(integer(), [])],
    ['a share above 1', () => percentiles(integer(), [95], { accuracy: 0.01 })],
    ['an accuracy of 0', () => percentiles(integer(), [0.5], { accuracy: 0 })],
    ['the aggregate of a plain column', () => aggregateOf(text().definition)],
  ])('%s', (_, declare) => {
    expect(declare).toThrow(expect.objectContaining({ code: 'definition.invalid' }));
  });

  test.each<[string, { readonly definition: AggregateDefinition }, unknown]>([
    ['null where there is no null', last(text()), null],
    ['nothing where there has to be something', last(text()), undefined],
    ['another type', collectSet(text(), { limit: 1 }), 5],
    ['a pair that is none', maxBy(text(), integer()), 5],
    ['no pair', maxBy(text(), integer()), undefined],
    ['nothing to choose by', maxBy(text().nullable(), integer()), { value: 'a', by: null }],
    ['a bound of another scale', histogram(decimal(12, 2), [money('1')]), money('0.001')],
  ])('brought: %s', (_, column, brought) => {
    expect(() => shownBy(column, [brought])).toThrow(expect.objectContaining({ code: 'row.invalid', facts: { column: 'm' } }));
  });
});

test('a read model takes them as measures', () => {
  const { definition } = readModel('prices', {
    shop: text().key(),
    last: last(decimal(12, 2)),
    median: percentiles(decimal(12, 2), [0.5], { accuracy: 0.01 }),
  });
  expect(definition.mergeable).toBe(true);
  expect(definition.measures.map(({ name }) => name)).toEqual(['last', 'median']);
});
