import type { Sql } from '../../../platform/postgres/pool';
import { fromRow, type NullableRow } from '../../../platform/postgres/rows';
import { comparePartitions, partitionId, type Position, type TopicPartition } from '../../../events/position';
import type { ClaimedCheckpoint, ClaimedPartition, Intent } from '../../checkpoint-control';
import type { Checkpoint } from '../../generations';
import type { Advance, CommitResult } from '../../read-model-store';

/** Of `refold.checkpoints c`, named as the fields of a checkpoint. */
const COLUMNS = `c.topic, c.partition, c.next_offset AS next, c.epoch, c.stream_time AS "streamTime",
  json_build_object('read', c.read_count, 'applied', c.applied_count, 'filtered', c.filtered_count, 'late', c.late_count,
    'parked', c.parked_count, 'discarded', c.discarded_count, 'errata', c.errata_count, 'control', c.control_count) AS counters,
  CASE WHEN c.fingerprint_offset IS NOT NULL
    THEN json_build_object('offset', c.fingerprint_offset, 'timestamp', c.fingerprint_timestamp, 'id', coalesce(c.fingerprint_id, '')) END AS fingerprint,
  CASE WHEN c.hold_until > clock_timestamp() THEN c.hold_at END AS "holdAt", c.owner, c.stopped_by AS "stoppedBy"`;

type CheckpointRow = NullableRow<Checkpoint>;

export const readCheckpoints = async (sql: Sql, generationId: number): Promise<readonly Checkpoint[]> => {
  const { rows } = await sql.query<CheckpointRow>(`SELECT ${COLUMNS} FROM refold.checkpoints c WHERE generation_id = $1 ORDER BY topic, partition`, [
    generationId,
  ]);
  return rows.map(fromRow<Checkpoint>);
};

/** What was decided of the stream time of a partition at a position: of generation `g` and position `p`. */
const DECIDED = `(SELECT max((d.facts->>'streamTime')::bigint) FROM refold.decisions d
  WHERE d.app = g.app AND d.kind = 'idle-advance' AND d.topic = p.topic AND d.partition = p.partition AND d.record_offset <= p.next_offset)`;

/** Checkpoints for partitions that have none, in generations that are followed, with the stream times that were decided. */
export const beginCheckpoints = async (sql: Sql, generationIds: readonly number[], positions: readonly Position[]): Promise<void> => {
  await sql.query(
    `INSERT INTO refold.checkpoints (generation_id, topic, partition, next_offset, stream_time)
     SELECT g.generation_id, p.*, ${DECIDED} FROM refold.generations g, unnest($2::text[], $3::int[], $4::bigint[]) AS p(topic, partition, next_offset)
     WHERE g.generation_id = ANY($1) AND g.status <> 'retired' ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING`,
    [generationIds, positions.map(({ topic }) => topic), positions.map(({ partition }) => partition), positions.map(({ offset }) => offset)],
  );
};

/**
 * Raises the epochs of the partitions beyond those of all partitions, if the generation is still followed, with the stream times
 * that were decided up to their positions; answers their checkpoints. The generation's
 * row is locked too: a claim that waited for a retirement has to see the status it left. All rows are counted because
 * EXISTS would stop at the first one and leave the others to be locked in the order in which they lie.
 */
export const claimCheckpoints = async (
  sql: Sql,
  generationId: number,
  partitions: readonly TopicPartition[],
  owner: string | undefined,
): Promise<readonly ClaimedCheckpoint[]> => {
  const { rows } = await sql.query<CheckpointRow & { readonly intent: Intent | null }>(
    `WITH wanted AS (SELECT * FROM unnest($2::text[], $3::int[]) AS w(topic, partition)),
          locked AS MATERIALIZED (
            SELECT c.ctid AS at FROM refold.checkpoints c JOIN refold.generations g USING (generation_id)
            WHERE c.generation_id = $1 AND g.status <> 'retired' AND (c.topic, c.partition) IN (SELECT topic, partition FROM wanted)
            ORDER BY c.topic, c.partition FOR UPDATE OF c FOR SHARE OF g)
     UPDATE refold.checkpoints c SET epoch = greatest(c.epoch, (SELECT max(epoch) FROM refold.checkpoints WHERE generation_id = $1)) + 1, owner = coalesce($4, c.owner), updated_at = now(),
       stream_time = greatest(c.stream_time, (
         SELECT max((d.facts->>'streamTime')::bigint) FROM refold.decisions d JOIN refold.generations g USING (app)
         WHERE g.generation_id = $1 AND d.kind = 'idle-advance' AND d.topic = c.topic AND d.partition = c.partition AND d.record_offset <= c.next_offset))
     WHERE generation_id = $1 AND (topic, partition) IN (SELECT topic, partition FROM wanted) AND (SELECT count(*) FROM locked) > 0
     RETURNING ${COLUMNS}, c.intent`,
    [generationId, partitions.map(({ topic }) => topic), partitions.map(({ partition }) => partition), owner ?? null],
  );
  return rows
    .map(({ intent, ...row }) => ({ checkpoint: fromRow<Checkpoint>(row), intent: intent ?? undefined }))
    .sort((a, b) => comparePartitions(a.checkpoint, b.checkpoint));
};

const COUNTED = ['read', 'applied', 'filtered', 'late', 'parked', 'discarded', 'errata', 'control'] as const;

/** What the batch does to a checkpoint that compares. */
const MOVE = `next_offset = j.next, stream_time = j.stream_time,
      fingerprint_offset = COALESCE(j.fp_offset, c.fingerprint_offset),
      fingerprint_timestamp = CASE WHEN j.fp_offset IS NULL THEN c.fingerprint_timestamp ELSE j.fp_timestamp END,
      fingerprint_id = CASE WHEN j.fp_offset IS NULL THEN c.fingerprint_id ELSE j.fp_id END,
      ${COUNTED.map((name) => `${name}_count = c.${name}_count + j.${name}`).join(', ')}, 
      stopped_by = CASE WHEN j.next > c.next_offset THEN NULL ELSE c.stopped_by END, updated_at = now()`;

/** What an intent does: the checkpoint stays, until the rows are written. */
const INTEND = `intent_to = j.next, intent = j.intent, updated_at = now()`;

/**
 * Compare-and-set of every partition of the batch, the first statement of its transaction: rows are locked in order of
 * topic and partition, then changed where (next_offset, epoch) compare, nothing is left unsettled, and no hold forbids it.
 */
const compareAndSet = (change: string): string => `
  WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[],
      $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::jsonb[])
      AS w(topic, partition, from_offset, next, epoch, stream_time, fp_offset, fp_timestamp, fp_id, ${COUNTED.join(', ')}, intent)),
  locked AS MATERIALIZED (
    SELECT c.topic, c.partition, c.next_offset, c.epoch, c.intent_to, CASE WHEN c.hold_until > clock_timestamp() THEN c.hold_at END AS hold_at
    FROM refold.checkpoints c WHERE c.generation_id = $1 AND (c.topic, c.partition) IN (SELECT topic, partition FROM wanted)
    ORDER BY c.topic, c.partition FOR UPDATE),
  judged AS MATERIALIZED (
    SELECT w.*, l.hold_at,
      CASE WHEN l.epoch IS DISTINCT FROM w.epoch OR l.next_offset IS DISTINCT FROM w.from_offset OR l.intent_to IS NOT NULL THEN 'fenced'
           WHEN l.hold_at IS NOT NULL AND w.next > l.hold_at THEN 'held' ELSE 'good' END AS verdict
    FROM wanted w LEFT JOIN locked l USING (topic, partition)),
  moved AS (
    UPDATE refold.checkpoints c SET ${change}
    FROM judged j
    WHERE c.generation_id = $1 AND c.topic = j.topic AND c.partition = j.partition AND NOT EXISTS (SELECT FROM judged WHERE verdict <> 'good')
    RETURNING c.topic, c.partition)
  SELECT topic, partition, verdict, hold_at, (SELECT count(*) FROM moved) AS moved FROM judged ORDER BY topic, partition`;

const MOVE_ALL = compareAndSet(MOVE);
const INTEND_ALL = compareAndSet(INTEND);

interface Judgement extends TopicPartition {
  readonly verdict: 'good' | 'fenced' | 'held';
  readonly hold_at: number | null;
  readonly moved: number;
}

const change = async (sql: Sql, statement: string, generationId: number, unordered: readonly Intent[]): Promise<CommitResult> => {
  const intents = [...unordered].sort((a, b) => comparePartitions(a.advance, b.advance));
  const advances = intents.map(({ advance }) => advance);
  const { rows } = await sql.query<Judgement>(statement, [
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
    intents.map((intent) => (statement === INTEND_ALL ? JSON.stringify(intent) : null)),
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

/** Moves the checkpoints, all or none. Must run in the transaction that writes the rows. */
export const moveCheckpoints = (sql: Sql, generationId: number, advances: readonly Advance[]): Promise<CommitResult> =>
  change(
    sql,
    MOVE_ALL,
    generationId,
    advances.map((advance) => ({ advance, evidence: null })),
  );

/** Records intents, all or none. */
export const recordIntents = (sql: Sql, generationId: number, intents: readonly Intent[]): Promise<CommitResult> =>
  change(sql, INTEND_ALL, generationId, intents);

/** How a transaction over checkpoints shows that it committed: they have moved, or they hold its intents. */
export type Landing = 'moved' | 'intended';

/**
 * Finds out what became of a transaction whose connection was lost in COMMIT: `committed`, `fenced` where others have claimed
 * all its partitions since, `undefined` if it did not land and never will. The rows are locked, because the server may
 * still be about to commit it: whoever reads past that lock would guess.
 */
export const whatLanded = async (sql: Sql, generationId: number, advances: readonly Advance[], landing: Landing): Promise<CommitResult | undefined> => {
  if (landing === 'moved' && advances.every(({ from, next }) => from === next)) {
    return { status: 'fenced', partitions: advances }; // a position that stays tells nothing: whoever redrives claims it anew and looks
  }
  const reached = landing === 'moved' ? 'c.next_offset = w.next' : 'c.intent_to IS NOT DISTINCT FROM w.next';
  const { rows } = await sql.query<{ landed: boolean }>(
    `SELECT ${reached} AS landed FROM refold.checkpoints c
     JOIN unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS w(topic, partition, next, epoch) USING (topic, partition, epoch)
     WHERE c.generation_id = $1 ORDER BY c.topic, c.partition FOR UPDATE OF c`,
    [
      generationId,
      advances.map(({ topic }) => topic),
      advances.map(({ partition }) => partition),
      advances.map(({ next }) => next),
      advances.map(({ epoch }) => epoch),
    ],
  );
  const [ours] = rows; // it moved all of them or none, so one that nobody has claimed since tells
  return ours === undefined ? { status: 'fenced', partitions: advances } : ours.landed ? { status: 'committed' } : undefined;
};

/** Moves the checkpoints to what their intents say, where the epoch is still the one given. */
export const finishIntents = async (sql: Sql, generationId: number, partitions: readonly ClaimedPartition[]): Promise<readonly Checkpoint[]> => {
  const { rows } = await sql.query<CheckpointRow>(
    `WITH wanted AS (SELECT * FROM unnest($2::text[], $3::int[], $4::bigint[]) AS w(topic, partition, epoch)),
          j AS MATERIALIZED (
            SELECT c.topic, c.partition, c.intent_to AS next, (a->>'streamTime')::bigint AS stream_time, (a#>>'{fingerprint,offset}')::bigint AS fp_offset,
              (a#>>'{fingerprint,timestamp}')::bigint AS fp_timestamp, a#>>'{fingerprint,id}' AS fp_id,
              ${COUNTED.map((name) => `(a#>>'{counters,${name}}')::bigint AS ${name}`).join(', ')}
            FROM refold.checkpoints c JOIN wanted w USING (topic, partition, epoch), LATERAL (SELECT c.intent->'advance' AS a) AS recorded
            WHERE c.generation_id = $1 AND c.intent_to IS NOT NULL ORDER BY c.topic, c.partition FOR UPDATE OF c)
     UPDATE refold.checkpoints c SET ${MOVE}, intent_to = NULL, intent = NULL
     FROM j WHERE c.generation_id = $1 AND c.topic = j.topic AND c.partition = j.partition
     RETURNING ${COLUMNS}`,
    [generationId, partitions.map(({ topic }) => topic), partitions.map(({ partition }) => partition), partitions.map(({ epoch }) => epoch)],
  );
  return rows.map(fromRow<Checkpoint>).sort(comparePartitions);
};
