import { isRefoldError, type ErrorCode } from '../../kernel/errors';

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
