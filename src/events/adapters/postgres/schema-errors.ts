import { RefoldError, isRefoldError } from '../../../kernel/errors';
import { sqlState } from '../../../platform/postgres/errors';

const UNDEFINED_TABLE = '42P01';
const INVALID_SCHEMA_NAME = '3F000';

const translated = (error: unknown): unknown => {
  if (isRefoldError(error, 'store.unreachable')) {
    return new RefoldError('schema.unreachable', `the schema registry in Postgres did not answer`, { facts: error.facts, cause: error });
  }
  const state = sqlState(error);
  if (state === UNDEFINED_TABLE || state === INVALID_SCHEMA_NAME) {
    return new RefoldError('store.not-migrated', 'the tables of schemas do not exist', { cause: error });
  }
  return error;
};

/** Errors of the database as those of a registry. @throws RefoldError `schema.unreachable`, `store.not-migrated` */
export const translating = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw translated(error);
  }
};
