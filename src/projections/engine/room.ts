import { isRefoldError } from '../../kernel/errors';
import type { Clock } from '../../kernel/clock';
import { partitionId, type PartitionId, type TopicPartition } from '../../events/position';
import type { ParkedSequence } from '../parking';
import type { GenerationStore } from '../read-model-store';
import type { Failure } from './decoded';

interface Full extends TopicPartition {
  /** What is parked in it; nothing is added while it stands. */
  readonly parked: string;
}

/** Pure: what a redrive or a discard changes. */
const parkedText = (sequences: readonly ParkedSequence[], at: TopicPartition): string =>
  JSON.stringify(
    sequences
      .filter((one) => partitionId(one) === partitionId(at))
      .map(({ sequence, events }) => [sequence, events])
      .sort(),
  );

/** The partitions of one claim that stopped because nothing more could be parked: somebody may make room. */
export class Room {
  readonly #full = new Map<PartitionId, Full>();
  #lookedAt: number;

  constructor(
    private readonly store: GenerationStore,
    private readonly clock: Clock,
    private readonly everyMs: number,
  ) {
    this.#lookedAt = clock.now();
  }

  async stopped({ error, ...at }: Failure): Promise<void> {
    if (isRefoldError(error, 'parking.full')) {
      const partition = { topic: at.topic, partition: at.partition };
      this.#full.set(partitionId(partition), { ...partition, parked: parkedText(await this.store.parkedSequences([partition]), partition) });
    }
  }

  /** Whether somebody took something out of a partition that stopped, as far as it is time to look. */
  async wasMade(): Promise<boolean> {
    const now = this.clock.now();
    if (this.#full.size === 0 || now - this.#lookedAt < this.everyMs) {
      return false;
    }
    this.#lookedAt = now;
    const full = [...this.#full.values()];
    const sequences = await this.store.parkedSequences(full);
    return full.some((one) => parkedText(sequences, one) !== one.parked);
  }
}
