import type { Sql } from '../../../platform/postgres/pool';
import type { Position, TopicPartition } from '../../../events/position';
import type { Generation } from '../../generations';
import type { LateContribution } from '../../read-model-store';

/** Of `refold.late_contributions l`, named as the fields of a late contribution. */
export const LATE_COLUMNS = `l.topic, l.partition, l.record_offset AS "offset", l.ordinal, l.event_time AS "eventTime", l.stream_time AS "streamTime",
  l.window_start AS "windowStart", l.contribution`;

const jsonText = (value: unknown): string => JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? part.toString() : part));

export const insertLate = async (sql: Sql, generationId: number, late: readonly LateContribution[]): Promise<void> => {
  if (late.length === 0) {
    return;
  }
  await sql.query(
    `INSERT INTO refold.late_contributions (generation_id, topic, partition, record_offset, ordinal, event_time, stream_time, window_start, contribution)
     SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[], $5::int[], $6::bigint[], $7::bigint[], $8::bigint[], $9::jsonb[])`,
    [
      generationId,
      late.map(({ topic }) => topic),
      late.map(({ partition }) => partition),
      late.map(({ offset }) => offset),
      late.map(({ ordinal }) => ordinal),
      late.map(({ eventTime }) => eventTime),
      late.map(({ streamTime }) => streamTime),
      late.map(({ windowStart }) => windowStart),
      late.map(({ contribution }) => jsonText(contribution)),
    ],
  );
};

/** Those of which it has been decided that they count after all, of so many records: a record is taken in whole. */
export const readReadmittable = async (
  sql: Sql,
  { id, app, projection }: Generation,
  { topic, partition }: TopicPartition,
  records: number,
): Promise<readonly LateContribution[]> => {
  const { rows } = await sql.query<LateContribution>(
    `WITH wanted AS (
       SELECT DISTINCT l.record_offset FROM refold.late_contributions l
       JOIN refold.decisions d ON d.app = $2 AND d.projection = $3 AND d.kind = 'readmit' AND d.topic = l.topic AND d.partition = l.partition AND d.record_offset = l.record_offset
       WHERE l.generation_id = $1 AND l.topic = $4 AND l.partition = $5 ORDER BY l.record_offset LIMIT $6)
     SELECT ${LATE_COLUMNS} FROM refold.late_contributions l
     WHERE l.generation_id = $1 AND l.topic = $4 AND l.partition = $5 AND l.record_offset IN (SELECT record_offset FROM wanted) ORDER BY l.record_offset, l.ordinal`,
    [id, app, projection, topic, partition, records],
  );
  return rows;
};

export const removeLate = async (sql: Sql, generationId: number, positions: readonly Position[]): Promise<void> => {
  if (positions.length === 0) {
    return;
  }
  await sql.query(
    `DELETE FROM refold.late_contributions WHERE generation_id = $1
       AND (topic, partition, record_offset) IN (SELECT * FROM unnest($2::text[], $3::int[], $4::bigint[]))`,
    [generationId, positions.map(({ topic }) => topic), positions.map(({ partition }) => partition), positions.map(({ offset }) => offset)],
  );
};
