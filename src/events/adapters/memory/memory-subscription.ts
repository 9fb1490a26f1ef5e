import type { Clock } from '../../../kernel/clock';
import { SUBSCRIBE_DEFAULTS, type Delivery, type PollOptions, type SubscribeOptions, type Subscription } from '../../event-log';
import { partitionId, type Position, type TopicPartition } from '../../position';
import { SubscriptionInbox, checkPositions } from '../../subscription-inbox';
import type { MemoryPartition } from './memory-partition';

export interface MemorySource {
  readonly clock: Clock;
  readonly partition: (id: TopicPartition) => MemoryPartition;
}

export interface MemoryMembership {
  readonly leave: () => void;
  readonly commit: (positions: readonly Position[]) => void;
}

/** A membership in a group of the memory log. */
export class MemorySubscription implements Subscription {
  readonly topics: readonly string[];
  readonly #inbox: SubscriptionInbox;
  readonly #sessionTimeoutMs: number;
  #assigned: readonly TopicPartition[] | undefined;
  #dead = false;

  constructor(
    options: SubscribeOptions,
    private readonly source: MemorySource,
    private readonly membership: MemoryMembership,
  ) {
    this.topics = options.topics;
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? SUBSCRIBE_DEFAULTS.sessionTimeoutMs;
    this.#inbox = new SubscriptionInbox({
      clock: source.clock,
      limits: {
        maxQueuedRecords: options.maxQueuedRecords ?? SUBSCRIBE_DEFAULTS.maxQueuedRecords,
        maxQueuedBytes: options.maxQueuedBytes ?? SUBSCRIBE_DEFAULTS.maxQueuedBytes,
      },
      positions: options.positions,
      verify: async (positions) =>
        checkPositions(
          positions,
          positions.map((position) => source.partition(position).head),
        ),
      onRoom: () => this.fetch(),
    });
  }

  async poll(options: PollOptions): Promise<Delivery> {
    return this.#inbox.poll(options);
  }

  drop(partitions: readonly TopicPartition[]): void {
    this.#inbox.drop(partitions);
  }

  restart(): void {
    if (this.#assigned !== undefined && !this.#dead) {
      void this.#inbox.assign(this.#assigned);
    }
  }

  async commit(positions: readonly Position[]): Promise<void> {
    this.membership.commit(positions);
  }

  async close(): Promise<void> {
    this.#dead = true;
    this.#inbox.close();
    this.membership.leave();
  }

  /** What is held, for tests of the limits. */
  held(): { readonly records: number; readonly bytes: number; readonly mostRecords: number } {
    return this.#inbox.queues.held();
  }

  /** Dies without leaving, as a killed process does: the others take over after the session's time. */
  die(): void {
    this.#dead = true;
    this.#inbox.close();
    void this.source.clock.sleep(this.#sessionTimeoutMs).then(() => this.membership.leave());
  }

  /** @internal called by the group; the same partitions again are no new assignment */
  assign(partitions: readonly TopicPartition[]): void {
    const same = this.#assigned?.map(partitionId).join() === partitions.map(partitionId).join();
    if (!same && !this.#dead) {
      this.#assigned = partitions;
      void this.#inbox.assign(partitions);
    }
  }

  /** @internal fills the queues up to their limits */
  fetch(): void {
    const { queues } = this.#inbox;
    let fetched = false;
    for (const id of queues.partitions) {
      const from = queues.next(id)!;
      const partition = this.source.partition(id);
      if (from >= partition.head.stable || !queues.wantsMore(id)) {
        continue;
      }
      if (from < partition.head.start) {
        this.#failTruncated(id, from, partition);
        return;
      }
      const { records, bytes } = queues.room(id);
      queues.offer(partition.read(from, Math.max(1, records), Math.max(1, bytes)));
      fetched = true;
    }
    if (fetched) {
      this.#inbox.wake();
    }
  }

  #failTruncated(id: TopicPartition, offset: number, partition: MemoryPartition): void {
    try {
      checkPositions([{ ...id, offset }], [partition.head]);
    } catch (error) {
      this.#inbox.fail(error);
    }
  }
}
