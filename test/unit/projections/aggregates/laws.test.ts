import fc from 'fast-check';
import type { Aggregate } from '../../../../src/projections/aggregates/aggregate';
import { isRetractable } from '../../../../src/projections/aggregates/aggregate';
import { brokenLaws, type Added } from '../../../../src/projections/aggregates/laws';
import { KINDS, contributionsOf, type Brought } from './kinds';

const takenBy = ({ taking }: Aggregate, all: readonly Brought[]): readonly Added<unknown>[] => {
  const take = taking('m');
  return all.map(({ brought, order }) => ({ input: take(brought), order })).filter(({ input }) => input !== undefined);
};

describe.each(KINDS.map((kind) => [kind.name, kind] as const))('%s', (_, kind) => {
  const { aggregate } = kind;
  const added = (some: readonly Added<unknown>[]): unknown => some.reduce((state, { input, order }) => aggregate.add(state, input, order), aggregate.empty);
  const text = (state: unknown): string => JSON.stringify(aggregate.toJson(state));
  const contributions = contributionsOf(kind);

  test('merging is commutative and associative, nothing is its identity, states are written exactly, what can be undone is', () => {
    const mixed = contributions.chain((all) => fc.shuffledSubarray([...all], { minLength: all.length }));
    fc.assert(fc.property(mixed, (all) => expect(brokenLaws(aggregate, takenBy(aggregate, all))).toEqual([])));
  });

  test('any permutation in any parts, merged in any order, is one state', () => {
    const cuts = contributions.chain((all) =>
      fc.record({
        all: fc.constant(all),
        mixed: fc.shuffledSubarray([...all], { minLength: all.length }),
        parts: fc.array(fc.nat(3), { minLength: all.length, maxLength: all.length }),
      }),
    );
    fc.assert(
      fc.property(cuts, ({ all, mixed, parts }) => {
        const partial = [2, 0, 3, 1].map((part) =>
          added(
            takenBy(
              aggregate,
              mixed.filter((_one, i) => parts[i] === part),
            ),
          ),
        );
        const merged = partial.reduce((a, b) => aggregate.merge(a, b));
        expect(text(merged)).toBe(text(added(takenBy(aggregate, all))));
      }),
    );
  });

  test('a row shows what plain arrays say', () => {
    fc.assert(
      fc.property(contributions, (all) => {
        const shown = aggregate.read(aggregate.fromJson(JSON.parse(text(added(takenBy(aggregate, all)))) as never));
        expect(shown).toEqual(kind.reference(all.map(({ brought }) => brought) as never));
      }),
    );
  });
});

test('what can be taken back is a group: counts, sums, averages, histograms, percentiles without a limit', () => {
  expect(KINDS.filter(({ aggregate }) => isRetractable(aggregate)).map(({ name }) => name)).toEqual([
    'count',
    'sum of decimals',
    'sum of integers',
    'countIf',
    'avg of decimals',
    'avg of integers, 2 decimals',
    'histogram',
    'percentiles',
    'percentiles of wide values',
  ]);
});

test.each(KINDS.filter(({ aggregate }) => aggregate.stateIsValue).map((kind) => [kind.name, kind] as const))('%s: the row shows the state', (_, kind) => {
  const { aggregate } = kind;
  fc.assert(
    fc.property(contributionsOf(kind), (all) => {
      const state = takenBy(aggregate, all).reduce((before, { input, order }) => aggregate.add(before, input, order), aggregate.empty);
      expect(aggregate.toJson(aggregate.read(state))).toEqual(aggregate.toJson(state));
    }),
  );
});

test('some show their state, so that nothing is kept beside them', () => {
  expect([...new Set(KINDS.filter(({ aggregate }) => aggregate.stateIsValue).map(({ aggregate }) => aggregate.name))]).toEqual([
    'count',
    'sum',
    'min',
    'max',
    'countIf',
    'every',
    'some',
    'histogram',
    'collectSet',
    'topK',
  ]);
});

describe('brokenLaws', () => {
  const numbers = (over: Partial<Aggregate<number, number, number>>): Aggregate<number, number, number> => ({
    name: 'n',
    options: {},
    stateIsValue: true,
    empty: 0,
    taking: () => (brought) => brought as number,
    add: (state, input) => state + input,
    merge: (a, b) => a + b,
    read: (state) => state,
    toJson: (state) => state,
    fromJson: (json) => json as number,
    ...over,
  });
  const all = [3, 5, 7, 7].map((input, offset) => ({ input, order: { time: 0, topic: 't', partition: 0, offset, index: 0 } }));

  test.each<[string, Partial<Aggregate<number, number, number>> & { undo?: (state: number, input: number) => number }]>([
    ['empty is the identity', { empty: 1 }],
    ['merge is commutative', { merge: (a, b) => a - b }],
    ['merge is associative', { merge: (a, b) => (a + b) / 2 }],
    ['parts may be merged', { merge: (a, b) => Math.max(a, b) }],
    ['the order of adding does not matter', { add: (_, input) => input, merge: (a, b) => a || b }],
    ['a state may be written and read', { fromJson: () => 0 }],
    ['what was added can be taken back', { undo: (state: number) => state }],
  ])('names it: %s', (law, over) => {
    expect(brokenLaws(numbers(over), all)).toContain(law);
    expect(brokenLaws(numbers({}), all)).toEqual([]);
  });
});
