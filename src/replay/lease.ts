import { randomUUID } from 'node:crypto';
import type { Clock } from '../kernel/clock';
import { isRefoldError, messageOf, type ErrorCode } from '../kernel/errors';
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

/**
 * Takes a lease again and again, until it is ended or the lease is lost; the next write of who works under it is refused then.
 * @param lostCode what `acquire` throws where somebody else has it; anything else may be over at the next try
 */
export const renewed = (clock: Clock, ttlMs: number, acquire: () => Promise<void>, lostCode: ErrorCode): { end(): Promise<void> } => {
  const over = new AbortController();
  const renew = async (): Promise<void> => {
    for (let lost = false; !lost;) {
      await clock.sleep(ttlMs / 3, over.signal);
      if (over.signal.aborted) {
        return;
      }
      lost = await acquire().then(
        () => false,
        (error: unknown) => isRefoldError(error, lostCode),
      );
    }
  };
  const renewing = renew();
  return {
    end: async () => {
      over.abort();
      await renewing;
    },
  };
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
  const renewal = renewed(clock, options.leaseMs, () => journal.acquire(lease, options.leaseMs), 'replay.lease-held');
  return finallyRun(
    () => work(lease),
    async () => {
      await renewal.end();
      await journal.release(lease);
    },
    (error) => tell(c, replayId, 'lease:not-released', { message: messageOf(error) }),
  );
};
