import type { ScalarType } from '../columns';
import type { Aggregate } from './aggregate';
import { elementsOf, takingValues, type Nulls } from './elements';
import { keepOne, keptEntries, type Keeping, type Kept } from './kept';

const valuesUnder = (rule: Keeping<unknown>, type: ScalarType) => ({
  ...keptEntries(rule, elementsOf(type)),
  add: (state: Kept<unknown>, input: unknown): Kept<unknown> => keepOne(rule, state, input),
  read: (state: Kept<unknown>): Kept<unknown> => state,
});

/** Different values, sorted, null last; beyond the limit the smallest stay. */
export const collectingSet = (type: ScalarType, nulls: Nulls, limit: number): Aggregate<Kept<unknown>, unknown, readonly unknown[]> => ({
  name: 'collectSet',
  options: { nulls, limit },
  stateIsValue: true,
  taking: takingValues(type, nulls),
  ...valuesUnder({ compare: elementsOf(type).compare, limit, distinct: true }, type),
});

/** The `limit` largest values, largest first, equal ones as often as they came. */
export const largestValues = (type: ScalarType, limit: number): Aggregate<Kept<unknown>, unknown, readonly unknown[]> => {
  const { compare } = elementsOf(type);
  return {
    name: 'topK',
    options: { limit },
    stateIsValue: true,
    taking: takingValues(type, 'skip'),
    ...valuesUnder({ compare: (a, b) => compare(b, a), limit, distinct: false }, type),
  };
};

/** `'full'`: the limit is reached, and which values there are matters no more. */
export type Distinct = Kept<unknown> | 'full';

/** Number of different values, exact below the limit; at the limit it stays, and says "so many or more". */
export const countingDistinct = (type: ScalarType, limit: number): Aggregate<Distinct, unknown, bigint> => {
  const values = valuesUnder({ compare: elementsOf(type).compare, limit, distinct: true }, type);
  const saturated = (kept: Kept<unknown>): Distinct => (kept.length < limit ? kept : 'full');
  return {
    name: 'countDistinct',
    options: { limit },
    stateIsValue: false,
    empty: values.empty,
    taking: takingValues(type, 'skip'),
    add: (state, input) => (state === 'full' ? state : saturated(values.add(state, input))),
    merge: (a, b) => (a === 'full' || b === 'full' ? 'full' : saturated(values.merge(a, b))),
    read: (state) => BigInt(state === 'full' ? limit : state.length),
    toJson: (state) => (state === 'full' ? state : values.toJson(state)),
    fromJson: (json) => (json === 'full' ? json : values.fromJson(json)),
  };
};
