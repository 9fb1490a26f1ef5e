import type { Clock } from './clock';

export interface RetryOptions {
  /** How often the call is made at most. */
  readonly attempts: number;
  /** First pause in milliseconds; doubled each time up to `maxMs`, with jitter of one half. */
  readonly initialMs: number;
  readonly maxMs: number;
  readonly retryable: (error: unknown) => boolean;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  readonly random?: () => number;
}

/** Pause before attempt `attempt + 1` in milliseconds: exponential, capped, between one half and the whole. */
export const backoffMs = (attempt: number, initialMs: number, maxMs: number, random: () => number): number => {
  const whole = Math.min(maxMs, initialMs * 2 ** (attempt - 1));
  return whole / 2 + (whole / 2) * random();
};

/** Calls `action` until it succeeds, fails with an error that is not retryable, the attempts are used up, or `signal` aborts. */
export const retry = async <T>(action: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> => {
  const aborted = (): boolean => options.signal?.aborted === true;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await action(attempt);
    } catch (error) {
      const last = attempt >= options.attempts || aborted();
      if (last || !options.retryable(error)) {
        throw error;
      }
      await options.clock.sleep(backoffMs(attempt, options.initialMs, options.maxMs, options.random ?? Math.random), options.signal);
      if (aborted()) {
        throw error;
      }
    }
  }
};
