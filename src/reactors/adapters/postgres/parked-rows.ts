import type { Headers } from '../../../events/event-log';
import type { ParkedRecord } from '../../positions';

/** Of `refold.reactor_parked`. */
export const PARKED_COLUMNS = `topic, partition, record_offset AS "offset", record_key AS key, event_index AS index, appended_ms AS timestamp, value, headers,
  error_code AS code, error AS message, attempts`;

export interface ParkedRow {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer;
  readonly index: number;
  readonly timestamp: number;
  readonly value: Buffer | null;
  readonly headers: string;
  readonly code: string | null;
  readonly message: string | null;
  readonly attempts: number;
}

export const parkedRecord = ({ code, message, attempts, headers, ...row }: ParkedRow): ParkedRecord => ({
  ...row,
  headers: JSON.parse(headers) as Headers,
  failure: code === null ? undefined : { code, message: message ?? '', attempts },
});
