import { RefoldError, isRefoldError, messageOf } from '../kernel/errors';
import { generationLabel } from '../projections/generations';
import { finallyRun } from './lease';
import { tell, type Coordination } from './parts';
import type { GenerationPair, Hold, Straggler } from './ports';

/** Part of the hold that is for arriving; the rest is for the step inside. */
const ARRIVING = 0.75;

const timedOut = (pairs: readonly GenerationPair[], waitedMs: number, late: readonly Straggler[]): RefoldError => {
  const [first] = late;
  const generation = pairs.flatMap(({ from, to }) => [from, to]).find(({ id }) => id === first?.generationId);
  const name = generation === undefined ? 'a generation' : generationLabel(generation);
  return new RefoldError('hold.timed-out', `${name} did not arrive at the common position`, {
    facts: {
      generation: name,
      topic: first?.topic,
      partition: first?.partition,
      owner: first?.owner ?? 'nobody',
      held: first?.at,
      next: first?.next,
      late: late.length,
      waitedMs,
    },
  });
};

const arrive = async (c: Coordination, pairs: readonly GenerationPair[], hold: Hold): Promise<void> => {
  const { clock, holds, options } = c;
  const began = clock.now();
  for (;;) {
    const late = await holds.stragglers(hold);
    if (late.length === 0) {
      return;
    }
    const waited = clock.now() - began;
    if (waited > options.holdMs * ARRIVING) {
      throw timedOut(pairs, waited, late);
    }
    await clock.sleep(options.holdPollMs);
  }
};

/**
 * Runs `work` while all generations of the pairs stand still at one position vector per pair. The hold is always lifted,
 * and expires by itself if this process dies or the lifting fails.
 * @param orNot also where somebody does not arrive: nobody goes beyond the position then, some may be before it
 * @throws RefoldError `hold.timed-out`, `hold.lost`
 */
export const withHold = async <T>(
  c: Coordination,
  replay: number,
  pairs: readonly GenerationPair[],
  work: (hold: Hold) => Promise<T>,
  { orNot = false }: { readonly orNot?: boolean } = {},
): Promise<T> => {
  const hold = await c.holds.place(
    pairs.map(({ from, to }) => [from.id, to.id] as const),
    c.options.holdMs,
  );
  return finallyRun(
    async () => {
      await arrive(c, pairs, hold).catch((error: unknown) => {
        if (!orNot || !isRefoldError(error, 'hold.timed-out')) {
          throw error;
        }
      });
      return work(hold);
    },
    () => c.holds.lift(hold),
    (error) => tell(c, replay, 'hold:not-lifted', { message: messageOf(error) }),
  );
};

/** Tries again a few times where somebody did not arrive, or the time was over before the step was done. */
export const retryHold = async <T>(c: Coordination, attempt: () => Promise<T>): Promise<T> => {
  for (let left = c.options.holdAttempts - 1; ; left -= 1) {
    try {
      return await attempt();
    } catch (error) {
      const again = isRefoldError(error, 'hold.timed-out') || isRefoldError(error, 'hold.lost') || isRefoldError(error, 'cutover.behind');
      if (left <= 0 || !again) {
        throw error;
      }
      await c.clock.sleep(50 + Math.random() * 100);
    }
  }
};
