import { RefoldError } from '../kernel/errors';
import type { Headers, NewRecord } from './event-log';
import { partitionOfKey } from './partitioner';
import { comparePartitions, partitionId, type PartitionId, type TopicPartition } from './position';

/** All headers of a record as text, for logs that keep text. */
export const textHeaders = ({ headers, binaryHeaders }: Pick<NewRecord, 'headers' | 'binaryHeaders'>): Headers =>
  binaryHeaders === undefined
    ? headers
    : { ...headers, ...Object.fromEntries(Object.entries(binaryHeaders).map(([name, value]) => [name, value.toString('base64')])) };

/** The records of one partition, in order, and where they stood in the call. */
export interface PartitionAppend extends TopicPartition {
  readonly records: readonly NewRecord[];
  readonly indexes: readonly number[];
}

/**
 * Sorts the records of one `append` by partition, in the order in which locks are taken.
 * @param partitionsOf how many partitions a topic has; `undefined` if there is no such topic
 * @throws RefoldError `event.invalid` (no key), `log.unknown-topic`, `log.unknown-partition`; then nothing was written
 */
export const groupByPartition = (records: readonly NewRecord[], partitionsOf: (topic: string) => number | undefined): PartitionAppend[] => {
  const groups = new Map<PartitionId, { topic: string; partition: number; records: NewRecord[]; indexes: number[] }>();
  records.forEach((record, index) => {
    const { topic } = record;
    const count = partitionsOf(topic);
    if (count === undefined) {
      throw new RefoldError('log.unknown-topic', `there is no topic ${topic}`, { facts: { topic } });
    }
    if (!(record.key instanceof Uint8Array) || record.key.length === 0) {
      throw new RefoldError('event.invalid', 'a record without a key cannot be appended', { facts: { topic, index } });
    }
    const partition = record.partition ?? partitionOfKey(record.key, count);
    if (!Number.isInteger(partition) || partition < 0 || partition >= count) {
      throw new RefoldError('log.unknown-partition', `topic ${topic} has ${count} partitions`, { facts: { topic, partition, index } });
    }
    const id = partitionId({ topic, partition });
    const group = groups.get(id);
    if (group === undefined) {
      groups.set(id, { topic, partition, records: [record], indexes: [index] });
    } else {
      group.records.push(record);
      group.indexes.push(index);
    }
  });
  return [...groups.values()].sort(comparePartitions);
};
