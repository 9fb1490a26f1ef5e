import type { Consumer, Kafka } from 'kafkajs';
import type { Clock } from '../../../kernel/clock';
import { errorFacts } from '../../../kernel/errors';
import type { Logger } from '../../../kernel/logger';
import { comparePartitions, partitionId, type PartitionId, type Position, type TopicPartition } from '../../position';
import { PATIENT, asLogError, isRetriable, protocolError } from './client';

export interface GroupMembershipOptions {
  readonly kafka: Kafka;
  readonly brokers: readonly string[];
  readonly group: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  /** Partitions that were added to a topic are noticed within this time. */
  readonly metadataMaxAgeMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onAssigned: (partitions: readonly TopicPartition[]) => void;
  readonly onCrashed: (error: Error) => void;
  /** The coordinator answered. */
  readonly onHeard: () => void;
}

/** The group moved on meanwhile: there will be a new assignment, and whoever reads next commits again. */
const SUPERSEDED = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']);
/** How long leaving may take before it is given up; then the session times out instead. */
export const LEAVE_MS = 5_000;
const TICK_MS = 100;
const LONGEST_BEAT_MS = 500;

/**
 * A membership by Kafka's group protocol. The library's consumer is used for nothing else: all its partitions are paused,
 * so its loop only sends heartbeats and joins again when the group changes, however long a store takes.
 */
export class GroupMembership {
  readonly #consumer: Consumer;
  #assigned: ReadonlySet<PartitionId> = new Set();

  constructor(private readonly options: GroupMembershipOptions) {
    const { kafka, group, sessionTimeoutMs, metadataMaxAgeMs } = options;
    this.#consumer = kafka.consumer({
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: Math.max(sessionTimeoutMs, 10_000),
      heartbeatInterval: Math.min(LONGEST_BEAT_MS, Math.floor(sessionTimeoutMs / 4)), // a change of the group is heard of by heartbeats
      maxWaitTimeInMs: TICK_MS,
      metadataMaxAge: metadataMaxAgeMs,
      allowAutoTopicCreation: false,
      retry: PATIENT,
    });
  }

  /** Resolves when the group was joined. Errors are the library's. */
  async join(): Promise<void> {
    const consumer = this.#consumer;
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      const assigned = Object.entries(payload.memberAssignment).map(([topic, partitions]) => ({ topic, partitions }));
      consumer.pause(assigned); // before the library's first fetch, which follows this event
      const all = assigned.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition }))).sort(comparePartitions);
      this.#assigned = new Set(all.map(partitionId));
      this.options.onAssigned(all);
      this.options.onHeard();
    });
    consumer.on(consumer.events.HEARTBEAT, () => this.options.onHeard());
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) {
        const code = isRetriable(payload.error) ? 'log.unreachable' : 'log.consumer-crashed';
        this.options.onCrashed(asLogError(payload.error, this.options.brokers, code));
      }
    });
    await consumer.connect();
    await consumer.subscribe({ topics: [...this.options.topics], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: async () => undefined });
  }

  /** What belongs to others by now is left out: they are further. @throws RefoldError `log.unreachable` */
  async commit(positions: readonly Position[]): Promise<void> {
    const own = positions.filter((position) => this.#assigned.has(partitionId(position)));
    if (own.length === 0) {
      return;
    }
    try {
      await this.#consumer.commitOffsets(own.map(({ topic, partition, offset }) => ({ topic, partition, offset: String(offset) })));
    } catch (error) {
      if (!SUPERSEDED.has(protocolError(error) ?? '')) {
        throw asLogError(error, this.options.brokers);
      }
      this.options.logger.log('debug', 'kafka: the group changed while offsets were committed', { group: this.options.group });
    }
  }

  async leave(): Promise<void> {
    const timer = new AbortController();
    try {
      await Promise.race([this.#consumer.disconnect(), this.options.clock.sleep(LEAVE_MS, timer.signal)]);
    } catch (error) {
      this.options.logger.log('warn', 'could not leave the group; its members wait for the session to time out', errorFacts(error));
    } finally {
      timer.abort();
    }
  }
}
