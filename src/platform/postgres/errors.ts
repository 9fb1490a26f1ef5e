import { DatabaseError } from 'pg';
import { RefoldError, isRefoldError, messageOf, type ErrorCode } from '../../kernel/errors';

/** SQLSTATE of a translated error, where the database gave one. */
export const sqlState = (error: unknown): string | undefined => {
  const cause = isRefoldError(error) ? error.cause : error;
  return cause instanceof DatabaseError ? cause.code : undefined;
};

/** The server is not able to serve rather than unwilling: connection, shutdown, out of resources, ended because it idled in a transaction. */
const UNREACHABLE = /^(08|57P|53|28|25P03)/;

/** Rolled back because of somebody else: deadlock, serialization, a lock that was not to be had. */
const CONFLICT = /^(40|55P03)/;

/** What was written does not fit: data exceptions (22), and constraints other than uniqueness, which tells of a race. */
const VALUE_REFUSED = /^(22|23502|23503|23514)/;

/** No such table, and it is one of the control schema: every statement names those with their schema. */
const isControlSchemaMissing = ({ code, message }: DatabaseError): boolean => code === '42P01' && /\brefold\./.test(message);

const codeOf = (error: DatabaseError): ErrorCode => {
  if (isControlSchemaMissing(error)) {
    return 'store.not-migrated';
  }
  if (VALUE_REFUSED.test(error.code ?? '')) {
    return 'store.value-refused';
  }
  if (UNREACHABLE.test(error.code ?? '')) {
    return 'store.unreachable';
  }
  return CONFLICT.test(error.code ?? '') ? 'store.conflict' : 'store.failed';
};

/**
 * Errors of the driver in refold's words. Connection failures are `store.unreachable`, a missing control schema is
 * `store.not-migrated`, a transaction that lost against another one is `store.conflict`, a value that fits neither type nor
 * constraint is `store.value-refused`, whoever gave it; everything else the database refused is `store.failed` with its SQLSTATE. The message names no password: drivers' messages hold none.
 */
export const translatePostgresError = (error: unknown): RefoldError => {
  if (isRefoldError(error)) {
    return error;
  }
  if (error instanceof DatabaseError) {
    const facts = { sqlstate: error.code, table: error.table, column: error.column, constraint: error.constraint, detail: error.detail };
    return new RefoldError(codeOf(error), `postgres: ${error.message}`, { facts, cause: error });
  }
  const socket = error as { readonly code?: unknown; readonly address?: unknown; readonly port?: unknown };
  const facts = {
    reason: typeof socket.code === 'string' ? socket.code : undefined,
    address: typeof socket.address === 'string' ? socket.address : undefined,
    port: typeof socket.port === 'number' ? socket.port : undefined,
  };
  return new RefoldError('store.unreachable', `postgres: ${messageOf(error) || 'no connection'}`, { facts, cause: error });
};
