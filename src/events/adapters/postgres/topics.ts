import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { partitionId, type PartitionId, type Position, type TopicPartition } from '../../position';
import { KEPT_FOR_EVER, type AlterableSettings, type GroupState, type TopicAdmin, type TopicState } from '../../topic';
import { forgetGroup, readGroups } from './groups';
import { readHeads } from './heads';
import { inLogTerms } from './log-errors';

/** Records deleted in one transaction. */
const STEP = 5_000;

export const setRetention = async (sql: Sql, app: string, topic: string, retentionMs: number | null): Promise<void> => {
  await sql.query(
    `INSERT INTO refold.log_topics (app, topic, retention_ms) VALUES ($1, $2, $3)
     ON CONFLICT (app, topic) DO UPDATE SET retention_ms = excluded.retention_ms`,
    [app, topic, retentionMs],
  );
};

/**
 * Deletes the oldest records of a partition, up to the first that is young enough, and raises the start in the same transaction:
 * last, so that appends wait for its commit only. Nothing is answered where somebody else is deleting.
 */
const DELETE_STEP = `
WITH oldest AS MATERIALIZED (
  SELECT record_offset, appended_ms FROM refold.log_records
   WHERE app = $1 AND topic = $2 AND partition = $3 ORDER BY record_offset LIMIT $5
), kept AS MATERIALIZED (
  SELECT coalesce(min(record_offset) FILTER (WHERE appended_ms >= $4), max(record_offset) + 1) AS start FROM oldest
), deleted AS (
  DELETE FROM refold.log_records r USING kept k
   WHERE r.app = $1 AND r.topic = $2 AND r.partition = $3 AND r.record_offset < k.start RETURNING 1
)
SELECT k.start, (SELECT count(*) FROM deleted) AS deleted FROM kept k WHERE k.start IS NOT NULL`;

/** Topics of the log in Postgres: their retention, and the groups that read them. */
export class PostgresTopics implements TopicAdmin {
  readonly alterable = ['retentionMs'] as const;

  constructor(
    private readonly pool: PostgresPool,
    private readonly app: string,
  ) {}

  async describe(topics: readonly string[]): Promise<readonly TopicState[]> {
    const { rows } = await inLogTerms(() =>
      this.pool.query<{ topic: string; partitions: number; retention: number | null }>(
        `SELECT p.topic, count(*) AS partitions, max(t.retention_ms) AS retention
           FROM refold.log_partitions p LEFT JOIN refold.log_topics t USING (app, topic)
          WHERE p.app = $1 AND p.topic = ANY ($2) GROUP BY p.topic ORDER BY p.topic`,
        [this.app, topics],
      ),
    );
    return rows.map(({ topic, partitions, retention }) => ({ topic, partitions, settings: { ...KEPT_FOR_EVER, retentionMs: retention } }));
  }

  alter(topic: string, { retentionMs }: AlterableSettings): Promise<void> {
    return inLogTerms(async () => {
      await readHeads(this.pool, this.app, [topic]);
      await setRetention(this.pool, this.app, topic, retentionMs);
    });
  }

  groups(prefix: string, topics: readonly string[]): Promise<readonly GroupState[]> {
    return inLogTerms(() => readGroups(this.pool, this.app, prefix, topics));
  }

  removeGroup(group: string): Promise<void> {
    return inLogTerms(() => forgetGroup(this.pool, this.app, group));
  }

  async retain(now: number): Promise<readonly Position[]> {
    const { rows } = await inLogTerms(() =>
      // The clock of one process that runs ahead must not delete what is young.
      this.pool.query<TopicPartition & { before: number }>(
        `SELECT p.topic, p.partition, floor(least($2, extract(epoch FROM clock_timestamp()) * 1000) - t.retention_ms)::bigint AS before FROM refold.log_partitions p JOIN refold.log_topics t USING (app, topic)
          WHERE p.app = $1 AND t.retention_ms IS NOT NULL ORDER BY p.topic, p.partition`,
        [this.app, now],
      ),
    );
    const starts = new Map<PartitionId, Position>();
    for (const { before, ...partition } of rows) {
      for (let start = await this.#step(partition, before); start !== undefined; start = await this.#step(partition, before)) {
        starts.set(partitionId(partition), { ...partition, offset: start });
      }
    }
    return [...starts.values()];
  }

  /** The new start; `undefined`: nothing was to be deleted, or another process is at it. */
  #step({ topic, partition }: TopicPartition, before: number): Promise<number | undefined> {
    return inLogTerms(() =>
      this.pool.transaction(async (sql) => {
        const lock = await sql.query<{ got: boolean }>(`SELECT pg_try_advisory_xact_lock(hashtextextended('retention of ' || $1, 0)) AS got`, [this.app]);
        if (lock.rows[0]?.got !== true) {
          return undefined;
        }
        const { rows } = await sql.query<{ start: number; deleted: number }>(DELETE_STEP, [this.app, topic, partition, before, STEP]);
        const [step] = rows;
        if (step === undefined || step.deleted === 0) {
          return undefined;
        }
        await sql.query('UPDATE refold.log_partitions SET start_offset = $4 WHERE app = $1 AND topic = $2 AND partition = $3', [
          this.app,
          topic,
          partition,
          step.start,
        ]);
        return step.start;
      }),
    );
  }
}
