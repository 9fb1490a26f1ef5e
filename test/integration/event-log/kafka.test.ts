import net from 'node:net';
import type { ISocketFactory } from 'kafkajs';
import { Kafka, logLevel } from 'kafkajs';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';
import type { KafkaSubscription } from '../../../src/events/adapters/kafka/kafka-subscription';
import type { Subscription } from '../../../src/events/event-log';
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
});
