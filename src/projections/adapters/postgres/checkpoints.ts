import type { Sql } from '../../../platform/postgres/pool';
import { fromRow, type NullableRow } from '../../../platform/postgres/rows';
import { comparePartitions, partitionId, type TopicPartition } from '../../../events/position';
import type { Checkpoint } from '../../generations';
import type { Advance, CommitResult } from '../../read-model-store';

/** Named as the fields of a checkpoint. */
const COLUMNS = `topic, partition, next_offset AS next, epoch, stream_time AS "streamTime",
  json_build_object('read', read_count, 'applied', applied_count, 'filtered', filtered_count, 'late', late_count,
    'parked', parked_count, 'discarded', discarded_count, 'errata', errata_count, 'control', control_count) AS counters,
  CASE WHEN fingerprint_offset IS NOT NULL
    THEN json_build_object('offset', fingerprint_offset, 'timestamp', fingerprint_timestamp, 'id', coalesce(fingerprint_id, '')) END AS fingerprint,
  CASE WHEN hold_until > clock_timestamp() THEN hold_at END AS "holdAt", owner, stopped_by AS "stoppedBy"`;

type CheckpointRow = NullableRow<Checkpoint>;

export const readCheckpoints = async (sql: Sql, generationId: number): Promise<readonly Checkpoint[]> => {
  const { rows } = await sql.query<CheckpointRow>(`SELECT ${COLUMNS} FROM refold.checkpoints WHERE generation_id = $1 ORDER BY topic, partition`, [
    generationId,
  ]);
  return rows.map(fromRow<Checkpoint>);
};

/**
 * Raises the epochs of the partitions, if the generation is still followed; answers their checkpoints. The generation's
 * row is locked too: a claim that waited for a retirement has to see the status it left. All rows are counted because
 * EXISTS would stop at the first one and leave the others to be locked in the order in which they lie.
 */
export const claimCheckpoints = async (
  sql: Sql,
  generationId: number,
  partitions: readonly TopicPartition[],
  owner: string,
): Promise<readonly Checkpoint[]> => {
  const { rows } = await sql.query<CheckpointRow>(
    `WITH wanted AS (SELECT * FROM unnest($2::text[], $3::int[]) AS w(topic, partition)),
          locked AS MATERIALIZED (
            SELECT c.ctid AS at FROM refold.checkpoints c JOIN refold.generations g USING (generation_id)
            WHERE c.generation_id = $1 AND g.status IN ('candidate', 'active', 'standby') AND (c.topic, c.partition) IN (SELECT topic, partition FROM wanted)
            ORDER BY c.topic, c.partition FOR UPDATE OF c FOR SHARE OF g)
     UPDATE refold.checkpoints SET epoch = epoch + 1, owner = $4, updated_at = now()
     WHERE generation_id = $1 AND (topic, partition) IN (SELECT topic, partition FROM wanted) AND (SELECT count(*) FROM locked) > 0
     RETURNING ${COLUMNS}`,
    [generationId, partitions.map(({ topic }) => topic), partitions.map(({ partition }) => partition), owner],
  );
  return rows.map(fromRow<Checkpoint>).sort(comparePartitions);
};

/**
 * Compare-and-set of every partition of the batch, the first statement of its transaction: rows are locked in order of
 * topic and partition, then moved where (next_offset, epoch) compare and no hold forbids it.
 */
const COMPARE_AND_SET = `
  WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[],
      $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[])
      AS w(topic, partition, from_offset, next, epoch, stream_time, fp_offset, fp_timestamp, fp_id,
        read, applied, filtered, late, parked, discarded, errata, control)),
  locked AS MATERIALIZED (
    SELECT c.topic, c.partition, c.next_offset, c.epoch, CASE WHEN c.hold_until > clock_timestamp() THEN c.hold_at END AS hold_at
    FROM refold.checkpoints c WHERE c.generation_id = $1 AND (c.topic, c.partition) IN (SELECT topic, partition FROM wanted)
    ORDER BY c.topic, c.partition FOR UPDATE),
  judged AS MATERIALIZED (
    SELECT w.*, l.hold_at,
      CASE WHEN l.epoch IS DISTINCT FROM w.epoch OR l.next_offset IS DISTINCT FROM w.from_offset THEN 'fenced'
           WHEN l.hold_at IS NOT NULL AND w.next > l.hold_at THEN 'held' ELSE 'good' END AS verdict
    FROM wanted w LEFT JOIN locked l USING (topic, partition)),
  moved AS (
    UPDATE refold.checkpoints c SET next_offset = j.next, stream_time = j.stream_time,
      fingerprint_offset = COALESCE(j.fp_offset, c.fingerprint_offset),
      fingerprint_timestamp = CASE WHEN j.fp_offset IS NULL THEN c.fingerprint_timestamp ELSE j.fp_timestamp END,
      fingerprint_id = CASE WHEN j.fp_offset IS NULL THEN c.fingerprint_id ELSE j.fp_id END,
      read_count = read_count + j.read, applied_count = applied_count + j.applied, filtered_count = filtered_count + j.filtered,
      late_count = late_count + j.late, parked_count = parked_count + j.parked, discarded_count = discarded_count + j.discarded,
      errata_count = errata_count + j.errata, control_count = control_count + j.control, stopped_by = NULL, updated_at = now()
    FROM judged j
    WHERE c.generation_id = $1 AND c.topic = j.topic AND c.partition = j.partition AND NOT EXISTS (SELECT FROM judged WHERE verdict <> 'good')
    RETURNING c.topic, c.partition)
  SELECT topic, partition, verdict, hold_at, (SELECT count(*) FROM moved) AS moved FROM judged ORDER BY topic, partition`;

interface Judgement extends TopicPartition {
  readonly verdict: 'good' | 'fenced' | 'held';
  readonly hold_at: number | null;
  readonly moved: number;
}

const COUNTED = ['read', 'applied', 'filtered', 'late', 'parked', 'discarded', 'errata', 'control'] as const;

/** Moves the checkpoints, all or none. Must run in the transaction that writes the rows. */
export const moveCheckpoints = async (sql: Sql, generationId: number, unordered: readonly Advance[]): Promise<CommitResult> => {
  const advances = [...unordered].sort(comparePartitions);
  const { rows } = await sql.query<Judgement>(COMPARE_AND_SET, [
    generationId,
    advances.map(({ topic }) => topic),
    advances.map(({ partition }) => partition),
    advances.map(({ from }) => from),
    advances.map(({ next }) => next),
    advances.map(({ epoch }) => epoch),
    advances.map(({ streamTime }) => streamTime ?? null),
    advances.map(({ fingerprint }) => fingerprint?.offset ?? null),
    advances.map(({ fingerprint }) => fingerprint?.timestamp ?? null),
    advances.map(({ fingerprint }) => fingerprint?.id ?? null),
    ...COUNTED.map((name) => advances.map(({ counters }) => counters[name])),
  ]);
  const fenced = rows.filter(({ verdict }) => verdict === 'fenced');
  if (fenced.length > 0) {
    return { status: 'fenced', partitions: fenced.map(({ topic, partition }) => ({ topic, partition })) };
  }
  const held = rows.filter(({ verdict }) => verdict === 'held');
  if (held.length > 0) {
    return { status: 'held', holds: new Map(held.map((row) => [partitionId(row), row.hold_at!])) };
  }
  return { status: 'committed' };
};
