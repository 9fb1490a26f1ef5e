import { ClickHouseError } from '@clickhouse/client';
import { RefoldError, isRefoldError, messageOf, type ErrorCode } from '../../kernel/errors';

/** Name of the error as ClickHouse gives it, e.g. `UNKNOWN_TABLE`; `undefined` where the server did not answer. */
export const clickHouseErrorType = (error: unknown): string | undefined => {
  const cause = isRefoldError(error) ? error.cause : error;
  return cause instanceof ClickHouseError ? cause.type : undefined;
};

/** The server is not able to serve rather than unwilling: too much to do, out of memory, its disks or keeper away. */
const UNABLE = new Set([
  'TIMEOUT_EXCEEDED',
  'SOCKET_TIMEOUT',
  'NETWORK_ERROR',
  'TOO_MANY_SIMULTANEOUS_QUERIES',
  'TOO_MANY_PARTS',
  'MEMORY_LIMIT_EXCEEDED',
  'KEEPER_EXCEPTION',
  'TABLE_IS_READ_ONLY',
  'UNKNOWN_STATUS_OF_INSERT',
  'ALL_CONNECTION_TRIES_FAILED',
  'QUERY_WAS_CANCELLED',
  'ABORTED',
]);

const codeOf = ({ type }: ClickHouseError): ErrorCode => (UNABLE.has(type ?? '') ? 'store.unreachable' : 'store.failed');

/**
 * Errors of the client in refold's words: `store.unreachable` where no answer came or the server was not able to serve,
 * else `store.failed` with the server's code. The message names no password.
 */
export const translateClickHouseError = (error: unknown, host: string): RefoldError => {
  if (isRefoldError(error)) {
    return error;
  }
  if (error instanceof ClickHouseError) {
    const [summary] = error.message.split('\n');
    return new RefoldError(codeOf(error), `clickhouse: ${summary!}`, { facts: { host, code: error.code, type: error.type }, cause: error });
  }
  const { code } = error as { readonly code?: unknown };
  const facts = { host, reason: typeof code === 'string' ? code : undefined };
  return new RefoldError('store.unreachable', `clickhouse: ${messageOf(error) || 'no connection'}`, { facts, cause: error });
};
