import type { ScalarType } from '../columns';
import { compareValues } from '../values';
import type { Aggregate } from './aggregate';
import { elementsOf, takingValues, type Nulls } from './elements';

type Choice = (a: unknown, b: unknown) => unknown;

/** The law of min. */
export const lesser: Choice = (a, b) => (compareValues(a, b) <= 0 ? a : b);
/** The law of max. */
export const greater: Choice = (a, b) => (compareValues(a, b) >= 0 ? a : b);

/** One value out of all, chosen by value alone, so no order is kept; null of none. */
const choosing = (name: string, type: ScalarType, choice: Choice, nulls: Nulls): Aggregate => {
  const { toJson, fromJson } = elementsOf(type);
  const chosen: Choice = (a, b) => (a === null ? b : b === null ? a : choice(a, b));
  return {
    name,
    options: {},
    stateIsValue: true,
    empty: null,
    taking: takingValues(type, nulls),
    add: chosen,
    merge: chosen,
    read: (state) => state,
    toJson,
    fromJson,
  };
};

export const smallest = (type: ScalarType, nulls: Nulls): Aggregate => choosing('min', type, lesser, nulls);
export const largest = (type: ScalarType, nulls: Nulls): Aggregate => choosing('max', type, greater, nulls);

/** Whether all contributions brought true; null of none. */
export const allTrue = (): Aggregate => choosing('every', { kind: 'boolean' }, (a, b) => a === true && b === true, 'skip');
/** Whether one contribution brought true; null of none. */
export const anyTrue = (): Aggregate => choosing('some', { kind: 'boolean' }, (a, b) => a === true || b === true, 'skip');
