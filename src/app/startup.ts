import type { Clock } from '../kernel/clock';
import { RefoldError, isRefoldError } from '../kernel/errors';
import type { Logger } from '../kernel/logger';
import { backoffMs } from '../kernel/retry';

export interface Startup {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long it may take until what cannot be reached is there, in milliseconds. */
  readonly startMs: number;
  readonly signal: AbortSignal;
}

const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [100, 5_000];

/**
 * Does what a start needs again while what it needs is away for a while: a server that restarts refuses connections, and
 * later says that it is starting up. What heals by nobody waiting is thrown at once.
 * @throws RefoldError as `work` does, with how long was waited
 */
export const whileAway = async ({ clock, logger, startMs, signal }: Startup, work: () => Promise<void>): Promise<void> => {
  const began = clock.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work();
      return;
    } catch (error) {
      if (!isRefoldError(error) || !error.retryable || signal.aborted) {
        throw error;
      }
      const waitedMs = Math.round(clock.now() - began);
      if (waitedMs >= startMs) {
        const summary = `${error.summary}; a worker waited ${String(waitedMs)} ms for it to start`;
        throw new RefoldError(error.code, summary, { facts: { ...error.facts, waitedMs }, cause: error });
      }
      logger.log('warn', 'the worker cannot start yet; trying again', { code: error.code, error: error.message, waitedMs, startMs });
      await clock.sleep(Math.min(backoffMs(attempt, FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random), startMs - waitedMs), signal);
    }
  }
};
