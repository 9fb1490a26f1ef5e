import { RefoldError } from '../kernel/errors';
import type { Checkpoint, Generation } from '../projections/generations';
import { haltOf, requirePace, type PaceSettings, type ReplayPace } from '../projections/replay-pace';
import type { Pause } from '../projections/pauses';
import { reachedHeads } from './progress';
import type { Replay } from './replay';
import type { ReplayState } from './states';

/** States in which a replay folds history: afterwards its generations have to follow, or nothing could be compared and switched. */
export const PACED: readonly ReplayState[] = ['planned', 'provisioning', 'replaying', 'catching-up'];

/** A change of settings: `null` takes a limit away. */
export type PaceChange = { readonly [K in keyof PaceSettings]?: PaceSettings[K] | null };

/** Port to the paces of replays; every change is a row in the history of the replay. */
export interface ReplayPaces {
  /** @throws RefoldError `replay.unknown` */
  get(replay: number): Promise<ReplayPace>;
  /** @throws RefoldError `replay.unknown`, `replay.wrong-state` where it folds no history any more */
  set(replay: number, settings: PaceSettings, by: string): Promise<ReplayPace>;
  /** Idempotent: one that is paused keeps its first reason. @throws as {@link set} */
  pause(replay: number, decision: Pick<Pause, 'reason' | 'by'>): Promise<ReplayPace>;
  /** Answers what was paused; `undefined`: it was not. @throws RefoldError `replay.unknown` */
  resume(replay: number, by: string): Promise<Pause | undefined>;
}

/** Pure: settings after a change. @throws RefoldError `config.invalid` */
export const changedPace = ({ rate, concurrency, hours, yieldMs }: PaceSettings, change: PaceChange): PaceSettings => {
  const changed = Object.fromEntries(
    Object.entries({ rate, concurrency, hours, yieldMs, ...change }).filter(([, value]) => value !== undefined && value !== null),
  ) as PaceSettings;
  requirePace(changed);
  return changed;
};

/** @throws RefoldError `config.invalid` */
export const requireReason = ({ reason, by }: Pick<Pause, 'reason' | 'by'>): void => {
  if (reason.trim() === '' || by.trim() === '') {
    throw new RefoldError('config.invalid', 'a pause needs a reason and somebody who decides it');
  }
};

/**
 * Pure: the generations that nobody is to fold now, each with what it waits for. A replay that is paused or outside of its hours
 * halts all of its own; of more than may be rebuilt at a time the youngest wait until older ones have reached their heads.
 */
export const haltedOf = (
  generations: readonly Generation[],
  checkpoints: ReadonlyMap<number, readonly Checkpoint[]>,
  now: number,
): ReadonlyMap<number, string> => {
  const halted = new Map<number, string>();
  const busy = new Map<number, number>();
  for (const generation of [...generations].sort((a, b) => a.id - b.id)) {
    const { id, pace } = generation;
    if (pace === undefined) {
      continue;
    }
    const before = busy.get(pace.replay) ?? 0;
    const isDone = reachedHeads(generation, checkpoints.get(id) ?? []) && checkpoints.has(id);
    const why = haltOf(pace, now) ?? (!isDone && before >= (pace.concurrency ?? Infinity) ? 'others of its replay, which are rebuilt before it' : undefined);
    if (why !== undefined) {
      halted.set(id, why);
    }
    busy.set(pace.replay, before + (isDone ? 0 : 1));
  }
  return halted;
};

/** Why a replay does not move, because somebody wants it so. */
export const haltOfReplay = ({ state }: Pick<Replay, 'state'>, pace: ReplayPace, now: number): string | undefined =>
  PACED.includes(state) ? haltOf(pace, now) : undefined;
