import type { PartitionHead } from './event-log';
import { partitionId, type Position } from './position';
import type { GroupState } from './topic';

export interface GroupPosition extends Position {
  /** Head of the partition; `undefined` if it is not known any more. */
  readonly head: number | undefined;
  /** Offsets between the position and the head. */
  readonly lag: number | undefined;
}

export interface GroupLag extends Omit<GroupState, 'committed'> {
  readonly committed: readonly GroupPosition[];
}

/** Pure: how far the groups are behind the stable heads. */
export const groupLags = (groups: readonly GroupState[], heads: readonly PartitionHead[]): readonly GroupLag[] => {
  const stable = new Map(heads.map((head) => [partitionId(head), head.stable]));
  return groups.map((group) => ({
    ...group,
    committed: group.committed.map((position) => {
      const head = stable.get(partitionId(position));
      return { ...position, head, lag: head === undefined ? undefined : Math.max(0, head - position.offset) };
    }),
  }));
};
