import type { Clock } from '../../../kernel/clock';
import { isRefoldError } from '../../../kernel/errors';
import { retry } from '../../../kernel/retry';
import { asLogError, isRetriable, protocolError } from './client';

/** How long a log that answered before is asked again while its leaders move or its brokers restart; then it is `log.unreachable`. */
export const SETTLE_MS = 20_000;

/** Whether the cluster does not agree with itself at the moment, or a broker of it is away. */
export const isSettling = (error: unknown): boolean => {
  if (isRefoldError(error)) {
    return error.retryable;
  }
  return protocolError(error) === 'UNKNOWN_TOPIC_OR_PARTITION' || (isRetriable(error) && asLogError(error, []).retryable);
};

interface Settling {
  readonly clock: Clock;
  /** Whether waiting makes sense at all, asked after a failure. @defaultValue it does */
  readonly isWorthIt?: () => boolean;
}

/** Asks again until the cluster has settled or `SETTLE_MS` are over. Errors are those of the last try. */
export const untilSettled = <T>(question: () => Promise<T>, { clock, isWorthIt = () => true }: Settling): Promise<T> => {
  const end = clock.now() + SETTLE_MS;
  const retryable = (error: unknown): boolean => isSettling(error) && isWorthIt() && clock.now() < end;
  return retry(question, { attempts: Infinity, initialMs: 100, maxMs: 1_000, clock, retryable });
};
