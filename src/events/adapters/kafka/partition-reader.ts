import type { Kafka } from 'kafkajs';
import { RefoldError, messageOf } from '../../../kernel/errors';
import { groupBy } from '../../../kernel/groups';
import type { Logger } from '../../../kernel/logger';
import { partitionId, type Position } from '../../position';
import { asUnreadable } from './codecs';
import type { FetchedPartition } from './fetched';
import { createCluster, type Cluster } from './kafkajs-internals';

const READ_COMMITTED = 1;
const METADATA_MAX_AGE_MS = 30_000;
const PARTITION_BYTES = 1024 * 1024;
/** The broker answers at least one whole batch, however large. */
const ONE_BATCH = 1;
const ANSWER_BYTES = 10 * 1024 * 1024;

/** A position lies outside of the log, says the broker. */
export const isOutOfRange = (error: unknown): boolean => (error as { readonly name?: unknown } | null)?.name === 'KafkaJSOffsetOutOfRange';

const unreadableAt = ({ topic, partition, offset }: Position, { code, summary, facts, cause }: RefoldError): RefoldError =>
  new RefoldError(code, summary, { facts: { topic, partition, offset, ...facts }, cause });

/**
 * Fetches given partitions from given positions, without a group. The library's consumer is not used for reading: it
 * resets a position that is out of range silently, waits for its slowest partition and does not tell where a batch of
 * control records ends.
 */
export class PartitionReader {
  readonly #cluster: Cluster;
  readonly #topics = new Set<string>();
  #connected: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

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

  /**
   * What the leaders answer; waits `maxWaitMs` if there is nothing new. Errors are the library's.
   * Calls take turns: two at once make the library open connections of which it closes only one.
   */
  fetch(positions: readonly Position[], maxWaitMs: number): Promise<ReadonlyMap<string, FetchedPartition>> {
    const answer = this.#turn.then(() => this.#fetch(positions, maxWaitMs));
    this.#turn = answer.catch(() => undefined); // its caller hears of the failure
    return answer;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#cluster.disconnect();
  }

  async #fetch(positions: readonly Position[], maxWaitMs: number): Promise<ReadonlyMap<string, FetchedPartition>> {
    try {
      await this.#know([...new Set(positions.map(({ topic }) => topic))]);
      const answers = await Promise.all([...this.#byLeader(positions)].map(([nodeId, own]) => this.#fetchFrom(nodeId, own, maxWaitMs)));
      return new Map(answers.flat());
    } catch (error) {
      if (!isOutOfRange(error)) {
        await this.#recover(error);
      }
      throw error;
    }
  }

  async #know(topics: readonly string[]): Promise<void> {
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

  #byLeader(positions: readonly Position[]): Map<string, Position[]> {
    return groupBy(positions, (position) => {
      const [nodeId] = Object.keys(this.#cluster.findLeaderForPartitions(position.topic, [position.partition]));
      if (nodeId === undefined) {
        throw new RefoldError('log.unreachable', 'a partition has no leader', { facts: { topic: position.topic, partition: position.partition } });
      }
      return nodeId;
    });
  }

  async #fetchFrom(nodeId: string, positions: readonly Position[], maxWaitMs: number): Promise<(readonly [string, FetchedPartition])[]> {
    try {
      return await this.#ask(nodeId, positions, maxWaitMs, PARTITION_BYTES);
    } catch (error) {
      if (asUnreadable(error) === undefined) {
        throw error;
      }
      return this.#batchByBatch(nodeId, positions);
    }
  }

  /** One batch of each: what lies before one that cannot be read is delivered, and then the error names where it lies. */
  async #batchByBatch(nodeId: string, positions: readonly Position[]): Promise<(readonly [string, FetchedPartition])[]> {
    const answers: (readonly [string, FetchedPartition])[] = [];
    for (const { topic, partition, offset } of positions) {
      try {
        answers.push(...(await this.#ask(nodeId, [{ topic, partition, offset }], 0, ONE_BATCH)));
      } catch (error) {
        const unreadable = asUnreadable(error);
        throw unreadable === undefined ? error : unreadableAt({ topic, partition, offset }, unreadable);
      }
    }
    return answers;
  }

  async #ask(nodeId: string, positions: readonly Position[], maxWaitTime: number, maxBytes: number): Promise<(readonly [string, FetchedPartition])[]> {
    const broker = await this.#cluster.findBroker({ nodeId });
    const topics = [...new Set(positions.map(({ topic }) => topic))].map((topic) => ({
      topic,
      partitions: positions
        .filter((position) => position.topic === topic)
        .map(({ partition, offset }) => ({ partition, fetchOffset: String(offset), maxBytes })),
    }));
    const { responses } = await broker.fetch({ maxWaitTime, minBytes: 1, maxBytes: ANSWER_BYTES, isolationLevel: READ_COMMITTED, rackId: '', topics });
    return responses.flatMap(({ topicName, partitions }) =>
      partitions.map((fetched) => [partitionId({ topic: topicName, partition: fetched.partition }), fetched] as const),
    );
  }

  /** Leaders move and brokers restart: the next fetch asks anew who leads. */
  async #recover(error: unknown): Promise<void> {
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
}
