import type { Kafka } from 'kafkajs';
import { RefoldError, messageOf } from '../../../kernel/errors';
import type { Logger } from '../../../kernel/logger';
import type { TopicPartition } from '../../position';
import type { FetchedPartition } from './fetched';

export interface FetchRequest {
  readonly maxWaitTime: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isolationLevel: number;
  readonly rackId: string;
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly { partition: number; fetchOffset: string; maxBytes: number }[] }[];
}

export interface ProducerIdentity {
  readonly producerId: unknown;
  readonly producerEpoch: number;
}

/** A request in the protocol's words. */
export interface ProtocolRequest<Answer> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    readonly expectResponse: () => boolean;
    readonly encode: () => Promise<unknown>;
  };
  readonly response: { readonly decode: (data: Buffer) => Promise<Answer>; readonly parse: (answer: Answer) => Promise<Answer> };
}

/** The part of the library's broker that is used here. */
export interface Broker {
  fetch(request: FetchRequest): Promise<{ readonly responses: readonly { readonly topicName: string; readonly partitions: readonly FetchedPartition[] }[] }>;
  initProducerId(request: { readonly transactionTimeout: number }): Promise<ProducerIdentity>;
  readonly connectionPool: { send<Answer>(request: ProtocolRequest<Answer>): Promise<Answer> };
  disconnect(): Promise<void>;
}

/** The part of the library's cluster that is used here; it is not in its types, hence the pinned version. */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  removeBroker(address: { readonly host: string; readonly port: number }): void;
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>;
  findBroker(node: { readonly nodeId: string }): Promise<Broker>;
  findControllerBroker(): Promise<Broker>;
}

type CreateCluster = (options: { metadataMaxAge: number; allowAutoTopicCreation: boolean; maxInFlightRequests: null; isolationLevel: number }) => Cluster;

export const READ_COMMITTED = 1;
const METADATA_MAX_AGE_MS = 30_000;

const createCluster = (kafka: Kafka): Cluster => {
  const symbol = Object.getOwnPropertySymbols(kafka).find((one) => one.description === 'private:Kafka:createCluster');
  if (symbol === undefined) {
    throw new RefoldError('internal.invariant', 'this version of kafkajs is not the one that refold is built for');
  }
  const create = (kafka as unknown as Record<symbol, CreateCluster>)[symbol]!;
  return create({ metadataMaxAge: METADATA_MAX_AGE_MS, allowAutoTopicCreation: false, maxInFlightRequests: null, isolationLevel: READ_COMMITTED });
};

/** Finds the brokers that lead partitions, and finds them anew when they move. Not for calls at the same time: see `PartitionReader`. */
export class Leaders {
  readonly #cluster: Cluster;
  readonly #topics = new Set<string>();
  #connected: Promise<void> | undefined;

  constructor(
    kafka: Kafka,
    private readonly logger: Logger,
  ) {
    this.#cluster = createCluster(kafka);
  }

  /** Learns who leads the partitions of these topics. Errors are the library's. */
  async know(topics: readonly string[]): Promise<void> {
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
    await this.#cluster.disconnect();
  }
}
