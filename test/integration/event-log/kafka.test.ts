import net from 'node:net';
import type { ISocketFactory } from 'kafkajs';
import { Kafka, logLevel } from 'kafkajs';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';
import type { KafkaSubscription } from '../../../src/events/adapters/kafka/kafka-subscription';
import type { Assignment, Subscription } from '../../../src/events/event-log';
import { partitionId } from '../../../src/events/position';
import { until } from '../../support/harness';
import { eventLogSuite } from '../../conformance/event-log.suite';
import { describeWithKafka, kafkaBrokers } from '../../support/services';

/** A network that can be cut: to the broker the process behind it is dead. */
class Network {
  readonly #sockets = new Set<net.Socket>();
  #isCut = false;

  readonly socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    const socket = this.#isCut ? net.connect({ host: '127.0.0.1', port: 1 }, onConnect) : net.connect({ host, port }, onConnect);
    this.#sockets.add(socket);
    return socket;
  };

  cut(): void {
    this.#isCut = true;
    this.#sockets.forEach((socket) => socket.destroy());
  }
}

describeWithKafka('the Kafka log', () => {
  eventLogSuite(async () => {
    const brokers = await kafkaBrokers();
    const admin = new Kafka({ brokers, clientId: 'suite-admin', logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const observer = new KafkaEventLog({ brokers, clientId: 'suite-observer' });
    const networks = new Map<Subscription, Network>();
    return {
      open: async () => {
        const network = new Network();
        const log = new KafkaEventLog({ brokers, clientId: 'suite', socketFactory: network.socketFactory });
        const subscribe = log.subscribe.bind(log);
        log.subscribe = async (options) => {
          const subscription = await subscribe(options);
          networks.set(subscription, network);
          return subscription;
        };
        return log;
      },
      truncateBefore: async ({ topic, partition, offset }) => {
        await admin.fetchTopicOffsets(topic); // makes the client know the topic
        await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] });
      },
      committed: (group, topic) => observer.committed(group, [topic]),
      die: async (subscription) => networks.get(subscription)?.cut(),
      mostHeld: (subscription) => (subscription as KafkaSubscription).held().mostRecords,
      overshoot: 0,
      release: async () => {
        await observer.close();
        await admin.disconnect();
      },
    };
  });

  it('a member that lost its partitions claims none of them again, however often it is fenced', async () => {
    const brokers = await kafkaBrokers();
    const topic = `fenced-${String(Date.now())}`;
    const network = new Network();
    const logs = [{ socketFactory: network.socketFactory }, {}].map((own) => new KafkaEventLog({ brokers, clientId: 'fenced', ...own }));
    await logs[0]!.createTopics([{ topic, partitions: 2 }]);
    const asked: { readonly who: number; readonly assignment: Assignment }[] = [];
    const join = (who: number): Promise<Subscription> =>
      logs[who]!.subscribe({
        group: `g-${topic}`,
        topics: [topic],
        sessionTimeoutMs: 3_000,
        positions: (assignment) => {
          asked.push({ who, assignment });
          return Promise.resolve(new Map(assignment.partitions.map((one) => [partitionId(one), 0])));
        },
      });
    const sizesOf = (who: number): readonly number[] => asked.filter((one) => one.who === who).map(({ assignment }) => assignment.partitions.length);
    try {
      const one = await join(0);
      const current = async (): Promise<Assignment> => (await one.poll({ maxRecords: 1, waitMs: 50 })).assignment;
      await until(async () => (await current()).partitions.length === 2, 'one has both partitions');
      const { number } = await current();
      network.cut();
      await join(1);
      await until(() => sizesOf(1).includes(2), 'two has both partitions');
      one.restart(number); // what a commit that is fenced asks for
      expect((await one.poll({ maxRecords: 1, waitMs: 500 })).batches).toEqual([]);
      expect(sizesOf(0).filter((partitions) => partitions === 2)).toHaveLength(1);
    } finally {
      await Promise.all(logs.map((log) => log.close()));
    }
  });
});
