import { randomUUID } from 'node:crypto';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';
import type { KafkaSubscription } from '../../../src/events/adapters/kafka/kafka-subscription';
import type { NewRecord } from '../../../src/events/event-log';
import { partitionId } from '../../../src/events/position';
import { checkFingerprints } from '../../../src/projections/engine/continuity';
import type { Checkpoint, Generation } from '../../../src/projections/generations';
import { Reader, drain, until } from '../../conformance/support/reader';
import { describeWithKafka, kafkaBrokers } from '../../support/services';

describeWithKafka('a reader of Kafka', () => {
  let log: KafkaEventLog;
  let others: KafkaEventLog;
  let admin: Admin;
  let topic: string;
  let group: string;

  beforeAll(async () => {
    const brokers = await kafkaBrokers();
    log = new KafkaEventLog({ brokers, clientId: 'test', metadataMaxAgeMs: 500 });
    others = new KafkaEventLog({ brokers, clientId: 'others' });
    admin = new Kafka({ brokers, clientId: 'test-admin', logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
  });
  beforeEach(() => {
    topic = `reader-${randomUUID()}`;
    group = `g-${randomUUID()}`;
  });
  afterAll(async () => {
    await Promise.all([admin.disconnect(), log.close(), others.close()]);
  });

  const record = (partition: number, number: number): NewRecord => {
    const value = Buffer.from(String(number));
    return { topic, partition, key: Buffer.from('k'), value, headers: {} };
  };
  const records = (partition: number, count: number): NewRecord[] => Array.from({ length: count }, (_, i) => record(partition, i));
  const owned = (reader: Reader): string[] => reader.assignment.partitions.map(partitionId);

  it('notices partitions that were added and reads them from their start', async () => {
    await log.createTopics([{ topic, partitions: 1 }]);
    await log.append(records(0, 3));
    const reader = await Reader.subscribe(log, { group, topics: [topic], sessionTimeoutMs: 3_000 });
    await reader.pollUntil(() => reader.records.length === 3);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
    await until(async () => (await others.partitions([topic])).length === 3);
    await others.append([...records(2, 2), ...records(1, 1)]);
    await reader.pollUntil(() => reader.records.length === 6, { timeoutMs: 10_000 });
    expect(owned(reader)).toEqual([0, 1, 2].map((partition) => `${topic}/${String(partition)}`));
    expect([0, 1, 2].map((partition) => reader.offsetsOf(partition))).toEqual([[0, 1, 2], [0], [0, 1]]);
    await reader.subscription.close();
  });

  it('of a topic that was made anew finds another record at its checkpoint', async () => {
    await log.createTopics([{ topic, partitions: 1 }]);
    const dated = (id: string, timestamp: number): NewRecord => ({ ...record(0, 0), headers: { ce_id: id }, timestamp });
    await log.append([dated('a', 1), dated('b', 2)]);
    const checkpoint = { topic, partition: 0, fingerprint: { offset: 1, timestamp: 2, id: 'b' } } as Checkpoint;
    const generation = { projection: 'orders', version: 1, run: 1 } as Generation;
    await checkFingerprints(log, generation, [checkpoint]);
    await admin.deleteTopics({ topics: [topic] });
    await until(async () => !(await admin.listTopics()).includes(topic));
    await others.createTopics([{ topic, partitions: 1 }]);
    await others.append([dated('c', 1), dated('d', 2)]);
    const facts = { topic, partition: 0, offset: 1 };
    await expect(checkFingerprints(others, generation, [checkpoint])).rejects.toMatchObject({ code: 'log.rewound', retryable: false, facts });
    await expect(checkFingerprints(log, generation, [checkpoint])).rejects.toMatchObject({ code: 'log.rewound', facts }); // it knew the old one
  });

  it('that is not polled gives its partitions to others, although its heartbeats go on', async () => {
    await log.createTopics([{ topic, partitions: 2 }]);
    const stuck = await Reader.subscribe(log, { group, topics: [topic], sessionTimeoutMs: 60_000, pollTimeoutMs: 800 });
    await stuck.pollUntil(() => owned(stuck).length === 2);
    const other = await Reader.subscribe(log, { group, topics: [topic], sessionTimeoutMs: 3_000 });
    await other.pollUntil(() => owned(other).length === 2);
    await expect(stuck.poll()).rejects.toMatchObject({ code: 'log.consumer-stalled', retryable: true, facts: { group } });
    await Promise.all([stuck.subscription.close(), other.subscription.close()]);
  });

  it('tells when the log was last heard of, also where nothing is fetched because the queues are full', async () => {
    await log.createTopics([{ topic, partitions: 1 }]);
    await log.append(records(0, 20));
    const reader = await Reader.subscribe(log, { group, topics: [topic], sessionTimeoutMs: 1_500, maxQueuedRecords: 5 });
    await reader.pollUntil(() => reader.assignments.length === 1, { maxRecords: 0 });
    const subscription = reader.subscription as KafkaSubscription;
    await until(() => subscription.held().records === 5);
    const before = subscription.heardAt;
    await until(() => subscription.heardAt > before);
    expect(subscription.held().records).toBe(5);
    await subscription.close();
    const last = subscription.heardAt;
    await expect(subscription.poll({ maxRecords: 1, waitMs: 0 })).rejects.toMatchObject({ code: 'log.consumer-crashed' });
    expect(subscription.heardAt).toBe(last);
  });

  it('one partition whose records wait holds only so many; the others are read to their ends, and it goes on where it was', async () => {
    await log.createTopics([{ topic, partitions: 8 }]);
    await log.append(Array.from({ length: 8 }, (_, partition) => records(partition, 200)).flat());
    const reader = await Reader.subscribe(log, { group, topics: [topic], sessionTimeoutMs: 3_000, maxQueuedRecords: 40 });
    const slow = partitionId({ topic, partition: 3 });
    const { subscription } = reader;
    const poll = subscription.poll.bind(subscription);
    subscription.poll = (options) => poll({ ...options, except: new Set([slow]) });
    await reader.pollUntil(() => reader.records.length === 7 * 200);
    expect(reader.offsetsOf(3)).toEqual([]);
    expect((subscription as KafkaSubscription).held().mostRecords).toBeLessThanOrEqual(40);
    subscription.poll = poll;
    await reader.pollUntil(() => reader.records.length === 8 * 200);
    expect(reader.offsetsOf(3)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    await subscription.close();
  });

  it('does not commit what belongs to another member by now', async () => {
    await log.createTopics([{ topic, partitions: 2 }]);
    await log.append([...records(0, 9), ...records(1, 9)]);
    const one = await Reader.subscribe(log, { group, topics: [topic], sessionTimeoutMs: 3_000 });
    await one.pollUntil(() => one.records.length === 18);
    const two = await Reader.subscribe(others, { group, topics: [topic], sessionTimeoutMs: 3_000 });
    await drain([one, two], () => owned(one).length === 1 && owned(two).length === 1);
    const [lost] = two.assignment.partitions;
    await two.subscription.commit([{ ...lost!, offset: 9 }]);
    await one.subscription.commit([...one.assignment.partitions, lost!].map((partition) => ({ ...partition, offset: 4 })));
    expect((await log.committed(group, [topic])).map(({ partition, offset }) => [partition, offset]).sort()).toEqual(
      [
        [lost!.partition, 9],
        [1 - lost!.partition, 4],
      ].sort(),
    );
    await Promise.all([one.subscription.close(), two.subscription.close()]);
  });
});
