import type { Json } from './state-json';

/**
 * The first `limit` entries of everything, under a total order: what becomes of any parts when each keeps its first ones is
 * the same, because an entry that is not among the first of a part is not among the first of the whole.
 */
export interface Keeping<Entry> {
  readonly compare: (a: Entry, b: Entry) => number;
  readonly limit: number;
  /** Of equal entries one is kept. */
  readonly distinct: boolean;
}

/** Sorted, without those beyond the limit. */
export type Kept<Entry> = readonly Entry[];

/** How many of the entries come before this one or are equal to it. */
const placeOf = <Entry>({ compare }: Keeping<Entry>, kept: Kept<Entry>, entry: Entry): number => {
  let [low, high] = [0, kept.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(kept[middle]!, entry) <= 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
};

export const keepOne = <Entry>(rule: Keeping<Entry>, kept: Kept<Entry>, entry: Entry): Kept<Entry> => {
  const place = placeOf(rule, kept, entry);
  if (place >= rule.limit || (rule.distinct && place > 0 && rule.compare(kept[place - 1]!, entry) === 0)) {
    return kept;
  }
  return [...kept.slice(0, place), entry, ...kept.slice(place, rule.limit - 1)];
};

export const keepBoth = <Entry>(rule: Keeping<Entry>, a: Kept<Entry>, b: Kept<Entry>): Kept<Entry> => {
  const merged: Entry[] = [];
  for (let i = 0, j = 0; merged.length < rule.limit && (i < a.length || j < b.length);) {
    const order = i === a.length ? 1 : j === b.length ? -1 : rule.compare(a[i]!, b[j]!);
    merged.push(order <= 0 ? a[i]! : b[j]!);
    const both = order === 0 && rule.distinct;
    i += order <= 0 ? 1 : 0;
    j += order > 0 || both ? 1 : 0;
  }
  return merged;
};

/** Adds, merges and writes kept entries: what the aggregates over them have in common. */
export const keptEntries = <Entry>(rule: Keeping<Entry>, writing: { toJson(entry: Entry): Json; fromJson(json: Json): Entry }) => ({
  empty: [] as Kept<Entry>,
  merge: (a: Kept<Entry>, b: Kept<Entry>): Kept<Entry> => keepBoth(rule, a, b),
  toJson: (kept: Kept<Entry>): Json => kept.map((entry) => writing.toJson(entry)),
  fromJson: (json: Json): Kept<Entry> => (json as readonly Json[]).map((entry) => writing.fromJson(entry)),
});
