/** Rows are spread over so many buckets by the hash of their key: 10 million rows are some 600 in each. */
export const BUCKETS = 16_384;

/** Most rows of both sides that are joined at once: what a store sorts or hashes for it, in memory or on disk, is bounded by this. */
export const ROWS_AT_ONCE = 5_000_000;

/** What the rows of one side in one bucket add up to. */
export interface BucketSum {
  readonly bucket: number;
  readonly rows: number;
  /** Sum of the hashes of whole rows that does not depend on their order. */
  readonly sum: string;
}

/** A bucket in which the sides differ. */
export interface DifferingBucket {
  readonly bucket: number;
  /** Of both sides. */
  readonly rows: number;
}

/** Buckets whose rows are not the same on both sides, by number. */
export const differingBuckets = (before: readonly BucketSum[], after: readonly BucketSum[]): readonly DifferingBucket[] => {
  const others = new Map(after.map((one) => [one.bucket, one]));
  const found: DifferingBucket[] = [];
  for (const { bucket, rows, sum } of before) {
    const other = others.get(bucket);
    others.delete(bucket);
    if (other?.rows !== rows || other.sum !== sum) {
      found.push({ bucket, rows: rows + (other?.rows ?? 0) });
    }
  }
  return [...found, ...[...others.values()].map(({ bucket, rows }) => ({ bucket, rows }))].sort((a, b) => a.bucket - b.bucket);
};

/** Cuts the buckets into slices of at most `limit` rows; a bucket that has more is a slice by itself. */
export const inSlices = (buckets: readonly DifferingBucket[], limit: number = ROWS_AT_ONCE): readonly (readonly number[])[] => {
  const slices: number[][] = [];
  let room = 0;
  for (const { bucket, rows } of buckets) {
    if (slices.length === 0 || rows > room) {
      slices.push([]);
      room = limit;
    }
    slices.at(-1)!.push(bucket);
    room -= rows;
  }
  return slices;
};

export const totalRows = (sums: readonly BucketSum[]): number => sums.reduce((total, { rows }) => total + rows, 0);
