import type { PostgresPool } from '../../../platform/postgres/pool';
import type { Headers, LogRecord } from '../../event-log';
import type { Position } from '../../position';

const READ = `
SELECT record_offset, appended_ms, key, value, headers FROM refold.log_records
 WHERE app = $1 AND topic = $2 AND partition = $3 AND record_offset >= $4 AND record_offset < $5 ORDER BY record_offset LIMIT $6`;

/** `\x0a0b` to bytes. The driver's binary mode decodes every column as UTF-8 and so destroys bytes: text it is. */
const bytea = (text: string): Buffer => Buffer.from(text.slice(2), 'hex');

/** At most `maxRecords` records of one partition with offsets in `[from, below)`, in order. @throws RefoldError `store.unreachable`, `store.failed` */
export const readRecords = async (pool: PostgresPool, app: string, from: Position, below: number, maxRecords: number): Promise<LogRecord[]> => {
  const { topic, partition } = from;
  const rows = await pool.rawRows(READ, [app, topic, partition, from.offset, below, maxRecords]);
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
