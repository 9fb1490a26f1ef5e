import { partitionId, type PartitionId, type Position } from '../events/position';
import { generationLabel, type Generation } from '../projections/generations';

/** What a worker follows: a generation, or a reactor by its name. */
export type Followed = { readonly kind: 'generation'; readonly generation: Generation } | { readonly kind: 'reactor'; readonly reactor: string };

/** For people. */
export const followedLabel = (followed: Followed): string =>
  followed.kind === 'generation' ? generationLabel(followed.generation) : `reactor ${followed.reactor}`;

/** A partition that stands still, and why. */
export interface StoppedAt extends Position {
  readonly code: string;
}

/** How one runner of this worker stands. */
export interface Standing {
  readonly followed: Followed;
  /** When its log was last heard of; `undefined` where the log holds no connection of its own. */
  readonly heardAt: number | undefined;
  readonly topics: readonly string[];
  /** The next offset of each partition that it was assigned; `undefined` before its first assignment. */
  readonly next: ReadonlyMap<PartitionId, number> | undefined;
  readonly stopped: readonly StoppedAt[];
  /** Code of the error that ended it: it waits to be started again, or was given up. */
  readonly failedWith: string | undefined;
}

/** What one runner told of itself. */
export class Progress {
  #next: Map<PartitionId, number> | undefined;
  readonly #stopped = new Map<PartitionId, StoppedAt>();
  failedWith: string | undefined;

  assigned(next: ReadonlyMap<PartitionId, number>): void {
    this.#next = new Map(next);
    this.#stopped.clear();
  }

  /** A position that is not assigned any more says nothing. */
  moved({ topic, partition, next }: Omit<Position, 'offset'> & { readonly next: number }): void {
    const id = partitionId({ topic, partition });
    if (this.#next?.has(id) === true) {
      this.#next.set(id, next);
    }
  }

  stopped({ topic, partition, offset, code }: StoppedAt): void {
    this.#stopped.set(partitionId({ topic, partition }), { topic, partition, offset, code });
  }

  /** The partitions that are assigned. */
  partitions(): readonly PartitionId[] {
    return [...(this.#next?.keys() ?? [])];
  }

  standing(): Pick<Standing, 'next' | 'stopped' | 'failedWith'> {
    return { next: this.#next, stopped: [...this.#stopped.values()], failedWith: this.failedWith };
  }
}
