import type { Decimal } from '../../kernel/decimal';
import type { ScalarType } from '../columns';
import { canonicalOf, compareValues } from '../values';
import type { Retractable } from './aggregate';
import { elementsOf, refuse, takingValues } from './elements';
import { summedType } from './numbers';
import type { Json } from './state-json';

type Counts = readonly bigint[];
type Numeric = Decimal | bigint | number;

const changed = (counts: Counts, place: number, by: bigint): Counts => counts.map((count, i) => (i === place ? count + by : count));

/**
 * How many values lie below the first bound, from each bound (inclusive) to the next, and from the last on: one count more
 * than there are bounds. @throws RefoldError `definition.invalid` unless the bounds are of the type and rise
 */
export const countingBetween = (type: ScalarType, bounds: readonly Numeric[]): Retractable<Counts, unknown, Counts> => {
  summedType('histogram', type);
  const canonical = canonicalOf({ name: 'bounds', role: 'measure', type, nullable: false, indexed: false });
  const sorted = bounds.map(canonical);
  if (sorted.length === 0 || sorted.some((bound, i) => i > 0 && compareValues(sorted[i - 1], bound) >= 0)) {
    return refuse('histogram', 'it needs bounds, each larger than the one before');
  }
  const placeOf = (value: unknown): number => {
    const above = sorted.findIndex((bound) => compareValues(value, bound) < 0);
    return above < 0 ? sorted.length : above;
  };
  return {
    name: 'histogram',
    options: { bounds: sorted.map((bound) => elementsOf(type).toJson(bound)) },
    stateIsValue: true,
    empty: new Array<bigint>(sorted.length + 1).fill(0n),
    taking: takingValues(type, 'skip'),
    add: (state, input) => changed(state, placeOf(input), 1n),
    undo: (state, input) => changed(state, placeOf(input), -1n),
    merge: (a, b) => a.map((count, i) => count + b[i]!),
    read: (state) => state,
    toJson: (state) => state.map(String),
    fromJson: (json) => (json as readonly Json[]).map((count) => BigInt(count as string)),
  };
};
