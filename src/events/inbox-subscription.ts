import type { Clock } from '../kernel/clock';
import { SUBSCRIBE_DEFAULTS, type Delivery, type PollOptions, type SubscribeOptions, type Subscription } from './event-log';
import type { Position, TopicPartition } from './position';
import { SubscriptionInbox } from './subscription-inbox';

/** What callers see of a subscription over an inbox; an adapter adds the membership in its group and the fetching. */
export abstract class InboxSubscription implements Subscription {
  protected readonly inbox: SubscriptionInbox;
  #assigned: readonly TopicPartition[] | undefined;
  #stopped = false;

  protected constructor(options: SubscribeOptions, clock: Clock) {
    this.inbox = new SubscriptionInbox({
      clock,
      limits: {
        maxQueuedRecords: options.maxQueuedRecords ?? SUBSCRIBE_DEFAULTS.maxQueuedRecords,
        maxQueuedBytes: options.maxQueuedBytes ?? SUBSCRIBE_DEFAULTS.maxQueuedBytes,
      },
      positions: options.positions,
      verify: (positions) => this.verify(positions),
      onRoom: () => this.onRoom(),
    });
  }

  poll(options: PollOptions): Promise<Delivery> {
    return this.inbox.poll(options);
  }

  drop(partitions: readonly TopicPartition[]): void {
    this.inbox.drop(partitions);
  }

  restart(assignment: number): void {
    if (!this.inbox.isNewest(assignment)) {
      return;
    }
    this.inbox.discard();
    void this.confirmed().then(() => {
      if (this.inbox.isNewest(assignment) && this.#assigned !== undefined) {
        this.assigned(this.#assigned);
      }
    });
  }

  abstract commit(positions: readonly Position[]): Promise<void>;

  abstract close(): Promise<void>;

  /** What is held, for tests of the limits. */
  held(): { readonly records: number; readonly bytes: number; readonly mostRecords: number } {
    return this.inbox.queues.held();
  }

  /** Resolves when the group has said, from now on, that this member has what is assigned to it; never rejects. */
  protected abstract confirmed(): Promise<void>;

  /** Compares positions asked for with the log. @throws RefoldError `log.truncated`, … */
  protected abstract verify(positions: readonly Position[]): Promise<void>;

  /** There may be room in the queues again. */
  protected abstract onRoom(): void;

  protected get stopped(): boolean {
    return this.#stopped;
  }

  /** Begins a new assignment, unless this subscription has stopped. */
  protected assigned(partitions: readonly TopicPartition[]): void {
    if (!this.#stopped) {
      this.#assigned = partitions;
      void this.inbox.assign(partitions); // never rejects: a failure is what `poll` rejects with
    }
  }

  /** Nothing is assigned or delivered any more. */
  protected stop(): void {
    this.#stopped = true;
    this.inbox.close();
  }
}
