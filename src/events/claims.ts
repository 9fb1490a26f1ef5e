import { assignFairly, type GroupMember } from './fair-assignment';
import { partitionId, type TopicPartition } from './position';

export interface Claim extends TopicPartition {
  readonly owner: string;
}

export interface ClaimPlan {
  /** Claims of `self` that are another one's now. */
  readonly release: readonly TopicPartition[];
  /** Partitions due to `self` that are free, or whose owner is no live member. */
  readonly take: readonly TopicPartition[];
}

/** What one member has to do to come closer to the fair assignment. A partition of a live owner is waited for. */
export const planClaims = (self: string, members: readonly GroupMember[], partitions: readonly TopicPartition[], claims: readonly Claim[]): ClaimPlan => {
  const live = new Set(members.map(({ id }) => id));
  const due = new Set([...assignFairly(members, partitions)].flatMap(([partition, owner]) => (owner === self ? [partitionId(partition)] : [])));
  const held = new Map(claims.filter(({ owner }) => live.has(owner)).map((claim) => [partitionId(claim), claim.owner]));
  return {
    release: claims.filter((claim) => claim.owner === self && !due.has(partitionId(claim))),
    take: partitions.filter((partition) => due.has(partitionId(partition)) && !held.has(partitionId(partition))),
  };
};
