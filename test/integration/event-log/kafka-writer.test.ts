import { randomUUID } from 'node:crypto';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';
import type { NewRecord } from '../../../src/events/event-log';
import { describeWithKafka, kafkaBrokers } from '../../support/services';

describeWithKafka('an append to Kafka', () => {
  let log: KafkaEventLog;
  let admin: Admin;
  let topic: string;
  const record = (value: string, partition: number): NewRecord => ({ topic, key: Buffer.from('k'), value: Buffer.from(value), headers: {}, partition });

  beforeAll(async () => {
    const brokers = await kafkaBrokers();
    log = new KafkaEventLog({ brokers, clientId: 'test' });
    admin = new Kafka({ brokers, clientId: 'test-admin', logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
  });
  beforeEach(async () => {
    topic = `writer-${randomUUID()}`;
    await log.createTopics([{ topic, partitions: 2 }]);
  });
  afterAll(async () => {
    await admin.disconnect();
    await log.close();
  });

  it('reaches a partition that was added after the topic was first written to', async () => {
    await log.append([record('before', 0)]);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
    expect(await log.append([record('after', 3), record('more', 1)])).toEqual([
      { topic, partition: 3, offset: 0 },
      { topic, partition: 1, offset: 0 },
    ]);
    const { records } = await log.read({ topic, partition: 3, offset: 0 }, { maxRecords: 10 });
    expect(records.map(({ value }) => value?.toString())).toEqual(['after']);
    await expect(log.append([record('never', 4)])).rejects.toMatchObject({ code: 'log.unknown-partition', retryable: false });
  });

  it('of a record that is too large says so, and what of the call was written', async () => {
    const large = 'x'.repeat(1_500_000);
    const refused = { code: 'log.record-too-large', retryable: false, facts: { partitions: [`${topic}/0`], type: 'MESSAGE_TOO_LARGE' } };
    await expect(log.append([record(large, 0)])).rejects.toMatchObject(refused);
    await expect(log.append([record('small', 1), record(large, 0)])).rejects.toMatchObject({
      code: 'log.append-failed',
      facts: { partitions: [`${topic}/0`], written: ['0'], mayBeWritten: [] },
      cause: { code: 'log.record-too-large' },
    });
    expect((await log.heads([topic])).map(({ end }) => end)).toEqual([0, 1]);
    await log.append([record('next', 0)]);
  });
});
