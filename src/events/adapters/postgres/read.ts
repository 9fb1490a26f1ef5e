import { types } from 'pg';
import type { PostgresPool } from '../../../platform/postgres/pool';
import { translatePostgresError } from '../../../platform/postgres/errors';
import type { Headers, LogRecord } from '../../event-log';
import type { Position } from '../../position';

const READ = `
SELECT record_offset, appended_ms, key, value, headers FROM refold.log_records
 WHERE app = $1 AND topic = $2 AND partition = $3 AND record_offset >= $4 AND record_offset < $5 ORDER BY record_offset LIMIT $6`;

/** `\x0a0b` to bytes. The driver's binary mode decodes every column as UTF-8 and so destroys bytes: text it is. */
const bytea = (text: string): Buffer => Buffer.from(text.slice(2), 'hex');

const parsers = {
  getTypeParser: (oid: number) => (oid === types.builtins.BYTEA ? bytea : oid === types.builtins.INT8 ? Number : (text: string) => text),
};

type Row = [offset: number, appendedMs: number, key: Buffer, value: Buffer | null, headers: string];

/** At most `maxRecords` records of one partition with offsets in `[from, below)`, in order. @throws RefoldError `store.unreachable`, `store.failed` */
export const readRecords = (pool: PostgresPool, app: string, from: Position, below: number, maxRecords: number): Promise<LogRecord[]> =>
  pool.session(async (_sql, client) => {
    const { topic, partition } = from;
    try {
      const values = [app, topic, partition, from.offset, below, maxRecords];
      const { rows } = await client.query<Row>({ text: READ, values, rowMode: 'array', types: parsers });
      return rows.map(([offset, timestamp, key, value, headers]) => ({
        topic,
        partition,
        offset,
        timestamp,
        key,
        value,
        headers: headers === '{}' ? {} : (JSON.parse(headers) as Headers),
      }));
    } catch (error) {
      throw translatePostgresError(error);
    }
  });
