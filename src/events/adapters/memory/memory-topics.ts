import { RefoldError } from '../../../kernel/errors';
import { comparePartitions, type Position } from '../../position';
import { KEPT_FOR_EVER, type AlterableSettings, type GroupState, type TopicAdmin, type TopicState } from '../../topic';
import type { MemoryGroup } from './memory-group';
import type { MemoryPartition } from './memory-partition';

export interface MemoryTopic {
  readonly partitions: readonly MemoryPartition[];
  retentionMs: number | null;
}

/** Topics of the memory log: their retention, and the groups that read them. */
export class MemoryTopics implements TopicAdmin {
  readonly alterable = ['retentionMs'] as const;

  constructor(
    private readonly topics: ReadonlyMap<string, MemoryTopic>,
    private readonly members: Map<string, MemoryGroup>,
  ) {}

  async describe(topics: readonly string[]): Promise<readonly TopicState[]> {
    return [...new Set(topics)].sort().flatMap((topic) => {
      const found = this.topics.get(topic);
      return found === undefined ? [] : [{ topic, partitions: found.partitions.length, settings: { ...KEPT_FOR_EVER, retentionMs: found.retentionMs } }];
    });
  }

  async alter(topic: string, { retentionMs }: AlterableSettings): Promise<void> {
    const found = this.topics.get(topic);
    if (found === undefined) {
      throw new RefoldError('log.unknown-topic', `there is no topic ${topic}`, { facts: { topic } });
    }
    found.retentionMs = retentionMs;
  }

  async groups(prefix: string, topics: readonly string[]): Promise<readonly GroupState[]> {
    return [...this.members]
      .filter(([group]) => group.startsWith(prefix))
      .map(([group, members]) => {
        const committed = members.committed().filter(({ topic }) => topics.includes(topic));
        return { group, members: members.size(topics), committed: [...committed].sort(comparePartitions) };
      })
      .filter(({ members, committed }) => members > 0 || committed.length > 0)
      .sort((a, b) => (a.group < b.group ? -1 : 1));
  }

  async removeGroup(group: string): Promise<void> {
    if (this.members.get(group)?.size([...this.topics.keys()]) === 0) {
      this.members.delete(group);
    }
  }

  async retain(now: number): Promise<readonly Position[]> {
    return [...this.topics.values()]
      .flatMap(({ partitions, retentionMs }) => (retentionMs === null ? [] : partitions.flatMap((partition) => partition.retain(now - retentionMs) ?? [])))
      .sort(comparePartitions);
  }
}
