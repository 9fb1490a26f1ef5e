import { randomUUID } from 'node:crypto';
import { KafkaEventLog } from '../../src/events/adapters/kafka/kafka-event-log';
import type { NewRecord } from '../../src/events/event-log';
import { partitionId } from '../../src/events/position';
import { describeWithKafka, kafkaBrokers } from '../support/services';

const MINUTES = Number(process.env['REFOLD_TEST_MINUTES'] ?? 10);
/** So long, in parts of the whole, until memory is where it stays. */
const WARM_UP = 0.2;
const MAY_GROW = 64 * 1024 * 1024;

describeWithKafka('a reader that takes next to nothing while others append at full speed', () => {
  it(
    `stays as large as it is, for ${String(MINUTES)} minutes`,
    async () => {
      const brokers = await kafkaBrokers();
      const [reading, writing] = [new KafkaEventLog({ brokers, clientId: 'stuck' }), new KafkaEventLog({ brokers, clientId: 'writer' })];
      const topic = `memory-${randomUUID()}`;
      await writing.createTopics([{ topic, partitions: 4, settings: { retentionMs: 60_000 } }]);
      const subscription = await reading.subscribe({
        group: `g-${topic}`,
        topics: [topic],
        positions: async ({ partitions }) => new Map(partitions.map((partition) => [partitionId(partition), 0])),
        maxQueuedBytes: 8 * 1024 * 1024,
      });
      const value = Buffer.alloc(500, 'x');
      const batch: NewRecord[] = Array.from({ length: 1_000 }, (_, i) => ({
        topic,
        key: Buffer.from(String(i)),
        value,
        headers: { ce_type: 'a', ce_id: String(i) },
      }));
      const begun = Date.now();
      const share = (): number => (Date.now() - begun) / (MINUTES * 60_000);
      let plateau = 0;
      let most = 0;
      let appended = 0;
      let taken = 0;
      const look = (): void => {
        const { rss } = process.memoryUsage();
        if (share() < WARM_UP) {
          plateau = Math.max(plateau, rss);
        } else {
          most = Math.max(most, rss);
        }
      };
      const append = async (): Promise<void> => {
        while (share() < 1) {
          await writing.append(batch);
          appended += batch.length;
          look();
        }
      };
      const take = async (): Promise<void> => {
        while (share() < 1) {
          const { batches } = await subscription.poll({ maxRecords: 1, waitMs: 100 });
          taken += batches.reduce((sum, { records }) => sum + records.length, 0);
          await new Promise((resolve) => setTimeout(resolve, 1_000));
        }
      };
      await Promise.all([append(), append(), take()]);
      const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(0);
      process.stderr.write(`${String(appended)} records appended, ${String(taken)} taken, ${mib(plateau)} MiB at first, ${mib(most)} MiB at most afterwards\n`);
      expect(taken).toBeGreaterThan(0);
      expect(most).toBeLessThan(plateau + MAY_GROW);
      await subscription.close();
      await Promise.all([reading.close(), writing.close()]);
    },
    (MINUTES + 2) * 60_000,
  );
});
