import type { LogBatch } from '../../events/event-log';
import { partitionId, type PartitionId } from '../../events/position';
import type { Checkpoint } from '../generations';
import type { GenerationStore } from '../read-model-store';
import type { Failure } from './decoded';

/** How often it is asked whether a gate has opened, in milliseconds. */
const LOOK_MS = 100;

/**
 * What a claim may not fold yet, and how it becomes known that it may: then the partitions are claimed anew, because rows that
 * the others have written meanwhile must be older than whatever is written next.
 */
export class Gate {
  #lookAt = 0;
  #opened = false;
  #told = false;

  /**
   * @param limits offsets beyond which partitions are not folded
   * @param isOver whether the checkpoints of all partitions say that it has opened
   * @param unread why nothing is read at all, by partition
   */
  constructor(
    readonly limits: ReadonlyMap<PartitionId, number>,
    private readonly isOver: (checkpoints: readonly Checkpoint[]) => boolean,
    private readonly unread: readonly Failure[] = [],
  ) {}

  /** Why nothing is read, the first time it is asked for. */
  unreadOnce(): readonly Failure[] {
    const told = this.#told;
    this.#told = true;
    return told ? [] : this.unread;
  }

  /** Whether a batch goes beyond what may be folded. */
  stops(batch: Pick<LogBatch, 'topic' | 'partition' | 'next'>): boolean {
    return batch.next > (this.limits.get(partitionId(batch)) ?? Infinity);
  }

  /** True once, when it has opened. Asks the store only if something waits, and not too often. */
  async opens(store: GenerationStore, isWaiting: boolean, now: number): Promise<boolean> {
    if (this.#opened || (!isWaiting && this.unread.length === 0) || now < this.#lookAt) {
      return false;
    }
    this.#lookAt = now + LOOK_MS;
    this.#opened = this.isOver(await store.checkpoints());
    return this.#opened;
  }
}

/** Nothing is in the way. */
export const openGate = (): Gate => new Gate(new Map(), () => false);
