import { randomUUID } from 'node:crypto';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { planClaims, type Claim } from '../../claims';
import type { GroupMember } from '../../fair-assignment';
import { comparePartitions, type Position, type TopicPartition } from '../../position';

export interface MembershipOptions {
  readonly pool: PostgresPool;
  readonly app: string;
  readonly channel: string;
  readonly group: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
}

export interface OwnedPartition extends Claim {
  /** Differs from the claim before, even if the same member took the partition again. */
  readonly since: string;
}

const BEAT = `
INSERT INTO refold.log_members (app, group_name, member_id, topics, session_timeout_ms, heartbeat_at) VALUES ($1, $2, $3, $4, $5, clock_timestamp())
ON CONFLICT (app, group_name, member_id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
RETURNING xmax = 0 AS joined`;

/** Forgets the members of a group that died, by the database's clock. */
export const BURY = `
DELETE FROM refold.log_members WHERE app = $1 AND group_name = $2
   AND heartbeat_at < clock_timestamp() - session_timeout_ms * interval '1 millisecond'`;

/** What members of a group do, they do one after the other. */
export const LOCK_GROUP = `SELECT pg_advisory_xact_lock(hashtextextended($1 || chr(10) || $2, 0))`;

/** Payload of the notification that tells the members of a group to look at their claims. */
export const groupPayload = (group: string): string => `group ${group}`;

/** One member of one group: its heartbeat and its claims, in the tables of the log. Time is the database's. */
export class Membership {
  readonly id = randomUUID();

  constructor(private readonly options: MembershipOptions) {}

  /**
   * Says that this member lives, buries the dead, gives up what is not its own any more and takes what is free.
   * Answers what this member owns now. Members of a group do this one after the other.
   */
  async beat(): Promise<readonly OwnedPartition[]> {
    const { pool, app, group, topics, sessionTimeoutMs } = this.options;
    return pool.transaction(async (sql) => {
      // What a crash of the database loses here, the next heartbeat writes again.
      await sql.query(`SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock(hashtextextended($1 || chr(10) || $2, 0))`, [app, group]);
      const beat = await sql.query<{ joined: boolean }>(BEAT, [app, group, this.id, topics, sessionTimeoutMs]);
      const buried = await sql.query(BURY, [app, group]);
      const changed = await this.#rearrange(sql);
      if (changed || beat.rows[0]?.joined === true || (buried.rowCount ?? 0) > 0) {
        await this.#tell(sql);
      }
      return (await this.#claims(sql)).filter(({ owner }) => owner === this.id);
    });
  }

  /** Leaves, so that the others take over at once. */
  async leave(): Promise<void> {
    const { pool, app, group } = this.options;
    await pool.transaction(async (sql) => {
      await sql.query(LOCK_GROUP, [app, group]);
      await sql.query(`DELETE FROM refold.log_claims WHERE app = $1 AND group_name = $2 AND owner = $3`, [app, group, this.id]);
      await sql.query(`DELETE FROM refold.log_members WHERE app = $1 AND group_name = $2 AND member_id = $3`, [app, group, this.id]);
      await this.#tell(sql);
    });
  }

  async commit(positions: readonly Position[]): Promise<void> {
    const { pool, app, group } = this.options;
    const sorted = [...positions].sort(comparePartitions);
    await pool.query(
      `INSERT INTO refold.log_group_offsets (app, group_name, topic, partition, next_offset, committed_at)
       SELECT $1, $2, p.topic, p.partition, p.next_offset, now() FROM unnest($3::text[], $4::int4[], $5::int8[]) AS p (topic, partition, next_offset)
       ON CONFLICT (app, group_name, topic, partition) DO UPDATE SET next_offset = excluded.next_offset, committed_at = excluded.committed_at`,
      [app, group, sorted.map(({ topic }) => topic), sorted.map(({ partition }) => partition), sorted.map(({ offset }) => offset)],
    );
  }

  async #rearrange(sql: Sql): Promise<boolean> {
    const { app, group } = this.options;
    const members = await sql.query<GroupMember>(
      'SELECT member_id AS id, topics FROM refold.log_members WHERE app = $1 AND group_name = $2 ORDER BY member_id',
      [app, group],
    );
    const topics = [...new Set(members.rows.flatMap((member) => member.topics))];
    const partitions = await sql.query<TopicPartition>('SELECT topic, partition FROM refold.log_partitions WHERE app = $1 AND topic = ANY ($2)', [app, topics]);
    const { release, take } = planClaims(this.id, members.rows, partitions.rows, await this.#claims(sql));
    if (release.length > 0) {
      await sql.query(
        `DELETE FROM refold.log_claims c USING unnest($4::text[], $5::int4[]) AS r (topic, partition)
          WHERE c.app = $1 AND c.group_name = $2 AND c.owner = $3 AND c.topic = r.topic AND c.partition = r.partition`,
        [app, group, this.id, release.map(({ topic }) => topic), release.map(({ partition }) => partition)],
      );
    }
    if (take.length > 0) {
      await sql.query(
        `INSERT INTO refold.log_claims (app, group_name, topic, partition, owner, claimed_at)
         SELECT $1, $2, t.topic, t.partition, $3, clock_timestamp() FROM unnest($4::text[], $5::int4[]) AS t (topic, partition)
         ON CONFLICT (app, group_name, topic, partition) DO UPDATE SET owner = excluded.owner, claimed_at = excluded.claimed_at`,
        [app, group, this.id, take.map(({ topic }) => topic), take.map(({ partition }) => partition)],
      );
    }
    return release.length > 0;
  }

  async #claims(sql: Sql): Promise<readonly OwnedPartition[]> {
    const { app, group } = this.options;
    return (
      await sql.query<OwnedPartition>(
        'SELECT topic, partition, owner, claimed_at::text AS since FROM refold.log_claims WHERE app = $1 AND group_name = $2 ORDER BY topic, partition',
        [app, group],
      )
    ).rows;
  }

  async #tell(sql: Sql): Promise<void> {
    await sql.query('SELECT pg_notify($1, $2)', [this.options.channel, groupPayload(this.options.group)]);
  }
}
