import type { EventLog, PartitionHead } from '../events/event-log';
import { partitionId, type Position, type TopicPartition } from '../events/position';
import type { ReactorDefinition } from './definition';

const firstPositions = async (log: EventLog, { from }: ReactorDefinition, topic: string, heads: readonly PartitionHead[]): Promise<readonly Position[]> =>
  from instanceof Date
    ? log.offsetsForTime(topic, from.getTime())
    : heads.map(({ partition, start, stable }) => ({ topic, partition, offset: from === 'now' ? stable : start }));

/**
 * Where partitions that have no position yet begin: as the reactor says where its topic is new to it; at its first record
 * where the partition was added to a topic that it knows, because everything in it came later.
 */
export const startingPositions = async (log: EventLog, definition: ReactorDefinition, known: readonly TopicPartition[]): Promise<readonly Position[]> => {
  const ids = new Set(known.map(partitionId));
  const heads = await log.heads(definition.topics);
  const missing = heads.filter((head) => !ids.has(partitionId(head)));
  const topics = [...new Set(missing.map(({ topic }) => topic))];
  const positions = await Promise.all(
    topics.map(async (topic) => {
      const own = missing.filter((head) => head.topic === topic);
      return known.some((one) => one.topic === topic)
        ? own.map(({ partition, start }) => ({ topic, partition, offset: start }))
        : firstPositions(log, definition, topic, own);
    }),
  );
  return positions.flat();
};
