import type { DependencyContainer } from 'tsyringe';
import { RefoldError, isRefoldError } from '../kernel/errors';
import { retry } from '../kernel/retry';
import type { TopicPartition } from '../events/position';
import type { AcceptedGrowth, StreamTimeFrom } from '../projections/partition-decisions';
import { OPERATOR, TOKENS } from './container';

export type { AcceptedGrowth, StreamTimeFrom };

export interface PartitionDecision {
  /** Why; kept for good. */
  readonly reason: string;
  /** @defaultValue user and host of this process */
  readonly by?: string | undefined;
}

/** What is decided about partitions of a connected application: every generation obeys it, live and in a replay. */
export interface Partitions {
  /**
   * Takes the partitions that a topic has got: rows that are folded by key, which stop until then, go on. What lies in the other
   * partitions now is folded before anything that comes later, because keys may have moved.
   * @throws RefoldError `partitions.nothing-added`, `partitions.passed`, `log.unknown-topic`, `config.invalid` without a reason
   */
  accept(topic: string, decision: PartitionDecision): Promise<AcceptedGrowth>;
  /**
   * Says that the stream time of a partition is at least `to` from the end of the log on, so that windows close although nothing comes.
   * @throws RefoldError `log.unknown-partition`, `log.unknown-topic`, `config.invalid` without a reason, and for a time that is yet to come
   */
  advance(partition: TopicPartition, to: Date, decision: PartitionDecision): Promise<StreamTimeFrom>;
}

const requireReason = (reason: string, by: string): void => {
  if (reason.trim() === '' || by.trim() === '') {
    throw new RefoldError('config.invalid', 'a decision about partitions needs a reason and somebody who decides it');
  }
};

/** The partitions of a connected application. */
export const partitionsOf = (container: DependencyContainer, ready: () => Promise<void>): Partitions => {
  const clock = container.resolve(TOKENS.clock);
  const decided = async <T>(decide: () => Promise<T>): Promise<T> => {
    await ready();
    return retry(decide, { attempts: 20, initialMs: 20, maxMs: 500, retryable: (error) => isRefoldError(error, 'store.conflict'), clock });
  };
  const headsOf = (topic: string) => () => container.resolve(TOKENS.log).heads([topic]);
  return {
    accept: (topic, { reason, by = OPERATOR }) =>
      decided(async () => {
        requireReason(reason, by);
        return container.resolve(TOKENS.partitionDecisions).accept({ topic, reason, by, heads: headsOf(topic) });
      }),
    advance: ({ topic, partition }, to, { reason, by = OPERATOR }) =>
      decided(async () => {
        requireReason(reason, by);
        const streamTime = to.getTime();
        if (!(streamTime <= clock.now())) {
          throw new RefoldError('config.invalid', 'the stream time of a partition cannot be advanced to a time that is yet to come');
        }
        return container.resolve(TOKENS.partitionDecisions).advance({ topic, partition, streamTime, reason, by, heads: headsOf(topic) });
      }),
  };
};
