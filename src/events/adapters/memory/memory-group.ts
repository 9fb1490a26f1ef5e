import type { SubscribeOptions } from '../../event-log';
import { assignFairly } from '../../fair-assignment';
import { partitionId, type PartitionId, type Position, type TopicPartition } from '../../position';
import { MemorySubscription, type MemorySource } from './memory-subscription';

/** The members of one group and what they committed. Every join and every leave deals the partitions out anew. */
export class MemoryGroup {
  readonly #members = new Map<string, MemorySubscription>();
  readonly #committed = new Map<PartitionId, Position>();
  #joined = 0;

  constructor(private readonly partitionsOf: (topics: readonly string[]) => readonly TopicPartition[]) {}

  join(options: SubscribeOptions, source: MemorySource): MemorySubscription {
    this.#joined += 1;
    const id = String(this.#joined).padStart(12, '0');
    const member = new MemorySubscription(options, source, {
      leave: () => {
        if (this.#members.delete(id)) {
          this.deal();
        }
      },
      commit: (positions) => {
        for (const position of positions) {
          this.#committed.set(partitionId(position), position);
        }
      },
    });
    this.#members.set(id, member);
    this.deal();
    return member;
  }

  /** Members that read one of the topics. */
  size(topics: readonly string[]): number {
    return [...this.#members.values()].filter((member) => member.topics.some((topic) => topics.includes(topic))).length;
  }

  committed(): readonly Position[] {
    return [...this.#committed.values()];
  }

  fetch(): void {
    for (const member of this.#members.values()) {
      member.fetch();
    }
  }

  async close(): Promise<void> {
    const members = [...this.#members.values()];
    this.#members.clear();
    await Promise.all(members.map((member) => member.close()));
  }

  /** Who reads which partition of those there are now. */
  deal(): void {
    const members = [...this.#members].map(([id, member]) => ({ id, topics: member.topics }));
    const owners = assignFairly(members, this.partitionsOf([...new Set(members.flatMap(({ topics }) => topics))]));
    for (const [id, member] of this.#members) {
      member.assign([...owners].flatMap(([partition, owner]) => (owner === id ? [partition] : [])));
    }
  }
}
