import type { Sql } from '../../../platform/postgres/pool';
import type { NewRecord } from '../../event-log';
import { textHeaders, type PartitionAppend } from '../../new-records';
import type { Position } from '../../position';
import { byteaArray, int4Array, int8Array, textArray } from './binary-arrays';

/**
 * One statement, hence one transaction: locks the partition rows in order and takes offsets, or, if a partition is missing,
 * writes nothing at all; inserts; tells the readers once. The commit waits for the disk whatever the session says.
 */
const APPEND = `
WITH asked AS MATERIALIZED (
  SELECT * FROM unnest($2::text[], $3::int4[], $4::int8[]) WITH ORDINALITY AS a (topic, partition, records, batch)
), locked AS MATERIALIZED (
  SELECT p.topic, p.partition FROM refold.log_partitions p JOIN asked a ON a.topic = p.topic AND a.partition = p.partition
   WHERE p.app = $1 ORDER BY p.topic, p.partition FOR UPDATE OF p
), moved AS (
  UPDATE refold.log_partitions p SET next_offset = p.next_offset + a.records
    FROM asked a
   WHERE p.app = $1 AND p.topic = a.topic AND p.partition = a.partition
     AND (SELECT count(*) FROM locked) = (SELECT count(*) FROM asked)
  RETURNING a.batch, p.topic, p.partition, p.next_offset - a.records AS first_offset
), written AS (
  INSERT INTO refold.log_records (app, topic, partition, record_offset, appended_ms, key, value, headers)
  SELECT $1, m.topic, m.partition, m.first_offset + r.place, r.appended_ms, r.key, r.value, r.headers
    FROM unnest($5::int4[], $6::int4[], $7::int8[], $8::bytea[], $9::bytea[], $10::text[]) AS r (batch, place, appended_ms, key, value, headers)
    JOIN moved m ON m.batch = r.batch
)
SELECT m.batch, m.first_offset, s.told, s.durable
  FROM moved m
 CROSS JOIN (SELECT pg_notify($11, '') AS told,
                    CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END AS durable) s`;

/** Appends; answers the positions in the order of the call, or nothing if a partition does not exist (then nothing was written). */
export const appendRecords = async (
  sql: Sql,
  app: string,
  channel: string,
  groups: readonly PartitionAppend[],
  now: number,
): Promise<readonly Position[] | undefined> => {
  const records: NewRecord[] = groups.flatMap((group) => group.records);
  const { rows } = await sql.query<{ batch: number; first_offset: number }>(APPEND, [
    app,
    groups.map(({ topic }) => topic),
    groups.map(({ partition }) => partition),
    groups.map((group) => group.records.length),
    int4Array(groups.flatMap((group, index) => group.records.map(() => index + 1))),
    int4Array(groups.flatMap((group) => group.records.map((_, place) => place))),
    int8Array(records.map(({ timestamp }) => timestamp ?? now)),
    byteaArray(records.map(({ key }) => key)),
    byteaArray(records.map(({ value }) => value)),
    textArray(records.map((record) => JSON.stringify(textHeaders(record)))),
    channel,
  ]);
  if (rows.length !== groups.length) {
    return undefined;
  }
  const positions = new Array<Position>(records.length);
  for (const { batch, first_offset } of rows) {
    const { topic, partition, indexes } = groups[batch - 1]!;
    indexes.forEach((index, place) => (positions[index] = { topic, partition, offset: first_offset + place }));
  }
  return positions;
};
