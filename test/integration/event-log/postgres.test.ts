import { PostgresEventLog } from '../../../src/events/adapters/postgres/postgres-event-log';
import type { PostgresSubscription } from '../../../src/events/adapters/postgres/postgres-subscription';
import type { Position } from '../../../src/events/position';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { eventLogSuite } from '../../conformance/event-log.suite';
import { describeWithPostgres, freshDatabase } from '../../support/services';

describeWithPostgres('the Postgres log', () => {
  eventLogSuite(async () => {
    const database = await freshDatabase('event-log');
    const pool = new PostgresPool({ url: database.url });
    await migrate(pool);
    return {
      open: async () => new PostgresEventLog({ pool, app: 'suite' }),
      truncateBefore: async ({ topic, partition, offset }) => {
        await pool.query(`UPDATE refold.log_partitions SET start_offset = $3 WHERE topic = $1 AND partition = $2`, [topic, partition, offset]);
        await pool.query(`DELETE FROM refold.log_records WHERE topic = $1 AND partition = $2 AND record_offset < $3`, [topic, partition, offset]);
      },
      committed: async (group, topic) =>
        (
          await pool.query<Position>('SELECT topic, partition, next_offset AS offset FROM refold.log_group_offsets WHERE group_name = $1 AND topic = $2', [
            group,
            topic,
          ])
        ).rows,
      die: (subscription) => (subscription as PostgresSubscription).die(),
      mostHeld: (subscription) => (subscription as PostgresSubscription).held().mostRecords,
      overshoot: 0,
      release: async () => {
        await pool.close();
        await database.drop();
      },
    };
  });
});
