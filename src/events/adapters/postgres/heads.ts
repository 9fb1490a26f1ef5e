import type { Sql } from '../../../platform/postgres/pool';
import { RefoldError } from '../../../kernel/errors';
import type { PartitionHead } from '../../event-log';

/** The heads of all partitions of the topics, by topic and partition. @throws RefoldError `log.unknown-topic` */
export const readHeads = async (sql: Sql, app: string, topics: readonly string[]): Promise<readonly PartitionHead[]> => {
  const { rows } = await sql.query<PartitionHead>(
    `SELECT topic, partition, start_offset AS start, next_offset AS stable, next_offset AS "end"
       FROM refold.log_partitions WHERE app = $1 AND topic = ANY ($2) ORDER BY topic, partition`,
    [app, topics],
  );
  const missing = topics.find((topic) => !rows.some((row) => row.topic === topic));
  if (missing !== undefined) {
    throw new RefoldError('log.unknown-topic', `there is no topic ${missing}`, { facts: { topic: missing } });
  }
  return rows;
};
