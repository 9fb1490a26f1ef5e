import type { DiffSample, RowDiff } from './verdict';

/** The differences found in one slice of the rows. */
export interface Differences {
  readonly onlyBefore: number;
  readonly onlyAfter: number;
  readonly changed: number;
  readonly tolerated: number;
  readonly changedByColumn: Readonly<Record<string, number>>;
}

export const NO_DIFFERENCES: Differences = { onlyBefore: 0, onlyAfter: 0, changed: 0, tolerated: 0, changedByColumn: {} };

export const addDifferences = (a: Differences, b: Differences): Differences => ({
  onlyBefore: a.onlyBefore + b.onlyBefore,
  onlyAfter: a.onlyAfter + b.onlyAfter,
  changed: a.changed + b.changed,
  tolerated: a.tolerated + b.tolerated,
  changedByColumn: Object.entries(b.changedByColumn).reduce<Record<string, number>>((sum, [column, n]) => ({ ...sum, [column]: (sum[column] ?? 0) + n }), {
    ...a.changedByColumn,
  }),
});

/** The kinds in the order in which people are shown them, with how many there are. */
export const kindsOf = (found: Pick<RowDiff, 'changed' | 'onlyBefore' | 'onlyAfter'>): readonly (readonly [DiffSample['kind'], number])[] => [
  ['changed', found.changed],
  ['before', found.onlyBefore],
  ['after', found.onlyAfter],
];

export interface Slices {
  readonly slices: readonly (readonly number[])[];
  /** Samples of each kind. */
  readonly samples: number;
  readonly count: (slice: readonly number[]) => Promise<Differences>;
  readonly sample: (slice: readonly number[], kind: DiffSample['kind'], limit: number) => Promise<readonly DiffSample[]>;
}

export interface Found extends Differences {
  readonly samples: readonly DiffSample[];
}

/** Looks at the rows of one slice after the other: counts all that differ, keeps the first of each kind. */
export const findDifferences = async ({ slices, samples, count, sample }: Slices): Promise<Found> => {
  let found = NO_DIFFERENCES;
  const kept: Record<DiffSample['kind'], DiffSample[]> = { changed: [], before: [], after: [] };
  for (const slice of slices) {
    const here = await count(slice);
    for (const [kind, n] of kindsOf(here)) {
      const limit = Math.min(n, samples - kept[kind].length);
      kept[kind].push(...(limit > 0 ? await sample(slice, kind, limit) : []));
    }
    found = addDifferences(found, here);
  }
  return { ...found, samples: [...kept.changed, ...kept.before, ...kept.after] };
};
