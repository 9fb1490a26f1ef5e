import type { PartitionId, TopicPartition } from '../events/position';
import { followedLabel, type Standing } from './following';
import type { Liveness } from './liveness';

/** The stable heads of the log, as last asked for. */
export interface HeadsSeen {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly stable: ReadonlyMap<PartitionId, number>;
}

/** Why a worker is not ready. */
export type Hindrance =
  | { readonly because: 'not-alive' | 'heads-unknown' }
  | { readonly because: 'no-assignment'; readonly of: string }
  | { readonly because: 'behind'; readonly of: string; readonly lagRecords: number; readonly bound: number }
  | ({ readonly because: 'stopped'; readonly of: string; readonly offset: number; readonly code: string } & TopicPartition)
  | { readonly because: 'failing'; readonly of: string; readonly code: string };

export interface Readiness {
  readonly ready: boolean;
  /** Empty where it is ready. */
  readonly hindrances: readonly Hindrance[];
  readonly following: readonly { readonly of: string; readonly partitions: number; readonly lagRecords: number | null }[];
}

export interface Observed {
  readonly now: number;
  readonly options: { readonly readyLag: number; readonly headsEveryMs: number };
  readonly liveness: Liveness;
  readonly heads: HeadsSeen | undefined;
  readonly standings: readonly Standing[];
}

/** After so many missed looks, and a second, the heads are too old to tell a lag. */
const STALE_LOOKS = 3;

/** Pure: records between what was committed and the heads, over the partitions assigned; `undefined`: not known. */
export const lagOf = ({ next }: Pick<Standing, 'next'>, heads: HeadsSeen | undefined): number | undefined => {
  let total = 0;
  for (const [id, offset] of next ?? []) {
    const stable = heads?.stable.get(id);
    if (stable === undefined) {
      return undefined;
    }
    total += Math.max(0, stable - offset);
  }
  return next === undefined ? undefined : total;
};

/** A candidate of a replay reads history for as long as that takes; a first build is what readers wait for. */
const readsHistory = ({ followed }: Standing): boolean =>
  followed.kind === 'generation' && followed.generation.status === 'candidate' && !followed.generation.firstBuild;

const hindrancesOf = (standing: Standing, heads: HeadsSeen | undefined, bound: number): readonly Hindrance[] => {
  const of = followedLabel(standing.followed);
  if (standing.failedWith !== undefined) {
    return [{ because: 'failing', of, code: standing.failedWith }];
  }
  if (standing.next === undefined) {
    return [{ because: 'no-assignment', of }];
  }
  const stopped = standing.stopped.map((one): Hindrance => ({ because: 'stopped', of, ...one }));
  const lagRecords = lagOf(standing, heads);
  const isBehind = lagRecords !== undefined && lagRecords > bound && !readsHistory(standing);
  return isBehind ? [...stopped, { because: 'behind', of, lagRecords, bound }] : stopped;
};

/**
 * Pure: a worker is ready when it is alive, all that it follows has its assignment, none of it fails or stands still, and
 * none of what readers see lies more than `readyLag` records behind the log.
 */
export const readinessOf = ({ now, options, liveness, heads, standings }: Observed): Readiness => {
  const { readyLag, headsEveryMs } = options;
  const isFresh = heads !== undefined && now - heads.at <= STALE_LOOKS * headsEveryMs + 1_000;
  const isKnown = isFresh && standings.every((one) => one.next === undefined || lagOf(one, heads) !== undefined);
  const hindrances: readonly Hindrance[] = [
    ...(liveness.alive ? [] : [{ because: 'not-alive' as const }]),
    ...(isKnown ? [] : [{ because: 'heads-unknown' as const }]),
    ...standings.flatMap((one) => hindrancesOf(one, heads, readyLag)),
  ];
  const following = standings.map((one) => ({ of: followedLabel(one.followed), partitions: one.next?.size ?? 0, lagRecords: lagOf(one, heads) ?? null }));
  return { ready: hindrances.length === 0, hindrances, following };
};
