import { isRefoldError, messageOf, type ErrorCode } from '../../kernel/errors';
import type { ParkingCause } from '../parking';

/** What concerns more than the events of one key, or heals by a deployment alone. */
const STOPS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'event.unknown-type',
  'event.newer-version',
  'schema.id-reassigned',
  'errata.event-changed',
  'errata.key-changed',
  'key.moved',
  'parking.full',
  'internal.invariant',
]);

/** Whether an error stops its partition whatever the rules. */
export const stopsPartition = (error: unknown): boolean => !isRefoldError(error) || STOPS.has(error.code);

/** Marked so by whoever threw it, or by what caused it. */
export const isRetryable = (error: unknown): boolean => {
  for (let one = error; one instanceof Error; one = one.cause) {
    if ((one as { readonly retryable?: unknown }).retryable === true) {
      return true;
    }
  }
  return false;
};

/** As it is kept with what is parked or stopped. */
export const causeOf = (error: unknown): ParkingCause =>
  isRefoldError(error)
    ? { code: error.code, message: error.message, remedy: error.remedy }
    : { code: 'internal.invariant', message: messageOf(error), remedy: '' };
