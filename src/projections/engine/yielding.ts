import { partitionId, type PartitionId, type TopicPartition } from '../../events/position';

/** A worker that yields goes on with at least so many events per second: a replay ends, however busy the rest is. */
export const TRICKLE = 100;

/** What a look without lag adds, in events per second. */
const STEP = 1_000;

/** What was cut shows in the lag only after a while: no second cut before that, in milliseconds. */
const PATIENCE_MS = 1_000;

/** What one worker allows one replay. */
export interface Yielding {
  /** Events per second. */
  readonly rate: number;
  /** When it was cut last, milliseconds since the epoch. */
  readonly cutAt: number;
}

/** It begins moderately: what a burst of large commits does to the lag would be seen when it is too late. */
export const FIRST: Yielding = { rate: 10_000, cutAt: -Infinity };

/** What one look has shown. */
export interface LiveLook {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** For how long the oldest event that readers do not see yet has been in the log, at least; milliseconds. */
  readonly lagMs: number;
  /** Beyond this the replay yields. */
  readonly toleratedMs: number;
  /** Events per second that the replay has folded here lately. */
  readonly folded: number;
}

/**
 * Additive increase, multiplicative decrease, as in TCP (RFC 5681): half where the lag is too large, a step more where it is
 * below half of what is tolerated, and never much more than what is really folded, so that the next cut means something.
 */
export const yieldStep = (before: Yielding, { at, lagMs, toleratedMs, folded }: LiveLook): Yielding => {
  if (lagMs > toleratedMs) {
    return at - before.cutAt < PATIENCE_MS ? before : { rate: Math.max(TRICKLE, before.rate / 2), cutAt: at };
  }
  const isUsed = before.rate <= 2 * folded + STEP;
  return lagMs <= toleratedMs / 2 && isUsed ? { ...before, rate: before.rate + STEP } : before;
};

/** What the heads were at one look. */
export interface HeadsAt {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Stable heads. */
  readonly heads: ReadonlyMap<PartitionId, number>;
}

/** So many looks are remembered. */
export const REMEMBERED = 240;

/**
 * For how long the oldest event that is not folded has been there, at least: since the first look that has seen it. No record
 * is read for it. Looks from the oldest to the newest; `now` in milliseconds since the epoch.
 */
export const lagByHeads = (next: readonly (TopicPartition & { readonly next: number })[], looks: readonly HeadsAt[], now: number): number =>
  next.reduce((most, one) => {
    const seen = looks.find(({ heads }) => (heads.get(partitionId(one)) ?? 0) > one.next);
    return seen === undefined ? most : Math.max(most, now - seen.at);
  }, 0);
