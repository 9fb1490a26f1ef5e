import { ClickHouseError } from '@clickhouse/client';
import { RefoldError, isRefoldError, messageOf, type ErrorCode, type ErrorFacts } from '../../kernel/errors';
import { isTlsError } from '../../kernel/tls';

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
  'NOT_ENOUGH_SPACE',
  'CANNOT_ALLOCATE_MEMORY',
  'CANNOT_SCHEDULE_TASK',
  'SERVER_OVERLOADED',
]);

/** User, password or database of the address. */
const DENIED = new Set(['AUTHENTICATION_FAILED', 'REQUIRED_PASSWORD', 'WRONG_PASSWORD', 'UNKNOWN_USER', 'IP_ADDRESS_NOT_ALLOWED', 'UNKNOWN_DATABASE']);

const codeOf = (type: string): ErrorCode => (UNABLE.has(type) ? 'store.unreachable' : DENIED.has(type) ? 'store.access-denied' : 'store.failed');

const REMEDIES: Partial<Record<ErrorCode, string>> = {
  'store.access-denied': 'Correct user, password and database in the address of ClickHouse; refold does not create the database.',
  'store.tls-failed':
    'If ClickHouse speaks no TLS, begin its address with http://; if its certificate is not trusted, name its authority in NODE_EXTRA_CA_CERTS.',
};

/** What is wrong here rather than there, and stays so: a block too large for one text, for example. */
const isOurs = (error: unknown): boolean => error instanceof RangeError || error instanceof TypeError;

const codeOfSilence = (error: unknown): ErrorCode => (isTlsError(error) ? 'store.tls-failed' : isOurs(error) ? 'store.failed' : 'store.unreachable');

/** Of what was answered, in characters: another server on that port answers whole pages. */
const LONGEST_SUMMARY = 500;

const refused = (code: ErrorCode, summary: string, facts: ErrorFacts, cause: unknown): RefoldError => {
  const remedy = REMEDIES[code];
  return new RefoldError(code, `clickhouse: ${summary.trim().slice(0, LONGEST_SUMMARY)}`, { facts, cause, ...(remedy === undefined ? {} : { remedy }) });
};

/**
 * Errors of the client in refold's words: `store.unreachable` where no answer came or the server was not able to serve,
 * `store.access-denied`, `store.tls-failed`, else `store.failed` with the server's code. The message names no password.
 */
export const translateClickHouseError = (error: unknown, host: string): RefoldError => {
  if (isRefoldError(error)) {
    return error;
  }
  if (error instanceof ClickHouseError) {
    const [summary] = error.message.split('\n');
    return refused(codeOf(error.type ?? ''), summary!, { host, code: error.code, type: error.type }, error);
  }
  const { code } = error as { readonly code?: unknown };
  const facts = { host, reason: typeof code === 'string' ? code : undefined };
  return refused(codeOfSilence(error), messageOf(error) || 'no connection', facts, error);
};
