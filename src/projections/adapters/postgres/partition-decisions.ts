import { RefoldError } from '../../../kernel/errors';
import { groupBy } from '../../../kernel/groups';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { generationLabel, type Checkpoint } from '../../generations';
import {
  barrierFacts,
  isMovedByGrowth,
  planAdvance,
  planGrowth,
  type AcceptedGrowth,
  type AdvanceRequest,
  type Following,
  type GrowthRequest,
  type PartitionDecisions,
  type StreamTimeFrom,
} from '../../partition-decisions';
import { decideStreamTimes } from './added-partitions';
import { beginCheckpoints } from './checkpoints';

type Locked = Following['generation'] & Pick<Checkpoint, 'topic' | 'partition' | 'next'> & { readonly in_doubt: boolean };

/** Everybody who follows a topic, their checkpoints locked: nobody folds until the transaction ends. */
const lockFollowing = async (sql: Sql, app: string, topic: string): Promise<readonly (Following & { readonly inDoubt: boolean })[]> => {
  const { rows } = await sql.query<Locked>(
    `SELECT g.generation_id AS id, g.projection, g.store, g.version, g.run, g.storage, c.topic, c.partition, c.next_offset AS next, c.intent_to IS NOT NULL AS in_doubt
     FROM refold.checkpoints c JOIN refold.generations g USING (generation_id)
     WHERE g.app = $1 AND g.status IN ('candidate', 'active', 'standby') AND c.topic = $2
     ORDER BY c.generation_id, c.topic, c.partition FOR UPDATE OF c FOR SHARE OF g`,
    [app, topic],
  );
  return [...groupBy(rows, ({ id }) => id).values()].map((checkpoints) => ({
    generation: checkpoints[0]!,
    checkpoints,
    inDoubt: checkpoints.some(({ in_doubt }) => in_doubt),
  }));
};

const record = `INSERT INTO refold.decisions (app, kind, topic, partition, record_offset, facts, decided_by, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`;

/** Of one position the highest time counts: one that is lower says nothing any more. */
const superseded = `DELETE FROM refold.decisions WHERE app = $1 AND kind = 'idle-advance' AND topic = $2 AND partition = $3 AND record_offset = $4
  AND decided_by = $5 AND (facts->>'streamTime')::numeric <= $6`;

/** Decisions about partitions in the control schema. */
export class PostgresPartitionDecisions implements PartitionDecisions {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(options: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = options.pool;
    this.#app = options.app;
  }

  accept({ topic, by, reason, heads }: GrowthRequest): Promise<AcceptedGrowth> {
    return this.#pool.transaction(async (sql) => {
      const following = await lockFollowing(sql, this.#app, topic);
      const { added, barrier } = planGrowth(topic, await heads(), following);
      const moved = following.map(({ generation }) => generation).filter(isMovedByGrowth);
      const ids = moved.map(({ id }) => id);
      const last = barrier.at(-1)!; // a later growth has another one
      await sql.query(record, [this.#app, 'partition-barrier', topic, last.partition, last.offset, JSON.stringify(barrierFacts(barrier)), by, reason]);
      const begin = added.map((partition) => barrier.find((position) => position.partition === partition.partition)!);
      await decideStreamTimes(sql, this.#app, begin);
      await beginCheckpoints(sql, ids, begin);
      // Decisions are read when a partition is claimed: whoever has one now claims it anew, and so learns of this one.
      await sql.query(
        `UPDATE refold.checkpoints c SET epoch = epoch + 1, updated_at = now(),
           stopped_by = CASE WHEN stopped_by->>'code' = 'partitions.not-accepted' THEN NULL ELSE stopped_by END
         WHERE generation_id = ANY($1) AND topic = $2`,
        [ids, topic],
      );
      return { added, barrier, generations: moved.map(generationLabel) };
    });
  }

  advance(request: AdvanceRequest): Promise<StreamTimeFrom> {
    const { topic, partition, streamTime, by, reason, heads, supersedes } = request;
    return this.#pool.transaction(async (sql) => {
      const following = await lockFollowing(sql, this.#app, topic);
      const doubted = following.find(({ inDoubt }) => inDoubt);
      if (doubted !== undefined) {
        throw new RefoldError('store.conflict', `a batch of ${generationLabel(doubted.generation)} is being written`, { facts: { topic, partition } });
      }
      const from = planAdvance(request, await heads(), following);
      if (supersedes === true) {
        await sql.query(superseded, [this.#app, topic, partition, from.offset, by, streamTime]);
      }
      await sql.query(record, [this.#app, 'idle-advance', topic, partition, from.offset, JSON.stringify({ streamTime }), by, reason]);
      await sql.query(
        `UPDATE refold.checkpoints SET epoch = epoch + 1, updated_at = now(),
           stream_time = CASE WHEN next_offset = $4 THEN greatest(stream_time, $5) ELSE stream_time END
         WHERE generation_id = ANY($1) AND topic = $2 AND partition = $3`,
        [following.map(({ generation }) => generation.id), topic, partition, from.offset, streamTime],
      );
      return from;
    });
  }
}
