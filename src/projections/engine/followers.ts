import type { Assignment } from '../../events/event-log';
import { partitionId, type TopicPartition } from '../../events/position';
import type { FoldDecisions } from '../partition-decisions';
import type { ParkedSequence } from '../parking';
import type { GenerationStore } from '../read-model-store';

/** What is parked of a key goes on with it: from the barrier on the events of the key follow it in the partition to which it moved. */
const followedIn = (parked: ParkedSequence, { barriers }: FoldDecisions, to: TopicPartition): readonly ParkedSequence[] => {
  if (parked.sequence === '') {
    return []; // records without a key do not move
  }
  return barriers.flatMap((barrier) => {
    const [from, head] = [barrier.get(partitionId(parked)), barrier.get(partitionId(to))];
    return from !== undefined && head !== undefined && parked.head < from ? [{ ...parked, topic: to.topic, partition: to.partition, head, events: 0 }] : [];
  });
};

/** The parked sequences that the partitions of an assignment have to know: their own, and those of other partitions of which a key may have moved here. */
export const parkedFor = async (
  store: GenerationStore,
  { partitions }: Assignment,
  all: readonly TopicPartition[],
  decided: FoldDecisions,
): Promise<readonly ParkedSequence[]> => {
  if (decided.barriers.length === 0) {
    return store.parkedSequences(partitions);
  }
  const sequences = await store.parkedSequences(all);
  const own = new Set(partitions.map(partitionId));
  const moved = partitions.flatMap((to) =>
    sequences.filter((parked) => partitionId(parked) !== partitionId(to)).flatMap((parked) => followedIn(parked, decided, to)),
  );
  return [...moved, ...sequences.filter((parked) => own.has(partitionId(parked)))]; // its own sequence of a key is the one that counts
};

/** A sequence of the same key in another partition that has to be folded before. */
export const parkedBefore = (name: ParkedSequence, sequences: readonly ParkedSequence[], { barriers }: FoldDecisions): ParkedSequence | undefined =>
  sequences.find(
    (other) =>
      other.sequence === name.sequence &&
      other.sequence !== '' &&
      partitionId(other) !== partitionId(name) &&
      barriers.some((barrier) => other.head < (barrier.get(partitionId(other)) ?? -1) && name.head >= (barrier.get(partitionId(name)) ?? Infinity)),
  );
