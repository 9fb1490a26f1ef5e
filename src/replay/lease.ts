import { randomUUID } from 'node:crypto';
import type { Lease } from './ports';
import type { Coordination } from './parts';

/** Runs `last` after `work` whatever happened; the error of `work` is the one that counts. */
export const finallyRun = async <T>(work: () => Promise<T>, last: () => Promise<void>): Promise<T> => {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await last().catch(() => undefined); // what `work` threw says more
    throw error;
  }
  await last();
  return result;
};

/**
 * Runs `work` while holding the lease of a replay, renewed in the background. If it is lost all the same, the next write
 * of `work` is refused by the database.
 * @throws RefoldError `replay.lease-held`, `replay.unknown`
 */
export const leased = async <T>(c: Coordination, replayId: number, work: (lease: Lease) => Promise<T>): Promise<T> => {
  const { journal, clock, options } = c;
  const lease: Lease = { replayId, owner: `${c.by}/${randomUUID()}` };
  await journal.acquire(lease, options.leaseMs);
  const done = new AbortController();
  const renew = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(options.leaseMs / 3, done.signal);
      if (done.signal.aborted) {
        return;
      }
      await journal.acquire(lease, options.leaseMs);
    }
  };
  const renewing = renew().catch(() => undefined); // lost or unreachable: the next write of `work` reports it
  return finallyRun(
    () => work(lease),
    async () => {
      done.abort();
      await renewing;
      await journal.release(lease);
    },
  );
};
