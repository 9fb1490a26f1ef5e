import { Decimal } from '../../kernel/decimal';
import type { ScalarType } from '../columns';
import type { Aggregate, Retractable } from './aggregate';
import { checkedLimit, refuse, takingValues } from './elements';
import { summedType } from './numbers';
import { collapsed, keyAt, keyOf, mergeBuckets, partsFor, total, valueOf, type Buckets } from './sketch';

/** Shares are exact to so many decimals. */
const SHARE = 1_000_000;

const asShare = (share: number): bigint => {
  const exact = Math.round(share * SHARE);
  return share >= 0 && share <= 1 && exact / SHARE === share
    ? BigInt(exact)
    : refuse('percentiles', `${String(share)} is not from 0 to 1 with at most 6 decimals`);
};

const checkedAccuracy = (accuracy: number): number =>
  accuracy >= 0.0001 && accuracy <= 0.5 ? accuracy : refuse('percentiles', `its accuracy is ${String(accuracy)}, and has to be from 0.0001 to 0.5`);

const unscaled = (value: unknown): bigint => (value instanceof Decimal ? value.unscaled : BigInt(value as bigint | number));

/** From units of the last decimal to values of the type. */
const scaledTo = (type: ScalarType, units: bigint): unknown =>
  type.kind === 'decimal' ? new Decimal(units, type.scale) : type.kind === 'integer' ? Number(units) : units;

export interface Percentiles {
  readonly type: ScalarType;
  readonly shares: readonly number[];
  readonly accuracy: number;
}

/** Adds to the buckets of a value, or takes from them, and reads them. */
const sketching = ({ type, shares, accuracy }: Percentiles) => {
  summedType('percentiles', type);
  const parts = partsFor(checkedAccuracy(accuracy));
  const exact = shares.map(asShare);
  const counted = (state: Buckets, input: unknown, count: bigint): Buckets => mergeBuckets(state, [[keyOf(unscaled(input), parts), count]]);
  const read = (state: Buckets): readonly unknown[] => {
    const last = total(state) - 1n;
    return last < 0n ? [] : exact.map((share) => scaledTo(type, valueOf(keyAt(state, (share * last) / BigInt(SHARE))!, parts)));
  };
  return { counted, read };
};

const writing: Pick<Aggregate<Buckets>, 'toJson' | 'fromJson'> = {
  toJson: (state) => state.map(([key, count]) => [key, String(count)]),
  fromJson: (json) => (json as readonly (readonly [number, string])[]).map(([key, count]) => [key, BigInt(count)]),
};

/**
 * For each share `q` the value of rank ⌊q (n - 1)⌋ among the n sorted values, off by at most `accuracy` of itself and half
 * a unit of its last decimal; none of none. There are as many buckets as values need: per power of two half of `1 / accuracy`.
 */
export const percentilesOf = (given: Percentiles): Retractable<Buckets, unknown, readonly unknown[]> => {
  const { counted, read } = sketching(given);
  return {
    name: 'percentiles',
    options: { shares: given.shares, accuracy: given.accuracy },
    stateIsValue: false,
    empty: [],
    taking: takingValues(given.type, 'skip'),
    add: (state, input) => counted(state, input, 1n),
    undo: (state, input) => counted(state, input, -1n),
    merge: mergeBuckets,
    read,
    ...writing,
  };
};

/** The same with at most `limit` buckets: what lies below them is counted with the lowest, so low shares lose accuracy, and nothing can be taken back. */
export const percentilesWithin = (given: Percentiles, limit: number): Aggregate<Buckets, unknown, readonly unknown[]> => {
  const { counted, read } = sketching(given);
  const most = checkedLimit('percentiles', limit);
  return {
    name: 'percentiles',
    options: { shares: given.shares, accuracy: given.accuracy, limit },
    stateIsValue: false,
    empty: [],
    taking: takingValues(given.type, 'skip'),
    add: (state, input) => collapsed(counted(state, input, 1n), most),
    merge: (a, b) => collapsed(mergeBuckets(a, b), most),
    read,
    ...writing,
  };
};
