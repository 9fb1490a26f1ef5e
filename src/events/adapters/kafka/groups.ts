import type { Admin, KafkaJSDeleteGroupsError } from 'kafkajs';
import { comparePartitions } from '../../position';
import type { GroupState } from '../../topic';

/** The groups whose names begin with `prefix`, and what they committed for the topics. */
export const readGroups = async (admin: Admin, prefix: string, topics: readonly string[]): Promise<readonly GroupState[]> => {
  const { groups } = await admin.listGroups();
  const names = groups.map(({ groupId }) => groupId).filter((name) => name.startsWith(prefix));
  if (names.length === 0 || topics.length === 0) {
    return [];
  }
  const described = (await admin.describeGroups(names)).groups;
  const states = await Promise.all(
    described.map(async ({ groupId, members }) => {
      const offsets = await admin.fetchOffsets({ groupId, topics: [...topics] });
      const committed = offsets.flatMap(({ topic, partitions }) =>
        partitions.flatMap(({ partition, offset }) => (Number(offset) < 0 ? [] : [{ topic, partition, offset: Number(offset) }])),
      );
      return { group: groupId, members: members.length, committed: committed.sort(comparePartitions) };
    }),
  );
  return states.sort((a, b) => (a.group < b.group ? -1 : 1));
};

/** Codes of the protocol: it has members, or there is none. */
const LEFT_ALONE: readonly number[] = [68, 69];

const isLeftAlone = (error: unknown): boolean =>
  error instanceof Error &&
  error.name === 'KafkaJSDeleteGroupsError' &&
  (error as KafkaJSDeleteGroupsError).groups.every(({ errorCode }) => LEFT_ALONE.includes(errorCode ?? 0));

/** Forgets what the group committed, where nobody is in it. */
export const deleteGroup = async (admin: Admin, group: string): Promise<void> => {
  try {
    await admin.deleteGroups([group]);
  } catch (error) {
    if (!isLeftAlone(error)) {
      throw error;
    }
  }
};
