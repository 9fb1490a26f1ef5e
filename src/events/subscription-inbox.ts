import type { Clock } from '../kernel/clock';
import { RefoldError } from '../kernel/errors';
import type { Assignment, Delivery, PartitionHead, PollOptions, SubscribeOptions } from './event-log';
import { FetchQueues, type QueueLimits } from './fetch-queues';
import { comparePartitions, partitionId, type PartitionId, type Position, type TopicPartition } from './position';

/** Refuses positions that the log does not hold (any more). @throws RefoldError `log.truncated`, `log.unknown-partition` */
export const checkPositions = (positions: readonly Position[], heads: readonly PartitionHead[]): void => {
  const byId = new Map(heads.map((head) => [partitionId(head), head]));
  for (const { topic, partition, offset } of positions) {
    const head = byId.get(partitionId({ topic, partition }));
    if (head === undefined) {
      throw new RefoldError('log.unknown-partition', 'a position names a partition that the log does not have', { facts: { topic, partition, offset } });
    }
    if (offset < head.start || offset > head.stable) {
      const facts = { topic, partition, offset, start: head.start, stable: head.stable };
      throw new RefoldError('log.truncated', 'a position lies outside of what the log holds', { facts });
    }
  }
};

export interface InboxOptions {
  readonly clock: Clock;
  readonly limits: QueueLimits;
  readonly positions: SubscribeOptions['positions'];
  /** Compares the positions asked for with the log. @throws RefoldError `log.truncated`, … */
  readonly verify: (positions: readonly Position[]) => Promise<void>;
  /** Called after records were taken or partitions dropped: there may be room again. */
  readonly onRoom: () => void;
}

/**
 * The half of a subscription that all adapters share: assignments, the positions asked for, the queues and the waiting
 * of `poll`. An adapter calls `assign` when its partitions change, fills `queues` and calls `wake` afterwards.
 */
export class SubscriptionInbox {
  readonly #options: InboxOptions;
  #current: Assignment = { number: 0, partitions: [] };
  #queues: FetchQueues;
  /** Number of the newest assignment, whether its positions are known already or not. */
  #newest = 0;
  #delivered = 0;
  #asking: Promise<unknown> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  #closed = false;
  #polling = false;
  #wakeUp: (() => void) | undefined;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#queues = this.#noQueues();
  }

  /** The queues of the newest assignment; they read nothing while its positions are being asked for. */
  get queues(): FetchQueues {
    return this.#queues;
  }

  /** What is assigned now, also while positions are being asked for. */
  get current(): Assignment {
    return this.#current;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Begins a new assignment: what was fetched is gone at once; then the positions are asked for and compared with the log.
   * Answers the new queues, or nothing if a newer assignment came meanwhile, or it failed (then `poll` rejects).
   */
  assign(partitions: readonly TopicPartition[]): Promise<FetchQueues | undefined> {
    this.#newest += 1;
    const assignment: Assignment = { number: this.#newest, partitions: [...partitions].sort(comparePartitions) };
    this.#queues = this.#noQueues();
    const asked = this.#asking.then(() => this.#ask(assignment));
    this.#asking = asked;
    return asked;
  }

  /** Whether no newer assignment has begun. */
  isNewest(assignment: number): boolean {
    return assignment === this.#newest;
  }

  /** Throws away what was fetched; nothing is delivered until the next assignment. */
  discard(): void {
    this.#queues = this.#noQueues();
  }

  /** Resolves when no positions are being asked for any more. */
  async settled(): Promise<void> {
    await this.#asking;
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#queues = this.#noQueues();
    this.wake();
  }

  /** To be called after something was offered to the queues. */
  wake(): void {
    this.#wakeUp?.();
  }

  /** A waiting `poll` returns; later ones reject. */
  close(): void {
    this.#closed = true;
    this.#newest += 1; // positions that are being asked for come too late
    this.#queues = this.#noQueues();
    this.wake();
  }

  drop(partitions: readonly TopicPartition[]): void {
    if (this.#delivered === this.#newest) {
      this.#queues.drop(partitions); // else the caller speaks of an assignment that is over
      this.#options.onRoom();
    }
  }

  async poll({ maxRecords, waitMs, signal, except }: PollOptions): Promise<Delivery> {
    if (this.#polling) {
      throw new RefoldError('internal.invariant', 'poll was called while another poll of this subscription waits');
    }
    if (this.#closed) {
      throw new RefoldError('log.consumer-crashed', 'the subscription is closed');
    }
    this.#polling = true;
    try {
      return this.#ready(maxRecords, except) ?? (await this.#waitFor(maxRecords, waitMs, signal, except));
    } finally {
      this.#polling = false;
    }
  }

  async #waitFor(maxRecords: number, waitMs: number, signal: AbortSignal | undefined, except: ReadonlySet<PartitionId> | undefined): Promise<Delivery> {
    const timer = new AbortController();
    let over = signal?.aborted === true;
    const end = (): void => {
      over = true;
      this.wake();
    };
    signal?.addEventListener('abort', end, { once: true });
    void this.#options.clock.sleep(waitMs, timer.signal).then(end);
    try {
      for (;;) {
        if (over || this.#closed) {
          return this.#ready(maxRecords, except) ?? { assignment: this.#current, batches: [] };
        }
        await new Promise<void>((resolve) => (this.#wakeUp = resolve));
        const ready = this.#ready(maxRecords, except);
        if (ready !== undefined) {
          return ready;
        }
      }
    } finally {
      this.#wakeUp = undefined;
      signal?.removeEventListener('abort', end);
      timer.abort();
    }
  }

  #ready(maxRecords: number, except: ReadonlySet<PartitionId> | undefined): Delivery | undefined {
    if (this.#failure !== undefined) {
      throw this.#failure.error;
    }
    const assignment = this.#current;
    const batches = this.#queues.take(maxRecords, except);
    if (batches.length > 0) {
      this.#options.onRoom();
    }
    if (batches.length === 0 && assignment.number === this.#delivered) {
      return undefined;
    }
    this.#delivered = assignment.number;
    return { assignment, batches };
  }

  async #ask(assignment: Assignment): Promise<FetchQueues | undefined> {
    if (assignment.number !== this.#newest || this.failed) {
      return undefined;
    }
    try {
      const asked = await this.#options.positions(assignment);
      const begin = new Map<PartitionId, number>();
      const positions: Position[] = [];
      for (const { topic, partition } of assignment.partitions) {
        const offset = asked.get(partitionId({ topic, partition }));
        if (offset !== undefined) {
          begin.set(partitionId({ topic, partition }), offset);
          positions.push({ topic, partition, offset });
        }
      }
      if (positions.length > 0 && assignment.number === this.#newest) {
        await this.#options.verify(positions);
      }
      if (assignment.number !== this.#newest || this.failed) {
        return undefined;
      }
      this.#current = assignment;
      this.#queues = new FetchQueues(assignment.partitions, begin, this.#options.limits);
    } catch (error) {
      if (assignment.number === this.#newest) {
        this.fail(error);
      }
      return undefined;
    }
    this.#options.onRoom();
    this.wake();
    return this.#queues;
  }

  #noQueues(): FetchQueues {
    return new FetchQueues([], new Map(), this.#options.limits);
  }
}
