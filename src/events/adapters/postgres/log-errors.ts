import { RefoldError, isRefoldError } from '../../../kernel/errors';
import { sqlState, translatePostgresError } from '../../../platform/postgres/errors';

/** No such table or schema. */
const NOT_MIGRATED = new Set(['42P01', '3F000']);

/** Errors of the database in the words of the log. */
export const asLogError = (thrown: unknown): RefoldError => {
  const error = isRefoldError(thrown) ? thrown : translatePostgresError(thrown);
  if (error.code === 'store.unreachable') {
    return new RefoldError('log.unreachable', `the event log did not answer: ${error.message}`, { facts: error.facts, cause: error });
  }
  if (NOT_MIGRATED.has(sqlState(error) ?? '')) {
    return new RefoldError('store.not-migrated', 'the tables of the event log are missing', { cause: error });
  }
  return error;
};

/** Runs `work` with its errors in the words of the log. */
export const inLogTerms = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw asLogError(error);
  }
};
