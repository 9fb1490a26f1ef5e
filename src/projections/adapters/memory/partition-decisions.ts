import { partitionId } from '../../../events/position';
import { FOLLOWING, generationLabel } from '../../generations';
import {
  barrierFacts,
  isMovedByGrowth,
  planAdvance,
  planGrowth,
  type AcceptedGrowth,
  type AdvanceRequest,
  type Following,
  type GrowthRequest,
  type PartitionDecisions,
  type StreamTimeFrom,
} from '../../partition-decisions';
import type { MemoryCatalog } from './control';
import type { MemoryReadModelStore } from './store';

/** Decisions about partitions in memory: for tests of application code. Between asking for the heads and recording nothing is awaited. */
export class MemoryPartitionDecisions implements PartitionDecisions {
  readonly #catalog: MemoryCatalog;
  readonly #store: MemoryReadModelStore;

  constructor(options: { readonly catalog: MemoryCatalog; readonly store: MemoryReadModelStore }) {
    this.#catalog = options.catalog;
    this.#store = options.store;
  }

  async accept({ topic, heads }: GrowthRequest): Promise<AcceptedGrowth> {
    const [there, all] = [await heads(), await this.#catalog.list()];
    const following = this.#following(topic, all);
    const { added, barrier } = planGrowth(topic, there, following);
    const moved = following.map(({ generation }) => generation).filter(isMovedByGrowth);
    const last = barrier.at(-1)!;
    this.#store.decide({ ...last, kind: 'partition-barrier', facts: barrierFacts(barrier) });
    const isAdded = new Set(added.map(partitionId));
    for (const { id } of moved) {
      this.#catalog.begin(
        id,
        barrier.filter((position) => isAdded.has(partitionId(position))),
      );
      this.#raise(id, topic);
    }
    return { added, barrier, generations: moved.map(generationLabel) };
  }

  async advance(request: AdvanceRequest): Promise<StreamTimeFrom> {
    const [there, all] = [await request.heads(), await this.#catalog.list()];
    const { topic, partition, streamTime } = request;
    const following = this.#following(topic, all);
    const from = planAdvance(request, there, following);
    this.#store.decide({ topic, partition, offset: from.offset, kind: 'idle-advance', facts: { streamTime } });
    for (const { generation } of following) {
      const rows = this.#catalog.rows(generation.id);
      const row = rows.get(partitionId(from));
      if (row?.next === from.offset) {
        rows.set(partitionId(from), { ...row, streamTime: Math.max(streamTime, row.streamTime ?? streamTime) });
      }
      this.#raise(generation.id, topic);
    }
    return from;
  }

  #following(topic: string, all: Awaited<ReturnType<MemoryCatalog['list']>>): readonly Following[] {
    return all
      .filter(({ status, topics }) => FOLLOWING.includes(status) && topics.includes(topic))
      .map((generation) => ({ generation, checkpoints: [...this.#catalog.rows(generation.id).values()].filter((checkpoint) => checkpoint.topic === topic) }));
  }

  /** Whoever has a partition claims it anew, and so learns what was decided. */
  #raise(generationId: number, topic: string): void {
    const rows = this.#catalog.rows(generationId);
    rows.forEach((row, id) => {
      if (row.topic === topic) {
        const { stoppedBy } = row;
        rows.set(id, { ...row, epoch: row.epoch + 1, stoppedBy: stoppedBy?.code === 'partitions.not-accepted' ? undefined : stoppedBy });
      }
    });
  }
}
