import { systemClock, type Clock } from '../../../kernel/clock';
import { RefoldError } from '../../../kernel/errors';
import type { EventLog, LogBatch, NewRecord, PartitionHead, SubscribeOptions } from '../../event-log';
import { groupByPartition } from '../../new-records';
import { comparePartitions, partitionId, type Position, type TopicPartition } from '../../position';
import { checkPositions } from '../../subscription-inbox';
import { MemoryPartition } from './memory-partition';
import { MemoryGroup } from './memory-group';
import type { MemorySubscription } from './memory-subscription';
import { MemoryTopics, type MemoryTopic } from './memory-topics';
import type { TopicAdmin, TopicSpec } from '../../topic';

export interface MemoryEventLogOptions {
  /** @defaultValue the system's clock */
  readonly clock?: Clock;
}

/** An event log that lives and dies with the process: for tests, and for trying things out. */
export class MemoryEventLog implements EventLog {
  readonly kind = 'memory';
  readonly #clock: Clock;
  readonly #topics = new Map<string, MemoryTopic>();
  readonly #groups = new Map<string, MemoryGroup>();
  readonly topicAdmin: TopicAdmin = new MemoryTopics(this.#topics, this.#groups);
  #closed = false;

  constructor(options: MemoryEventLogOptions = {}) {
    this.#clock = options.clock ?? systemClock;
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    this.#ensureOpen();
    for (const { topic, partitions, settings } of specs) {
      const existing = this.#topics.get(topic);
      if (existing === undefined) {
        this.#topics.set(topic, {
          partitions: Array.from({ length: partitions }, (_, partition) => new MemoryPartition({ topic, partition })),
          retentionMs: settings?.retentionMs ?? null,
        });
      } else if (existing.partitions.length !== partitions) {
        const found = existing.partitions.length;
        throw new RefoldError('log.topic-mismatch', `topic ${topic} has ${found} partitions, not ${partitions}`, {
          facts: { topic, declared: partitions, found },
        });
      }
    }
  }

  /** Adds partitions to a topic, as whoever runs a broker does. */
  grow(topic: string, partitions: number): void {
    const existing = this.#topics.get(topic)!;
    const added = Array.from(
      { length: partitions - existing.partitions.length },
      (_, i) => new MemoryPartition({ topic, partition: existing.partitions.length + i }),
    );
    this.#topics.set(topic, { ...existing, partitions: [...existing.partitions, ...added] });
    this.#groups.forEach((group) => {
      group.deal();
    });
  }

  async partitions(topics: readonly string[]): Promise<readonly TopicPartition[]> {
    return this.#partitionsOf(topics).map(({ id }) => id);
  }

  async append(records: readonly NewRecord[]): Promise<readonly Position[]> {
    this.#ensureOpen();
    const positions: Position[] = new Array<Position>(records.length);
    for (const group of groupByPartition(records, (topic) => this.#topics.get(topic)?.partitions.length)) {
      const partition = this.#partition(group);
      group.records.forEach((record, i) => (positions[group.indexes[i]!] = partition.append(record, this.#clock.now())));
    }
    this.#wake();
    return positions;
  }

  async subscribe(options: SubscribeOptions): Promise<MemorySubscription> {
    this.#ensureOpen();
    this.#partitionsOf(options.topics);
    let group = this.#groups.get(options.group);
    if (group === undefined) {
      group = new MemoryGroup((topics) => this.#partitionsOf(topics).map(({ id }) => id));
      this.#groups.set(options.group, group);
    }
    return group.join(options, { clock: this.#clock, partition: (id) => this.#partition(id) });
  }

  async read(from: Position, options: { readonly maxRecords: number }): Promise<LogBatch> {
    this.#ensureOpen();
    const partition = this.#partition(from);
    checkPositions([from], [partition.head]);
    return partition.read(from.offset, options.maxRecords);
  }

  async heads(topics: readonly string[]): Promise<readonly PartitionHead[]> {
    return this.#partitionsOf(topics).map(({ head }) => head);
  }

  async offsetsForTime(topic: string, timestampMs: number): Promise<readonly Position[]> {
    return this.#partitionsOf([topic]).map((partition) => ({ ...partition.id, offset: partition.offsetForTime(timestampMs) }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#groups.values()].map((group) => group.close()));
  }

  /** What a group committed, as an outside tool would see it. */
  committed(group: string): readonly Position[] {
    return this.#groups.get(group)?.committed() ?? [];
  }

  /** Leaves `count` offsets without records at the end of a partition, as transaction markers do. */
  skipOffsets(partition: TopicPartition, count: number): void {
    this.#partition(partition).skip(count);
    this.#wake();
  }

  /** Forgets what lies below the position, as retention does. */
  truncateBefore(position: Position): void {
    this.#partition(position).truncateBefore(position.offset);
  }

  #wake(): void {
    for (const group of this.#groups.values()) {
      group.fetch();
    }
  }

  #partitionsOf(topics: readonly string[]): MemoryPartition[] {
    this.#ensureOpen();
    return [...new Set(topics)]
      .flatMap((topic) => {
        const partitions = this.#topics.get(topic)?.partitions;
        if (partitions === undefined) {
          throw new RefoldError('log.unknown-topic', `there is no topic ${topic}`, { facts: { topic } });
        }
        return partitions;
      })
      .sort((a, b) => comparePartitions(a.id, b.id));
  }

  #partition({ topic, partition }: TopicPartition): MemoryPartition {
    const found = this.#topics.get(topic)?.partitions[partition];
    if (found === undefined) {
      throw new RefoldError('log.unknown-partition', `there is no partition ${partitionId({ topic, partition })}`, { facts: { topic, partition } });
    }
    return found;
  }

  #ensureOpen(): void {
    if (this.#closed) {
      throw new RefoldError('log.unreachable', 'the memory log is closed');
    }
  }
}
