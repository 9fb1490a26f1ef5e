import { systemClock } from '../kernel/clock';
import { isRefoldError } from '../kernel/errors';
import { retry } from '../kernel/retry';

/**
 * Repeats what lost against another transaction, or its connection: for a second or so, the rest is up to who runs the
 * worker. Only for what may be done twice.
 */
export const repeated = <T>(work: () => Promise<T>): Promise<T> =>
  retry(work, {
    attempts: 6,
    initialMs: 25,
    maxMs: 1_000,
    clock: systemClock,
    retryable: (error) => isRefoldError(error, 'store.conflict') || isRefoldError(error, 'store.unreachable'),
  });
