import { PostgresEventLog } from '../../../src/events/adapters/postgres/postgres-event-log';
import type { PostgresSubscription } from '../../../src/events/adapters/postgres/postgres-subscription';
import { partitionId, type Position } from '../../../src/events/position';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { eventLogSuite } from '../../conformance/event-log.suite';
import { until } from '../../support/harness';
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

  it('never holds more bytes than the limit and one record, from the first fetch on', async () => {
    const database = await freshDatabase('event-log-bytes');
    const pool = new PostgresPool({ url: database.url });
    const log = new PostgresEventLog({ pool, app: 'bytes' });
    try {
      await migrate(pool);
      await log.createTopics([{ topic: 't', partitions: 1 }]);
      const sizes = Array.from({ length: 120 }, (_, i) => (i % 10 === 0 ? 60_000 : 10));
      await log.append(
        sizes.map((size) => ({ topic: 't', partition: 0, key: Buffer.from('k'), value: size === 10 ? null : Buffer.alloc(size, 1), headers: {} })),
      );
      const maxQueuedBytes = 200_000;
      const subscription = await log.subscribe({
        group: 'g',
        topics: ['t'],
        positions: () => Promise.resolve(new Map([[partitionId({ topic: 't', partition: 0 }), 0]])),
        maxQueuedBytes,
      });
      let read = 0;
      let most = 0;
      await until(() => Promise.resolve(subscription.held().bytes * 2 >= maxQueuedBytes), 'the queue is full');
      while (read < sizes.length) {
        most = Math.max(most, subscription.held().bytes);
        const { batches } = await subscription.poll({ maxRecords: 7, waitMs: 1_000 });
        read += batches.reduce((n, batch) => n + batch.records.length, 0);
      }
      expect(most).toBeLessThanOrEqual(maxQueuedBytes + 60_001);
    } finally {
      await log.close();
      await pool.close();
      await database.drop();
    }
  });

  it('a member that lost its partitions claims none of them again, however often it is fenced', async () => {
    const database = await freshDatabase('event-log-fenced');
    const pool = new PostgresPool({ url: database.url });
    const log = new PostgresEventLog({ pool, app: 'fenced' });
    try {
      await migrate(pool);
      await log.createTopics([{ topic: 't', partitions: 2 }]);
      const asked: { readonly who: string; readonly partitions: number; readonly number: number }[] = [];
      const join = (who: string): ReturnType<PostgresEventLog['subscribe']> =>
        log.subscribe({
          group: 'g',
          topics: ['t'],
          sessionTimeoutMs: 60_000, // nobody looks for long, unless somebody wakes them
          positions: ({ number, partitions }) => {
            asked.push({ who, partitions: partitions.length, number });
            return Promise.resolve(new Map(partitions.map((one) => [partitionId(one), 0])));
          },
        });
      const one = await join('one');
      await until(() => asked.length === 1, 'one has both partitions');
      await pool.query('UPDATE refold.log_claims SET owner = $1', ['two']);
      await pool.query(
        `INSERT INTO refold.log_members (app, group_name, member_id, topics, session_timeout_ms, heartbeat_at) VALUES ('fenced', 'g', 'two', '{t}', 60000, clock_timestamp())`,
      );
      one.restart(asked[0]!.number);
      await until(() => asked.length === 2, 'one was told what is left');
      expect(asked.map(({ partitions }) => partitions)).toEqual([2, 0]);
    } finally {
      await log.close();
      await pool.close();
      await database.drop();
    }
  });
});
