import { randomUUID } from 'node:crypto';
import { Kafka, Partitioners, logLevel } from 'kafkajs';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';
import { systemClock } from '../../../src/kernel/clock';
import { silentLogger } from '../../../src/kernel/logger';
import { LagCollector } from '../../../src/lag-monitor/collector';
import { MemoryCatalog } from '../../../src/projections/adapters/memory/control';
import { until } from '../../support/harness';
import { describeWithKafka, kafkaBrokers } from '../../support/services';

const T0 = 1_700_000_000_000;

describeWithKafka('the lag over Kafka', () => {
  it('does not count an open transaction, and finds records before markers and aborted ones', async () => {
    const brokers = await kafkaBrokers();
    const log = new KafkaEventLog({ brokers, clientId: 'test' });
    const topic = `lag-${randomUUID()}`;
    await log.createTopics([{ topic, partitions: 1 }]);
    const catalog = new MemoryCatalog({ app: 'shop' });
    await catalog.create({
      projection: 'p',
      store: 'memory',
      version: 1,
      run: 1,
      model: 'p',
      viewSchema: 'memory',
      storage: 'rows',
      columns: [],
      topics: [topic],
      definitionHash: 'd',
      sourceHash: 's',
      definition: {},
      firstBuild: true,
      headsAtStart: {},
      begin: [{ topic, partition: 0, offset: 0 }],
    });
    const collector = new LagCollector({ catalog, log, clock: systemClock, logger: silentLogger });
    const look = async (): Promise<object> => {
      const { generations } = await collector.collect();
      const { lagRecords, eventTimeLagSeconds } = generations[0]!.partitions[0]!;
      return { lagRecords, eventTimeLagSeconds };
    };
    expect(await look()).toEqual({ lagRecords: 0, eventTimeLagSeconds: 0 });

    const kafka = new Kafka({ brokers, clientId: 'foreign', logLevel: logLevel.NOTHING, retry: { initialRetryTime: 20 } });
    const producer = kafka.producer({ transactionalId: topic, maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const begin = async (...seconds: readonly number[]): ReturnType<typeof producer.transaction> => {
      const transaction = await producer.transaction();
      const messages = seconds.map((s) => ({ key: 'k', value: 'v', partition: 0, headers: { ce_time: new Date(T0 + s * 1_000).toISOString() } }));
      await transaction.send({ topic, acks: -1, messages });
      return transaction;
    };
    const open = await begin(0, 7);
    expect(await look()).toEqual({ lagRecords: 0, eventTimeLagSeconds: 0 });
    await open.commit(); // 0, 1, marker 2
    await until(async () => (await log.heads([topic]))[0]!.stable === 3, 'the marker is written');
    expect(await look()).toEqual({ lagRecords: 3, eventTimeLagSeconds: 7 });
    await (await begin(50, 60, 70)).abort(); // 3, 4, 5, marker 6
    await until(async () => (await log.heads([topic]))[0]!.stable === 7, 'the marker is written');
    expect(await look()).toEqual({ lagRecords: 7, eventTimeLagSeconds: 7 });
    await producer.disconnect();
    await log.close();
  });
});
