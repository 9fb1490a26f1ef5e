import { RefoldError, isRefoldError, messageOf, type ErrorCode } from '../../../kernel/errors';
import type { LogRecord } from '../../event-log';

type Facts = Readonly<Record<string, string | number>>;

/** An error at a record, with its position. */
export const failure = (code: ErrorCode, message: string, record: LogRecord, facts: Facts, cause?: unknown): RefoldError => {
  const { topic, partition, offset, key } = record;
  return new RefoldError(code, message, { facts: { topic, partition, offset, key: key?.toString(), ...facts }, cause });
};

export const undecodable = (record: LogRecord, type: string, error: unknown): RefoldError =>
  isRefoldError(error, 'event.undecodable') ? error : failure('event.undecodable', `${type}: ${messageOf(error)}`, record, { type }, error);
