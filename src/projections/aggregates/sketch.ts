import { dividedEvenly } from './numbers';

/**
 * A DDSketch (Masson, Rim, Lee: DDSketch, a fast and fully-mergeable quantile sketch with relative-error guarantees, VLDB
 * 2019) of integers, in integers alone. Buckets are those of the paper's linear interpolation between powers of two: each octave
 * has `parts` of equal width. So no logarithm is taken, whose last bit another engine might round otherwise, and any two
 * machines have the same state for the same values (decision 071).
 */

/** Key and count, by key. Keys rise with the values: 0 is zero, `k` above it bucket `k - 1`, below it the same of `-value`. */
export type Buckets = readonly (readonly [key: number, count: bigint])[];

/** Parts per octave so that the middle of the widest bucket, the first one, is off by `accuracy` at most: 1 / (2 parts + 1). */
export const partsFor = (accuracy: number): number => Math.ceil((1 / accuracy - 1) / 2);

const bitLength = (n: bigint): number => n.toString(2).length;

export const keyOf = (value: bigint, parts: number): number => {
  if (value === 0n) {
    return 0;
  }
  const size = value < 0n ? -value : value;
  const octave = bitLength(size) - 1;
  const part = Number(((size - (1n << BigInt(octave))) * BigInt(parts)) >> BigInt(octave));
  const key = octave * parts + part + 1;
  return value < 0n ? -key : key;
};

/**
 * The integer that stands for a bucket [l, u): 2lu / (l + u), which is equally far from both ends in proportion, to the nearest
 * integer and within the bucket. Narrow buckets hold one integer, which is exact.
 */
export const valueOf = (key: number, parts: number): bigint => {
  if (key === 0) {
    return 0n;
  }
  const bucket = Math.abs(key) - 1;
  const width = BigInt(parts);
  const octave = 1n << BigInt(Math.floor(bucket / parts));
  const low = width + BigInt(bucket % parts);
  const middle = dividedEvenly(2n * low * (low + 1n) * octave, (2n * low + 1n) * width);
  const smallest = (low * octave + width - 1n) / width;
  const largest = ((low + 1n) * octave - 1n) / width;
  const size = middle < smallest ? smallest : middle > largest ? largest : middle;
  return key < 0 ? -size : size;
};

/** The sum of both, without buckets of zero: what was added and taken back leaves nothing. */
export const mergeBuckets = (a: Buckets, b: Buckets): Buckets => {
  const merged: (readonly [number, bigint])[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const [x, y] = [a[i], b[j]];
    const key = Math.min(x?.[0] ?? Infinity, y?.[0] ?? Infinity);
    const count = (x?.[0] === key ? x[1] : 0n) + (y?.[0] === key ? y[1] : 0n);
    i += x?.[0] === key ? 1 : 0;
    j += y?.[0] === key ? 1 : 0;
    if (count !== 0n) {
      merged.push([key, count]);
    }
  }
  return merged;
};

/**
 * Keeps the `limit` highest buckets and adds what lies below to the lowest of them, as the paper does. A bucket among the highest
 * of the whole is among the highest of its part, and what a part has collapsed lies below `limit` buckets of the whole; so it is
 * the same in which parts buckets were collapsed.
 */
export const collapsed = (buckets: Buckets, limit: number): Buckets => {
  const beyond = buckets.length - limit;
  if (beyond <= 0) {
    return buckets;
  }
  const [key] = buckets[beyond]!;
  const count = buckets.slice(0, beyond + 1).reduce((sum, [, n]) => sum + n, 0n);
  return [[key, count], ...buckets.slice(beyond + 1)];
};

/** The key of the value of this rank, from 0, among what was added more often than taken back. */
export const keyAt = (buckets: Buckets, rank: bigint): number | undefined => {
  let seen = 0n;
  return buckets.find(([, count]) => {
    seen += count > 0n ? count : 0n;
    return seen > rank;
  })?.[0];
};

export const total = (buckets: Buckets): bigint => buckets.reduce((sum, [, count]) => sum + (count > 0n ? count : 0n), 0n);
