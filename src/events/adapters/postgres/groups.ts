import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import type { Position } from '../../position';
import type { GroupState } from '../../topic';
import { BURY, LOCK_GROUP } from './membership';

/** The groups whose names begin with `prefix`: who lives by the database's clock, and what they committed for the topics. */
export const readGroups = async (sql: Sql, app: string, prefix: string, topics: readonly string[]): Promise<readonly GroupState[]> => {
  const members = await sql.query<{ group: string; members: number }>(
    `SELECT group_name AS group, count(*) AS members FROM refold.log_members
      WHERE app = $1 AND starts_with(group_name, $2) AND topics && $3 AND heartbeat_at >= clock_timestamp() - session_timeout_ms * interval '1 millisecond'
      GROUP BY group_name`,
    [app, prefix, topics],
  );
  const offsets = await sql.query<Position & { group: string }>(
    `SELECT group_name AS group, topic, partition, next_offset AS offset FROM refold.log_group_offsets
      WHERE app = $1 AND starts_with(group_name, $2) AND topic = ANY ($3) ORDER BY group_name, topic, partition`,
    [app, prefix, topics],
  );
  const alive = new Map(members.rows.map((row) => [row.group, row.members]));
  const names = [...new Set([...alive.keys(), ...offsets.rows.map(({ group }) => group)])].sort();
  return names.map((group) => ({
    group,
    members: alive.get(group) ?? 0,
    committed: offsets.rows.filter((row) => row.group === group).map(({ topic, partition, offset }) => ({ topic, partition, offset })),
  }));
};

/** Forgets members that died, by the database's clock, with what they claimed, and what the group committed if nobody is in it. */
export const forgetGroup = (pool: PostgresPool, app: string, group: string): Promise<void> =>
  pool.transaction(async (sql) => {
    await sql.query(LOCK_GROUP, [app, group]);
    await sql.query(BURY, [app, group]);
    const isEmpty = `app = $1 AND group_name = $2 AND NOT EXISTS (SELECT 1 FROM refold.log_members WHERE app = $1 AND group_name = $2)`;
    await sql.query(`DELETE FROM refold.log_claims WHERE ${isEmpty}`, [app, group]);
    await sql.query(`DELETE FROM refold.log_group_offsets WHERE ${isEmpty}`, [app, group]);
  });
