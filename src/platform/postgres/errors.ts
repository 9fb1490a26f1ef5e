import { DatabaseError } from 'pg';
import { RefoldError, isRefoldError, messageOf, type ErrorCode, type ErrorFacts } from '../../kernel/errors';
import { isTlsError } from '../../kernel/tls';

/** SQLSTATE of a translated error, where the database gave one. */
export const sqlState = (error: unknown): string | undefined => {
  const cause = isRefoldError(error) ? error.cause : error;
  return cause instanceof DatabaseError ? cause.code : undefined;
};

/** A row with this primary key, as Postgres names it where nobody else does, is there already. */
export const isKeyTaken = (error: unknown): boolean => {
  const cause = isRefoldError(error) ? error.cause : error;
  return cause instanceof DatabaseError && cause.code === '23505' && cause.constraint?.endsWith('_pkey') === true;
};

/** The server is not able to serve rather than unwilling: connection, shutdown, out of resources, ended because it idled in a transaction. */
const UNREACHABLE = /^(08|57P|53|25P03)/;

/** User, password, database, or no rule that lets the client in. */
const DENIED = /^(28|3D000)/;

/** Rolled back because of somebody else: deadlock, serialization, a lock that was not to be had. */
const CONFLICT = /^(40|55P03)/;

/** What was written does not fit: data exceptions (22), constraints other than uniqueness, which tells of a race, and text too long for its index (54000). */
const VALUE_REFUSED = /^(22|23502|23503|23514|54000)/;

/** No such table, and it is one of the control schema: every statement names those with their schema. */
const isControlSchemaMissing = ({ code, message }: DatabaseError): boolean => code === '42P01' && /\brefold\./.test(message);

const codeOf = (error: DatabaseError): ErrorCode => {
  if (isControlSchemaMissing(error)) {
    return 'store.not-migrated';
  }
  if (VALUE_REFUSED.test(error.code ?? '')) {
    return 'store.value-refused';
  }
  if (DENIED.test(error.code ?? '')) {
    return 'store.access-denied';
  }
  if (UNREACHABLE.test(error.code ?? '')) {
    return 'store.unreachable';
  }
  return CONFLICT.test(error.code ?? '') ? 'store.conflict' : 'store.failed';
};

/** The server said that it speaks no TLS, or what came of it is not trusted. */
const isTlsFailure = (error: unknown): boolean => /SSL connection|does not support SSL/.test(messageOf(error)) || isTlsError(error);

/** Who was to be connected to, without the password. */
export const targetOf = (url: string | undefined): ErrorFacts => {
  if (url === undefined || !URL.canParse(url)) {
    return {};
  }
  const { hostname, port, username, pathname } = new URL(url);
  return {
    host: hostname,
    port: Number(port || 5432),
    user: decodeURIComponent(username) || undefined,
    database: decodeURIComponent(pathname.slice(1)) || undefined,
  };
};

/**
 * Errors of the driver in refold's words. Connection failures are `store.unreachable`, `store.access-denied` or
 * `store.tls-failed` and name host, port, user and database of `url`; a missing control schema is `store.not-migrated`, a
 * transaction that lost against another one is `store.conflict`, a value that fits neither type nor constraint is
 * `store.value-refused`, whoever gave it; everything else the database refused is `store.failed` with its SQLSTATE. The message names no password: drivers' messages hold none.
 */
export const translatePostgresError = (error: unknown, url?: string): RefoldError => {
  if (isRefoldError(error)) {
    return error;
  }
  if (error instanceof DatabaseError) {
    const code = codeOf(error);
    const facts = { sqlstate: error.code, table: error.table, column: error.column, constraint: error.constraint, detail: error.detail };
    const target = code === 'store.access-denied' || code === 'store.unreachable' ? targetOf(url) : {};
    return new RefoldError(code, `postgres: ${error.message}`, { facts: { ...target, ...facts }, cause: error });
  }
  const socket = error as { readonly code?: unknown; readonly address?: unknown; readonly port?: unknown };
  const facts = {
    reason: typeof socket.code === 'string' ? socket.code : undefined,
    address: typeof socket.address === 'string' ? socket.address : undefined,
    ...(typeof socket.port === 'number' ? { port: socket.port } : {}),
  };
  const code = isTlsFailure(error) ? 'store.tls-failed' : 'store.unreachable';
  return new RefoldError(code, `postgres: ${messageOf(error) || 'no connection'}`, { facts: { ...targetOf(url), ...facts }, cause: error });
};
