import { groupBy } from '../../../kernel/groups';
import type { Sql } from '../../../platform/postgres/pool';
import { msOf } from '../../../platform/postgres/rows';
import { partitionId, type Position, type TopicPartition } from '../../../events/position';
import type { ParkedEvent, ParkedSequence, ParkingCause, Redriven, SequenceName } from '../../parking';
import { shownText } from './shown';

const NO_CAUSE: ParkingCause = { code: '', message: '', remedy: '' };

const insertEvents = async (sql: Sql, generationId: number, parked: readonly ParkedEvent[]): Promise<void> => {
  await sql.query(
    `INSERT INTO refold.parked_events (generation_id, topic, partition, record_offset, sequence, event_type, record_key, value, headers, record_timestamp, erratum, stream_time,
       kept_topic, kept_partition, kept_offset)
     SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::bytea[], $8::bytea[], $9::json[], $10::bigint[], $11::int[], $12::bigint[],
       $13::text[], $14::int[], $15::bigint[])`,
    [
      generationId,
      parked.map(({ record }) => record.topic),
      parked.map(({ record }) => record.partition),
      parked.map(({ record }) => record.offset),
      parked.map(({ sequence }) => sequence),
      parked.map(({ type }) => shownText(type)),
      parked.map(({ record }) => record.key),
      parked.map(({ record }) => record.value),
      parked.map(({ record }) => JSON.stringify(record.headers)),
      parked.map(({ record }) => record.timestamp),
      parked.map(({ record }) => record.erratum ?? null),
      parked.map(({ streamTime }) => streamTime ?? null),
      parked.map(({ kept }) => kept?.topic ?? null),
      parked.map(({ kept }) => kept?.partition ?? null),
      parked.map(({ kept }) => kept?.offset ?? null),
    ],
  );
};

/** Keeps events that could not be folded, each at the end of its sequence. Runs in the transaction that moves the checkpoints past them. */
export const insertParked = async (sql: Sql, generationId: number, parked: readonly ParkedEvent[]): Promise<void> => {
  if (parked.length === 0) {
    return;
  }
  await insertEvents(sql, generationId, parked);
  const sequences = [...groupBy(parked, ({ record, sequence }) => `${partitionId(record)}\0${sequence}`).values()];
  const heads = sequences.map(([head]) => head!);
  const causes = heads.map(({ cause }) => cause ?? NO_CAUSE);
  await sql.query(
    `INSERT INTO refold.parked_sequences AS s (generation_id, topic, partition, sequence, head_offset, head_type, events, code, message, remedy, attempts)
     SELECT $1, * FROM unnest($2::text[], $3::int[], $4::text[], $5::bigint[], $6::text[], $7::int[], $8::text[], $9::text[], $10::text[], $11::int[])
     ON CONFLICT (generation_id, topic, partition, sequence) DO UPDATE SET events = s.events + excluded.events, last_touched = clock_timestamp()`,
    [
      generationId,
      heads.map(({ record }) => record.topic),
      heads.map(({ record }) => record.partition),
      heads.map(({ sequence }) => sequence),
      heads.map(({ record }) => record.offset),
      heads.map(({ type }) => shownText(type)),
      sequences.map(({ length }) => length),
      causes.map(({ code }) => code),
      causes.map(({ message }) => shownText(message)),
      causes.map(({ remedy }) => shownText(remedy)),
      heads.map(({ attempts }) => attempts),
    ],
  );
};

/** Takes the first events of a sequence out of it; the next one becomes the head. */
export const removeParked = async (sql: Sql, generationId: number, { topic, partition, sequence }: SequenceName, offsets: readonly number[]): Promise<void> => {
  const name = [generationId, topic, partition, sequence];
  await sql.query(
    'DELETE FROM refold.parked_events WHERE generation_id = $1 AND topic = $2 AND partition = $3 AND sequence = $4 AND record_offset = ANY($5::bigint[])',
    [...name, offsets],
  );
  const of = 'WHERE generation_id = $1 AND topic = $2 AND partition = $3 AND sequence = $4';
  const { rowCount } = await sql.query(
    `UPDATE refold.parked_sequences s SET head_offset = left_.record_offset, head_type = left_.event_type, events = left_.n,
       code = '', message = '', remedy = '', attempts = 0, last_touched = clock_timestamp()
     FROM (SELECT record_offset, event_type, count(*) OVER () AS n FROM refold.parked_events ${of} ORDER BY record_offset LIMIT 1) AS left_
     WHERE s.generation_id = $1 AND s.topic = $2 AND s.partition = $3 AND s.sequence = $4`,
    name,
  );
  if (rowCount === 0) {
    await sql.query(`DELETE FROM refold.parked_sequences ${of}`, name);
  }
};

/** What a redrive leaves of its sequence. */
export const recordRedriven = async (sql: Sql, generationId: number, redriven: Redriven | undefined): Promise<void> => {
  if (redriven === undefined) {
    return;
  }
  const { topic, partition, sequence, folded, cause } = redriven;
  if (folded.length > 0) {
    await removeParked(sql, generationId, redriven, folded);
  }
  if (cause !== undefined) {
    await sql.query(
      `UPDATE refold.parked_sequences SET code = $5, message = $6, remedy = $7, attempts = attempts + 1, last_touched = clock_timestamp()
       WHERE generation_id = $1 AND topic = $2 AND partition = $3 AND sequence = $4`,
      [generationId, topic, partition, sequence, cause.code, shownText(cause.message), shownText(cause.remedy)],
    );
  }
};

/** Of `refold.parked_sequences s`, named as the fields of a sequence. */
export const SEQUENCE_COLUMNS = `s.topic, s.partition, s.sequence, s.head_offset AS head, s.head_type AS type, s.events,
  json_build_object('code', s.code, 'message', s.message, 'remedy', s.remedy) AS cause, s.attempts,
  ${msOf('s.first_at')} AS "firstAt", ${msOf('s.last_touched')} AS "lastTouched"`;

export const readSequences = async (sql: Sql, generationId: number, partitions: readonly TopicPartition[]): Promise<readonly ParkedSequence[]> => {
  const { rows } = await sql.query<ParkedSequence>(
    `SELECT ${SEQUENCE_COLUMNS} FROM refold.parked_sequences s
     WHERE s.generation_id = $1 AND (s.topic, s.partition) IN (SELECT * FROM unnest($2::text[], $3::int[])) ORDER BY s.topic, s.partition, s.head_offset`,
    [generationId, partitions.map(({ topic }) => topic), partitions.map(({ partition }) => partition)],
  );
  return rows;
};

const KEPT = `CASE WHEN e.kept_topic IS NOT NULL THEN json_build_object('topic', e.kept_topic, 'partition', e.kept_partition, 'offset', e.kept_offset) END`;

/** Of `refold.parked_events e`. */
export const EVENT_COLUMNS = `e.record_offset AS "offset", e.event_type AS type, e.record_key AS key, e.value, e.headers,
  e.record_timestamp AS "timestamp", e.erratum, e.stream_time, ${KEPT} AS kept`;

export interface EventRow {
  readonly offset: number;
  readonly type: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly timestamp: number;
  readonly erratum: number | null;
  readonly stream_time: number | null;
  readonly kept: Position | null;
}

export const eventOf = (
  { topic, partition, sequence }: SequenceName,
  { offset, type, key, value, headers, timestamp, erratum, stream_time, kept }: EventRow,
): ParkedEvent => ({
  record: { topic, partition, offset, key, value, headers, timestamp, ...(erratum === null ? {} : { erratum }) },
  sequence,
  type,
  streamTime: stream_time ?? undefined,
  attempts: 0,
  cause: undefined,
  kept: kept ?? undefined,
});

export const readEvents = async (sql: Sql, generationId: number, name: SequenceName, limit: number): Promise<readonly ParkedEvent[]> => {
  const { topic, partition, sequence } = name;
  const { rows } = await sql.query<EventRow>(
    `SELECT ${EVENT_COLUMNS} FROM refold.parked_events e
     WHERE e.generation_id = $1 AND e.topic = $2 AND e.partition = $3 AND e.sequence = $4 ORDER BY e.record_offset LIMIT $5`,
    [generationId, topic, partition, sequence, limit],
  );
  return rows.map((row) => eventOf(name, row));
};
