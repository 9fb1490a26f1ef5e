import type { Kafka } from 'kafkajs';
import { RefoldError, messageOf } from '../../../kernel/errors';
import type { Logger } from '../../../kernel/logger';
import type { TopicPartition } from '../../position';
import { createCluster, type Broker, type Cluster } from './kafkajs-internals';

const READ_COMMITTED = 1;
const METADATA_MAX_AGE_MS = 30_000;

/** Finds the brokers that lead partitions, and finds them anew when they move. Not for calls at the same time: see `PartitionReader`. */
export class Leaders {
  readonly #cluster: Cluster;
  readonly #topics = new Set<string>();
  #connected: Promise<void> | undefined;
  #closed = false;

  constructor(
    kafka: Kafka,
    private readonly logger: Logger,
  ) {
    this.#cluster = createCluster(kafka, {
      metadataMaxAge: METADATA_MAX_AGE_MS,
      allowAutoTopicCreation: false,
      maxInFlightRequests: null,
      isolationLevel: READ_COMMITTED,
    });
  }

  /** Learns who leads the partitions of these topics. Errors are the library's. */
  async know(topics: readonly string[]): Promise<void> {
    if (this.#closed) {
      throw new RefoldError('log.consumer-crashed', 'the connection to the log is closed'); // else the library would open it again, for good
    }
    this.#connected ??= this.#cluster.connect();
    try {
      await this.#connected;
    } catch (error) {
      this.#connected = undefined;
      throw error;
    }
    const unknown = topics.filter((topic) => !this.#topics.has(topic));
    if (unknown.length > 0) {
      await this.#cluster.addMultipleTargetTopics(unknown);
      unknown.forEach((topic) => this.#topics.add(topic));
    }
    await this.#cluster.refreshMetadataIfNecessary();
  }

  /** The node that leads a partition of a known topic; `undefined` if the metadata does not show the partition. */
  leaderOf({ topic, partition }: TopicPartition): string | undefined {
    return Object.keys(this.#cluster.findLeaderForPartitions(topic, [partition]))[0];
  }

  broker(nodeId: string): Promise<Broker> {
    return this.#cluster.findBroker({ nodeId });
  }

  controller(): Promise<Broker> {
    return this.#cluster.findControllerBroker();
  }

  /** Leaders move and brokers restart: after an error the metadata is asked for anew. Never rejects. */
  async recover(error: unknown): Promise<void> {
    const { name, host, port } = error as { readonly name?: string; readonly host?: string; readonly port?: number };
    if (name === 'KafkaJSConnectionClosedError' && host !== undefined && port !== undefined) {
      this.#cluster.removeBroker({ host, port });
    }
    try {
      await this.#cluster.refreshMetadata();
    } catch (failure) {
      this.logger.log('debug', 'kafka: the metadata could not be refreshed', { error: messageOf(failure) });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#cluster.disconnect();
  }
}
