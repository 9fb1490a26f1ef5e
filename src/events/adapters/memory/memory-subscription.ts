import type { Clock } from '../../../kernel/clock';
import { SUBSCRIBE_DEFAULTS, type SubscribeOptions } from '../../event-log';
import { InboxSubscription } from '../../inbox-subscription';
import { partitionId, type Position, type TopicPartition } from '../../position';
import { checkPositions } from '../../subscription-inbox';
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
export class MemorySubscription extends InboxSubscription {
  readonly topics: readonly string[];
  readonly #sessionTimeoutMs: number;
  #assignedIds: string | undefined;

  constructor(
    options: SubscribeOptions,
    private readonly source: MemorySource,
    private readonly membership: MemoryMembership,
  ) {
    super(options, source.clock);
    this.topics = options.topics;
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? SUBSCRIBE_DEFAULTS.sessionTimeoutMs;
  }

  async commit(positions: readonly Position[]): Promise<void> {
    this.membership.commit(positions);
  }

  async close(): Promise<void> {
    this.stop();
    this.membership.leave();
  }

  /** Dies without leaving, as a killed process does: the others take over after the session's time. */
  die(): void {
    this.stop();
    void this.source.clock.sleep(this.#sessionTimeoutMs).then(() => this.membership.leave());
  }

  /** @internal called by the group; the same partitions again are no new assignment */
  assign(partitions: readonly TopicPartition[]): void {
    const ids = partitions.map(partitionId).join();
    if (ids !== this.#assignedIds) {
      this.#assignedIds = ids;
      this.assigned(partitions);
    }
  }

  /** @internal fills the queues up to their limits */
  fetch(): void {
    const { queues } = this.inbox;
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
      this.inbox.wake();
    }
  }

  /** The group tells at once when it changes. */
  protected confirmed(): Promise<void> {
    return Promise.resolve();
  }

  protected async verify(positions: readonly Position[]): Promise<void> {
    checkPositions(
      positions,
      positions.map((position) => this.source.partition(position).head),
    );
  }

  protected onRoom(): void {
    this.fetch();
  }

  #failTruncated(id: TopicPartition, offset: number, partition: MemoryPartition): void {
    try {
      checkPositions([{ ...id, offset }], [partition.head]);
    } catch (error) {
      this.inbox.fail(error);
    }
  }
}
