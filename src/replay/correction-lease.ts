import { RefoldError, isRefoldError } from '../kernel/errors';
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
  const over = new AbortController();
  const renew = async (): Promise<void> => {
    for (let lost = false; !lost;) {
      await clock.sleep(CORRECTION_LEASE_MS / 3, over.signal);
      if (over.signal.aborted) {
        return;
      }
      lost = await book.acquire(lease, CORRECTION_LEASE_MS).then(
        () => false,
        (error: unknown) => isRefoldError(error, 'correction.in-progress'), // anything else may be over at the next try
      );
    }
  };
  const renewing = renew();
  try {
    return await work();
  } finally {
    over.abort();
    await renewing;
  }
};
