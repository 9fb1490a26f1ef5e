import { randomUUID } from 'node:crypto';
import { isRefoldError, messageOf } from '../kernel/errors';
import type { Lease } from './ports';
import { tell, type Coordination } from './parts';

/**
 * Runs `last` after `work` whatever happened. Only `work` decides how it ends: what `last` undoes expires by itself, so its
 * failure after a success is only told.
 */
export const finallyRun = async <T>(work: () => Promise<T>, last: () => Promise<void>, told: (error: unknown) => Promise<void>): Promise<T> => {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await last().catch(() => undefined); // what `work` threw says more
    throw error;
  }
  await last().catch(told);
  return result;
};

/** Waits a moment for another holder: workers that drop tables or complete a switch are done with it soon. */
const acquired = async ({ journal, clock, options }: Coordination, lease: Lease): Promise<void> => {
  const until = clock.now() + Math.min(1_000, options.leaseMs / 3);
  for (;;) {
    try {
      await journal.acquire(lease, options.leaseMs);
      return;
    } catch (error) {
      if (!isRefoldError(error, 'replay.lease-held') || clock.now() >= until) {
        throw error;
      }
    }
    await clock.sleep(50);
  }
};

/**
 * Runs `work` while holding the lease of a replay, renewed in the background. If it is lost all the same, the next write
 * of `work` is refused by the database.
 * @throws RefoldError `replay.lease-held`, `replay.unknown`
 */
export const leased = async <T>(c: Coordination, replayId: number, work: (lease: Lease) => Promise<T>): Promise<T> => {
  const { journal, clock, options } = c;
  const lease: Lease = { replayId, owner: `${c.by}/${randomUUID()}` };
  await acquired(c, lease);
  const done = new AbortController();
  const renew = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(options.leaseMs / 3, done.signal);
      if (done.signal.aborted) {
        return;
      }
      const lost = await journal.acquire(lease, options.leaseMs).then(
        () => false,
        (error: unknown) => isRefoldError(error, 'replay.lease-held'), // anything else may be over at the next try
      );
      if (lost) {
        return; // the next write of `work` reports it
      }
    }
  };
  const renewing = renew();
  return finallyRun(
    () => work(lease),
    async () => {
      done.abort();
      await renewing;
      await journal.release(lease);
    },
    (error) => tell(c, replayId, 'lease:not-released', { message: messageOf(error) }),
  );
};
