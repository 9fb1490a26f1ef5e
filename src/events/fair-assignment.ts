import { comparePartitions, type TopicPartition } from './position';

export interface GroupMember {
  readonly id: string;
  readonly topics: readonly string[];
}

/**
 * Which member reads which partition: everybody who knows the same members and partitions computes the same answer.
 * Partitions are dealt out in turn, so that shares differ by at most one where all members read the same topics.
 */
export const assignFairly = (members: readonly GroupMember[], partitions: readonly TopicPartition[]): ReadonlyMap<TopicPartition, string> => {
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const owners = new Map<TopicPartition, string>();
  [...partitions].sort(comparePartitions).forEach((partition, index) => {
    const eligible = sorted.filter((member) => member.topics.includes(partition.topic));
    if (eligible.length > 0) {
      owners.set(partition, eligible[index % eligible.length]!.id);
    }
  });
  return owners;
};
