/**
 * Offsets are JavaScript numbers: safe integers hold 2^53 records per partition (decision 001).
 */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** Topic, partition, offset of one record. */
export interface Position extends TopicPartition {
  readonly offset: number;
}

/** `orders/3`: names a partition in maps, errors and metrics. */
export type PartitionId = `${string}/${number}`;

export const partitionId = ({ topic, partition }: TopicPartition): PartitionId => `${topic}/${partition}`;

/** The next offset per partition. */
export type PositionVector = ReadonlyMap<PartitionId, number>;

/** Whether two things lie in one partition. */
export const samePartition = (a: TopicPartition, b: TopicPartition): boolean => a.partition === b.partition && a.topic === b.topic;

/** By topic, then by partition: the order in which locks are taken everywhere. */
export const comparePartitions = (a: TopicPartition, b: TopicPartition): number => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition);
