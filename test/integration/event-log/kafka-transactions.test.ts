import { randomUUID } from 'node:crypto';
import { Kafka, Partitioners, logLevel } from 'kafkajs';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';
import { Reader } from '../../conformance/support/reader';
import { describeWithKafka, kafkaBrokers } from '../../support/services';

describeWithKafka('transactions of foreign producers', () => {
  it('leave markers and aborted records that are counted and not delivered, also at the end of the log', async () => {
    const brokers = await kafkaBrokers();
    const log = new KafkaEventLog({ brokers, clientId: 'test' });
    const topic = `transactions-${randomUUID()}`;
    await log.createTopics([{ topic, partitions: 1 }]);
    const kafka = new Kafka({ brokers, clientId: 'foreign', logLevel: logLevel.NOTHING, retry: { initialRetryTime: 20 } });
    const producer = kafka.producer({ transactionalId: topic, maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const write = async (values: readonly string[], end: 'commit' | 'abort'): Promise<void> => {
      const transaction = await producer.transaction();
      await transaction.send({ topic, acks: -1, messages: values.map((value) => ({ key: 'k', value, partition: 0 })) });
      await transaction[end]();
    };
    await write(['a', 'b'], 'commit'); // 0, 1, marker 2
    await write(['x', 'y', 'z'], 'abort'); // 3, 4, 5, marker 6
    await write(['c'], 'commit'); // 7, marker 8
    await write(['w'], 'abort'); // 9, marker 10
    await producer.disconnect();

    const reader = await Reader.subscribe(log, { group: `g-${randomUUID()}`, topics: [topic], sessionTimeoutMs: 3_000 });
    await reader.pollUntil(() => reader.begin.get(`${topic}/0`) === 11);
    expect(reader.records.map(({ offset, value }) => [offset, value?.toString()])).toEqual([
      [0, 'a'],
      [1, 'b'],
      [7, 'c'],
    ]);
    expect((await log.heads([topic]))[0]).toMatchObject({ start: 0, stable: 11 });
    expect(await log.read({ topic, partition: 0, offset: 8 }, { maxRecords: 5 })).toEqual({ topic, partition: 0, from: 8, next: 11, records: [] });
    await reader.subscription.close();
    await log.close();
  });
});
