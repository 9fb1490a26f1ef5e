import type { Kafka } from 'kafkajs';
import { RefoldError } from '../../../kernel/errors';
import { groupBy } from '../../../kernel/groups';
import type { Logger } from '../../../kernel/logger';
import { partitionId, type Position } from '../../position';
import { Leaders, READ_COMMITTED } from './leaders';
import { asUnreadable } from './codecs';
import type { FetchedPartition } from './fetched';

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
  readonly #leaders: Leaders;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(kafka: Kafka, logger: Logger) {
    this.#leaders = new Leaders(kafka, logger);
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
    await this.#leaders.close();
  }

  async #fetch(positions: readonly Position[], maxWaitMs: number): Promise<ReadonlyMap<string, FetchedPartition>> {
    try {
      await this.#leaders.know([...new Set(positions.map(({ topic }) => topic))]);
      const answers = await Promise.all([...this.#byLeader(positions)].map(([nodeId, own]) => this.#fetchFrom(nodeId, own, maxWaitMs)));
      return new Map(answers.flat());
    } catch (error) {
      if (!isOutOfRange(error)) {
        await this.#leaders.recover(error);
      }
      throw error;
    }
  }

  #byLeader(positions: readonly Position[]): Map<string, Position[]> {
    return groupBy(positions, (position) => {
      const nodeId = this.#leaders.leaderOf(position);
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
    const broker = await this.#leaders.broker(nodeId);
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
}
