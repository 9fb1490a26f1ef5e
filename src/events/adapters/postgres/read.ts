import type { PostgresPool } from '../../../platform/postgres/pool';
import type { Headers, LogRecord } from '../../event-log';
import type { Position } from '../../position';

const READ = `
SELECT record_offset, appended_ms, key, value, headers FROM refold.log_records
 WHERE app = $1 AND topic = $2 AND partition = $3 AND record_offset >= $4 AND record_offset < $5 ORDER BY record_offset LIMIT $6`;

/**
 * The same, cut where the sum of the bytes of keys and values passes a limit; the first record always fits. The lengths of
 * large values are known without reading them. Sums row by row are made only if all together do not fit: they cost more
 * than one sum over all.
 */
const READ_WITHIN = `
WITH fits AS (SELECT coalesce(sum(octet_length(key) + coalesce(octet_length(value), 0)), 0) <= $7 AS all_of_them FROM (${READ}) r)
SELECT * FROM (${READ}) r WHERE (SELECT all_of_them FROM fits)
UNION ALL
SELECT record_offset, appended_ms, key, value, headers
  FROM (SELECT r.*, sum(octet_length(key) + coalesce(octet_length(value), 0)) OVER (ORDER BY record_offset ROWS UNBOUNDED PRECEDING) AS bytes
          FROM (${READ}) r) s
 WHERE NOT (SELECT all_of_them FROM fits) AND (bytes <= $7 OR record_offset = $4)`;

/** `\x0a0b` to bytes. The driver's binary mode decodes every column as UTF-8 and so destroys bytes: text it is. */
const bytea = (text: string): Buffer => Buffer.from(text.slice(2), 'hex');

export interface ReadLimits {
  readonly records: number;
  /** Bytes of keys and values; one record is read even if it is larger. */
  readonly bytes?: number;
}

/** Records of one partition with offsets in `[from, below)`, in order, as many as the limits allow. @throws RefoldError `store.unreachable`, `store.failed` */
export const readRecords = async (pool: PostgresPool, app: string, from: Position, below: number, limits: ReadLimits): Promise<LogRecord[]> => {
  const { topic, partition } = from;
  const range = [app, topic, partition, from.offset, below, limits.records];
  const rows = limits.bytes === undefined ? await pool.rawRows(READ, range) : await pool.rawRows(READ_WITHIN, [...range, limits.bytes]);
  return rows.map(([offset, timestamp, key, value, headers]) => ({
    topic,
    partition,
    offset: Number(offset),
    timestamp: Number(timestamp),
    key: bytea(key!),
    value: value === null ? null : bytea(value!),
    headers: headers === '{}' ? {} : (JSON.parse(headers!) as Headers),
  }));
};
