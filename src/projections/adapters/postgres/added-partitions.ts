import type { Sql } from '../../../platform/postgres/pool';
import type { Position } from '../../../events/position';
import type { Generation } from '../../generations';
import { beginCheckpoints } from './checkpoints';

const FOLLOWED = `g.app = $1 AND g.status IN ('candidate', 'active', 'standby')`;

/** Everybody who follows the topics, their checkpoints locked: nobody folds until the transaction ends. */
const lockFollowing = async (sql: Sql, app: string, topics: readonly string[]): Promise<void> => {
  await sql.query(
    `SELECT 1 FROM refold.checkpoints c JOIN refold.generations g USING (generation_id) WHERE ${FOLLOWED} AND c.topic = ANY($2)
     ORDER BY c.generation_id, c.topic, c.partition FOR UPDATE OF c FOR SHARE OF g`,
    [app, topics],
  );
};

/**
 * Where stream time decides what readers see, a partition that a topic has got begins with what has been heard by then, as a
 * recorded decision: else what was shown would be gone until the partition has a time of its own, and could change. Only for
 * partitions in which nobody has begun. The checkpoints are locked.
 */
export const decideStreamTimes = async (sql: Sql, app: string, positions: readonly Position[]): Promise<void> => {
  await sql.query(
    `INSERT INTO refold.decisions (app, kind, topic, partition, record_offset, facts, decided_by, reason)
     SELECT $1, 'idle-advance', p.topic, p.partition, p.at, jsonb_build_object('streamTime', t.heard), 'refold', 'a partition was added'
     FROM unnest($2::text[], $3::int[], $4::bigint[]) AS p(topic, partition, at),
       LATERAL (SELECT max(refold.stream_time(g.generation_id)) AS heard FROM refold.generations g
                WHERE ${FOLLOWED} AND p.topic = ANY(g.topics) AND g.publication ?| ARRAY['from', 'until']) t
     WHERE t.heard IS NOT NULL AND NOT EXISTS (
       SELECT FROM refold.checkpoints c JOIN refold.generations g USING (generation_id) WHERE ${FOLLOWED} AND c.topic = p.topic AND c.partition = p.partition)`,
    [app, positions.map(({ topic }) => topic), positions.map(({ partition }) => partition), positions.map(({ offset }) => offset)],
  );
};

/** Checkpoints for partitions that topics have got, in all generations to which any may be added: what is decided about them holds for all. */
export const beginAdded = async (sql: Sql, { id, app }: Generation, positions: readonly Position[]): Promise<void> => {
  const topics = [...new Set(positions.map(({ topic }) => topic))];
  await lockFollowing(sql, app, topics);
  await decideStreamTimes(sql, app, positions);
  for (const topic of topics) {
    const { rows } = await sql.query<{ readonly id: number }>(
      `SELECT g.generation_id AS id FROM refold.generations g WHERE ${FOLLOWED} AND $2 = ANY(g.topics) AND g.storage IN ('merged', 'partials')`,
      [app, topic],
    );
    const own = positions.filter((position) => position.topic === topic);
    await beginCheckpoints(sql, [...new Set([id, ...rows.map((row) => row.id)])], own);
  }
};
