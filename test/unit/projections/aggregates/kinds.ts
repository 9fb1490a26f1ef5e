import fc from 'fast-check';
import { Decimal } from '../../../../src/kernel/decimal';
import {
  boolean,
  bigint,
  count,
  decimal,
  integer,
  json,
  max,
  min,
  sum,
  text,
  timestamp,
  uuid,
  type ColumnDefinition,
} from '../../../../src/projections/columns';
import type { Aggregate } from '../../../../src/projections/aggregates/aggregate';
import {
  aggregate,
  avg,
  collectList,
  collectSet,
  countDistinct,
  countIf,
  every,
  first,
  histogram,
  last,
  maxBy,
  minBy,
  percentiles,
  some,
  topK,
} from '../../../../src/projections/aggregates/columns';
import { aggregateOf } from '../../../../src/projections/aggregates/of-column';
import type { Order } from '../../../../src/projections/aggregates/order';
import { canonicalJson, compareText, compareValues } from '../../../../src/projections/values';

/** One contribution: what it brings to the column, null and nothing included. */
export interface Brought {
  readonly brought: unknown;
  readonly order: Order;
}

export interface Kind {
  readonly name: string;
  readonly aggregate: Aggregate;
  readonly values: fc.Arbitrary<unknown>;
  /** What a row should show, from the contributions in log order, without what was not brought; on plain arrays. */
  readonly reference: (brought: readonly never[]) => unknown;
}

const money = (text: string): Decimal => Decimal.parse(text).withScale(2);
export const decimals = fc.bigInt({ min: -500n, max: 500n }).map((unscaled) => new Decimal(unscaled, 2));
const wide = fc.bigInt({ min: -(10n ** 11n), max: 10n ** 11n }).map((unscaled) => new Decimal(unscaled, 2));
const longs = fc.oneof(fc.bigInt({ min: -3n, max: 3n }), fc.bigInt({ min: -(2n ** 60n), max: 2n ** 60n }));
const smalls = fc.integer({ min: -5, max: 5 });
const texts = fc.constantFrom('', 'a', 'b', 'ab', 'é', '\u{1f600}', '￿');
const dates = fc.integer({ min: -4, max: 4 }).map((n) => new Date(n * 86_400_000));
const things = fc.constantFrom<unknown>({ a: 1, b: [2] }, { b: [2], a: 1 }, { 10: 1, 9: 'x' }, [], 'text', 5, true);
const flags = fc.boolean();

const byValue = <T>(values: readonly T[]): T[] => [...values].sort(compareValues);
const present = <T>(values: readonly (T | null)[]): T[] => values.filter((value): value is T => value !== null);
const distinct = <T>(values: readonly T[]): T[] => [...new Map(values.map((value) => [String(value), value])).values()];
const jsonText = (value: unknown): string => JSON.stringify(canonicalJson(value));

/** Exact average by the digits of a long division. */
const average = (values: readonly (Decimal | null)[], scale: number): Decimal | null => {
  const all = present(values);
  if (all.length === 0) {
    return null;
  }
  const units = all.reduce((total, { unscaled }) => total + unscaled, 0n) * 10n ** BigInt(scale - 2);
  const size = units < 0n ? -units : units;
  const n = BigInt(all.length);
  const rounded = size / n + ((size % n) * 2n >= n ? 1n : 0n);
  return new Decimal(units < 0n ? -rounded : rounded, scale);
};

type Pair = { readonly value: unknown; readonly by: Decimal };
const extremePair =
  (sign: 1 | -1) =>
  (pairs: readonly (Pair | null)[]): unknown =>
    present(pairs).reduce<Pair | undefined>((best, pair) => (best === undefined || sign * pair.by.compare(best.by) < 0 ? pair : best), undefined)?.value ??
    null;

const kind = (name: string, column: { readonly definition: ColumnDefinition }, values: fc.Arbitrary<unknown>, reference: Kind['reference']): Kind => ({
  name,
  aggregate: aggregateOf(column.definition),
  values,
  reference,
});

const pairs = fc.record({ value: texts, by: decimals });
const loosePairs = fc.record({ value: fc.option(texts), by: decimals });

const EXISTING: readonly Kind[] = [
  kind('count', count(), fc.oneof(fc.nat(3), longs), (v: readonly (bigint | number | null)[]) => present(v).reduce<bigint>((n, one) => n + BigInt(one), 0n)),
  kind('sum of decimals', sum(decimal(12, 2)), decimals, (v: readonly (Decimal | null)[]) =>
    present(v).reduce((total, one) => new Decimal(total.unscaled + one.unscaled, 2), money('0')),
  ),
  kind('sum of integers', sum(integer()), smalls, (v: readonly (number | null)[]) => BigInt(present(v).reduce((a, b) => a + b, 0))),
  kind('min of text', min(text().nullable()), texts, (v: readonly (string | null)[]) => byValue(present(v))[0] ?? null),
  kind('max of instants', max(timestamp().nullable()), dates, (v: readonly (Date | null)[]) => byValue(present(v)).at(-1) ?? null),
];

const COUNTS: readonly Kind[] = [
  kind('countIf', countIf(), flags, (v: readonly (boolean | null)[]) => BigInt(v.filter((one) => one === true).length)),
  kind('every', every(), flags, (v: readonly (boolean | null)[]) => (present(v).length === 0 ? null : !v.includes(false))),
  kind('some', some(), flags, (v: readonly (boolean | null)[]) => (present(v).length === 0 ? null : v.includes(true))),
  kind('avg of decimals', avg(decimal(12, 2)), decimals, (v: readonly (Decimal | null)[]) => average(v, 6)),
  kind('avg of integers, 2 decimals', avg(integer(), { scale: 2 }), smalls, (v: readonly (number | null)[]) =>
    average(
      v.map((n) => (n === null ? null : new Decimal(BigInt(n) * 100n, 2))),
      2,
    ),
  ),
  kind('countDistinct', countDistinct(text(), { limit: 4 }), texts, (v: readonly (string | null)[]) => BigInt(Math.min(4, distinct(present(v)).length))),
  kind('histogram', histogram(decimal(12, 2), [money('-1'), money('0'), money('2.50')]), decimals, (v: readonly (Decimal | null)[]) => {
    const units = present(v).map(({ unscaled }) => unscaled);
    return [
      units.filter((n) => n < -100n),
      units.filter((n) => n >= -100n && n < 0n),
      units.filter((n) => n >= 0n && n < 250n),
      units.filter((n) => n >= 250n),
    ].map((some) => BigInt(some.length));
  }),
];

const ORDERED: readonly Kind[] = [
  kind('first, skips null', first(uuid().nullable()), fc.uuid(), (v: readonly (string | null)[]) => present(v)[0] ?? null),
  kind('last, skips null', last(json().nullable()), things, (v: readonly unknown[]) => canonicalJson(present(v).at(-1) ?? null)),
  kind('last, keeps null', last(timestamp().nullable(), { nulls: 'keep' }), dates, (v: readonly (Date | null)[]) => v.at(-1) ?? null),
  kind('collectList', collectList(decimal(12, 2), { limit: 3 }), decimals, (v: readonly (Decimal | null)[]) => present(v).slice(0, 3)),
  kind('collectList, the last', collectList(bigint(), { limit: 3, keep: 'last' }), longs, (v: readonly (bigint | null)[]) => present(v).slice(-3)),
  kind('collectList with null', collectList(timestamp().nullable(), { limit: 4 }), dates, (v: readonly (Date | null)[]) =>
    v.slice(0, 4).map((at) => at?.toISOString() ?? null),
  ),
  kind('collectList of JSON', collectList(json(), { limit: 4 }), things, (v: readonly unknown[]) => present(v).slice(0, 4).map(canonicalJson)),
  kind('minBy', minBy(text().nullable(), decimal(12, 2)), loosePairs, extremePair(1)),
  kind('maxBy', maxBy(text().nullable(), decimal(12, 2)), pairs, extremePair(-1)),
];

const VALUES: readonly Kind[] = [
  kind('collectSet', collectSet(text(), { limit: 3 }), texts, (v: readonly (string | null)[]) => distinct(present(v)).sort(compareText).slice(0, 3)),
  kind('collectSet with null', collectSet(bigint().nullable(), { limit: 3 }), longs, (v: readonly (bigint | null)[]) =>
    [...byValue(distinct(present(v))).map(String), ...(v.includes(null) ? [null] : [])].slice(0, 3),
  ),
  kind('collectSet of JSON', collectSet(json(), { limit: 3 }), things, (v: readonly unknown[]) =>
    [...new Set(present(v).map(jsonText))]
      .sort(compareText)
      .slice(0, 3)
      .map((one) => canonicalJson(JSON.parse(one))),
  ),
  kind('collectSet by time', collectSet(bigint().nullable(), { limit: 3, order: 'time' }), longs, (v: readonly (bigint | null)[]) =>
    distinct(v.map((one) => one?.toString() ?? null)).slice(0, 3),
  ),
  kind('collectSet of JSON by time', collectSet(json(), { limit: 3, order: 'time' }), things, (v: readonly unknown[]) =>
    [...new Set(present(v).map(jsonText))].slice(0, 3).map((one) => canonicalJson(JSON.parse(one))),
  ),
  kind('collectSet of booleans', collectSet(boolean(), { limit: 3 }), flags, (v: readonly (boolean | null)[]) => distinct(present(v)).sort()),
  kind('topK', topK(decimal(12, 2), 3), decimals, (v: readonly (Decimal | null)[]) => byValue(present(v)).reverse().slice(0, 3)),
];

/** Accuracy so fine that every value of these few has a bucket of its own: then percentiles are exact. */
const exactly = (shares: readonly number[]) => (v: readonly (Decimal | null)[]) => {
  const sorted = byValue(present(v));
  return sorted.length === 0 ? [] : shares.map((share) => sorted[Math.floor((share * 100 * (sorted.length - 1)) / 100)]);
};
const SKETCHES: readonly Kind[] = [
  kind('percentiles', percentiles(decimal(12, 2), [0, 0.25, 0.5, 1], { accuracy: 0.0005 }), decimals, exactly([0, 0.25, 0.5, 1])),
  kind('percentiles, collapsing', percentiles(decimal(12, 2), [1], { accuracy: 0.0005, limit: 3 }), decimals, exactly([1])),
  kind('percentiles of wide values', percentiles(decimal(20, 2), [], { accuracy: 0.01 }), wide, () => []),
];

const lengthOf = (value: string | null): string => (value === null ? 'none' : `of ${String(value.length)}`);
const NO_LENGTHS: Readonly<Record<string, number>> = {};
const OWN = kind(
  'own: text by its length',
  aggregate({
    name: 'lengths',
    of: text().nullable(),
    shows: json<readonly string[]>(),
    init: NO_LENGTHS,
    add: (state, value) => ({ ...state, [lengthOf(value)]: (state[lengthOf(value)] ?? 0) + 1 }),
    merge: (a, b) => Object.fromEntries([...Object.keys(a), ...Object.keys(b)].map((key) => [key, (a[key] ?? 0) + (b[key] ?? 0)])),
    read: (state) => Object.keys(state).sort(),
  }),
  texts,
  (v: readonly (string | null)[]) => [...new Set(v.map(lengthOf))].sort(),
);

export const KINDS: readonly Kind[] = [...EXISTING, ...COUNTS, ...ORDERED, ...VALUES, ...SKETCHES, OWN];

const orders = fc.record({
  time: fc.integer({ min: -2, max: 2 }),
  topic: fc.constantFrom('a', 'b'),
  partition: fc.nat(1),
  offset: fc.nat(12),
  index: fc.nat(1),
});

/** Said once more, so that a fault in the order of aggregates is none here. */
const inLogOrder = (a: Order, b: Order): number => {
  for (const part of ['time', 'topic', 'partition', 'offset', 'index'] as const) {
    if (a[part] !== b[part]) {
      return a[part] < b[part] ? -1 : 1;
    }
  }
  return 0;
};

/** Contributions in log order, no two at one place; some bring null, some nothing. */
export const contributionsOf = ({ values, aggregate: { options } }: Kind): fc.Arbitrary<readonly Brought[]> =>
  fc
    .uniqueArray(fc.record({ brought: options['nulls'] === 'refuse' ? values : fc.option(values), order: orders }), {
      maxLength: 14,
      selector: ({ order }) => JSON.stringify([order.topic, order.partition, order.offset, order.index]),
    })
    .map((all) => all.sort((a, b) => inLogOrder(a.order, b.order)));
