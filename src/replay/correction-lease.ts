import { RefoldError } from '../kernel/errors';
import { renewed } from './lease';
import type { Coordination } from './parts';
import type { CorrectionBook, CorrectionLease } from './corrections';

/** How long a process that works on a correction may say nothing. */
export const CORRECTION_LEASE_MS = 10_000;

/** How far a correction is. */
export interface CorrectionProgress {
  readonly phase: 'folding' | 'comparing';
  /** Records left to be folded; rows compared so far, `undefined` where all are compared at once. */
  readonly count: number | undefined;
}

/** What every correction takes. */
export interface CorrectionControl {
  readonly onProgress?: ((progress: CorrectionProgress) => void) | undefined;
  /** Ends it as soon as nothing is half done: `correction.interrupted`. */
  readonly signal?: AbortSignal | undefined;
}

/** @throws RefoldError `correction.interrupted` */
export const requireWanted = ({ signal }: CorrectionControl): void => {
  if (signal?.aborted === true) {
    throw new RefoldError('correction.interrupted', 'the correction was interrupted');
  }
};

/**
 * Renews the lease while something works, however long one of its steps takes. If it is lost all the same, the next write of
 * `work` is refused by the database.
 */
export const whileLeased = async <T>(
  { book, clock }: Pick<Coordination, 'clock'> & { readonly book: Pick<CorrectionBook, 'acquire'> },
  lease: CorrectionLease,
  work: () => Promise<T>,
): Promise<T> => {
  const renewal = renewed(clock, CORRECTION_LEASE_MS, () => book.acquire(lease, CORRECTION_LEASE_MS), 'correction.in-progress');
  try {
    return await work();
  } finally {
    await renewal.end();
  }
};
