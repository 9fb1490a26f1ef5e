import { partitionId, type PartitionId, type TopicPartition } from '../../../events/position';
import type { ClaimedPartition, Intent } from '../../checkpoint-control';
import type { NamedColumn } from '../../read-model';
import type { Advance } from '../../read-model-store';
import type { Written } from './batch-rows';
import { Sums } from './sums';

/** What its owner knows of a partition. */
export interface Claim {
  readonly epoch: number;
  next: number;
  /** Left by an earlier owner, and not settled yet. */
  intent: Intent | undefined;
  /** Of partials alone. */
  readonly sums: Sums;
}

/** What the sums of all partitions claimed may take in memory, in bytes. */
const SUMS_BYTES = 16 * 1024 * 1024;

/** What one owner knows of its partitions of a generation. */
export class Claims {
  readonly #claims = new Map<PartitionId, Claim>();

  constructor(private readonly columns: readonly NamedColumn[]) {}

  get(id: PartitionId): Claim | undefined {
    return this.#claims.get(id);
  }

  add(partition: TopicPartition, { epoch, next, intent }: Omit<Claim, 'sums'>): Claim {
    const claim = { epoch, next, intent, sums: new Sums(this.columns) };
    this.#claims.set(partitionId(partition), claim);
    return claim;
  }

  /** No batch there will be taken from here on. */
  giveUp(partition: TopicPartition): void {
    this.#claims.delete(partitionId(partition));
  }

  /** Those that are not claimed under their epoch any more. */
  stale(advances: readonly Advance[]): readonly Advance[] {
    return advances.filter((advance) => this.#claims.get(partitionId(advance))?.epoch !== advance.epoch);
  }

  /** Under which epoch each partition is written: that of an intent that is to be settled, else that of the batch. */
  epochs(advances: readonly Advance[]): ReadonlyMap<PartitionId, number> {
    return new Map(advances.map((advance) => [partitionId(advance), this.#claims.get(partitionId(advance))!.intent?.advance.epoch ?? advance.epoch]));
  }

  moved(advances: readonly Advance[]): void {
    for (const advance of advances) {
      const claim = this.#claims.get(partitionId(advance));
      if (claim?.epoch === advance.epoch) {
        claim.next = advance.next;
        claim.intent = undefined;
      }
    }
  }

  /** Keeps the sums of partitions that are ours still. */
  remember(advances: readonly Advance[], written: Written): void {
    for (const advance of advances) {
      const claim = this.#claims.get(partitionId(advance));
      if (claim?.epoch === advance.epoch) {
        written.addedTo(advance).forEach((values, id) => {
          claim.sums.set(id, values);
        });
        claim.sums.trim(SUMS_BYTES / this.#claims.size);
      }
    }
  }

  /** Claimed by another since: what we know of an intent there is settled by that one, and no batch of ours may be taken for it. */
  lost(partitions: readonly ClaimedPartition[]): void {
    for (const partition of partitions) {
      if (this.#claims.get(partitionId(partition))?.epoch === partition.epoch) {
        this.giveUp(partition);
      }
    }
  }
}
