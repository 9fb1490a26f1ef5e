import type { Kafka } from 'kafkajs';
import { RefoldError } from '../../../kernel/errors';
import { groupBy } from '../../../kernel/groups';
import type { Logger } from '../../../kernel/logger';
import { partitionId, type PartitionId, type Position } from '../../position';
import { readBatches } from './batch-reader';
import { protocolError } from './client';
import { fetchFrom } from './fetch';
import { unreadableAt, type FetchedPartition } from './fetched';
import { Leaders } from './leaders';
import { protocolErrorOf } from './protocol-errors';

const LIMITS = { partitionBytes: 1024 * 1024, answerBytes: 10 * 1024 * 1024 };

/** A position lies outside of the log, says the broker. */
export const isOutOfRange = (error: unknown): boolean => protocolError(error) === 'OFFSET_OUT_OF_RANGE';

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
  fetch(positions: readonly Position[], maxWaitMs: number): Promise<ReadonlyMap<PartitionId, FetchedPartition>> {
    const answer = this.#turn.then(() => this.#fetch(positions, maxWaitMs));
    this.#turn = answer.catch(() => undefined); // its caller hears of the failure
    return answer;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#leaders.close();
  }

  async #fetch(positions: readonly Position[], maxWaitMs: number): Promise<ReadonlyMap<PartitionId, FetchedPartition>> {
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

  async #fetchFrom(nodeId: string, positions: readonly Position[], maxWaitMs: number): Promise<(readonly [PartitionId, FetchedPartition])[]> {
    const offsets = new Map(positions.map((position) => [partitionId(position), position.offset]));
    const answers = await fetchFrom(await this.#leaders.broker(nodeId), positions, { maxWaitMs, ...LIMITS });
    const failed = answers.find(({ errorCode }) => errorCode !== 0);
    if (failed !== undefined) {
      throw protocolErrorOf(failed.errorCode);
    }
    return Promise.all(
      answers.map(async ({ topic, partition, aborted, batches: bytes }) => {
        const id = partitionId({ topic, partition });
        const { batches, fault } = await readBatches(bytes);
        if (fault !== undefined && batches.length === 0) {
          throw unreadableAt({ topic, partition }, offsets.get(id)!, fault);
        }
        return [id, { batches, aborted }] as const; // a fault behind them is met again by the next fetch
      }),
    );
  }
}
