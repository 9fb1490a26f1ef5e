import { RefoldError, isRefoldError } from '../kernel/errors';
import { generationLabel } from '../projections/generations';
import { retryHold, withHold } from './hold';
import { pairsByStore, resolvePairs } from './members';
import { move, tell, transitionOf, type Coordination } from './parts';
import type { GenerationPair, Hold, Lease, SwitchPermission, SwitchResult, Transition } from './ports';
import { reconcile } from './reconcile';
import type { Replay, ReplayStep } from './replay';

/** One attempt to move readers, and what others have made it wait for. */
interface Attempt {
  readonly c: Coordination;
  readonly lease: Lease;
  readonly replay: Replay;
  readonly allowed: SwitchPermission;
  /** By the coordinator's clock. */
  readonly began: number;
  tries: number;
  /** Milliseconds in which new readers waited behind us in vain: all, and the longest. */
  lockedMs: number;
  longestLockMs: number;
}

/** Nothing was changed: who was in the way, and whether by a snapshot rather than by a lock. */
interface Hindered {
  readonly status: 'locked';
  readonly lockMs: number;
  readonly blockers: readonly string[];
  readonly snapshots?: true;
}

/** Part of the hold after which it is too late to begin a switch. */
const LATEST = 0.85;

/** What was allowed when the attempt under way began, and by those who went on with it. */
export const permissionOf = (steps: readonly ReplayStep[]): SwitchPermission => {
  const entered = steps.findLastIndex(({ fromState, toState }) => toState === 'cutting-over' && fromState !== 'cutting-over');
  const own = entered === -1 ? [] : steps.slice(entered);
  return { breaking: own.some(({ facts }) => facts['breaking'] === true), stale: own.some(({ facts }) => facts['stale'] === true) };
};

/** Stores that switched before a crash, or in an attempt before, are done. */
const remaining = async (c: Coordination, replay: Replay): Promise<readonly GenerationPair[]> =>
  (await resolvePairs(c, replay, replay.direction)).filter(({ to }) => to.status !== 'active');

const recordOf = ({ c, replay }: Attempt, last: boolean, facts: Transition['facts']): Transition => {
  const phase = { state: replay.state, direction: replay.direction };
  return last ? transitionOf(c, replay, 'switched', { facts }) : { from: phase, to: phase, by: c.by, facts };
};

const switchStores = async (attempt: Attempt, pairs: readonly GenerationPair[], hold: Hold, heldSince: number): Promise<SwitchResult> => {
  const { c, lease, replay, allowed } = attempt;
  const stores = pairsByStore(c, pairs);
  for (const [i, [store, own]] of stores.entries()) {
    const last = i === stores.length - 1;
    const facts = {
      store: store.kind,
      switched: own.map(({ to }) => generationLabel(to)),
      tries: attempt.tries,
      waitedMs: c.clock.now() - attempt.began,
      heldMs: c.clock.now() - heldSince,
      ...(attempt.lockedMs > 0 ? { lockedInVainMs: attempt.lockedMs, longestInVainMs: attempt.longestLockMs } : {}),
    };
    await tell(c, replay.id, 'cutting-over:switching', { store: store.kind });
    const result = await store.switch({ pairs: own, hold, direction: replay.direction, lease, allowed, record: recordOf(attempt, last, facts), last });
    if (result.status === 'locked') {
      return result;
    }
    await tell(c, replay.id, 'cutting-over:switched', { ...facts, lockMs: result.lockMs });
  }
  return { status: 'switched', lockMs: 0 };
};

const tooOld = (attempt: Attempt, readers: readonly string[], message: string): RefoldError => {
  const others = readers.length > 5 ? readers.length - 5 : undefined;
  return new RefoldError('cutover.old-snapshots', message, { facts: { replay: attempt.replay.id, store: 'postgres', readers: readers.slice(0, 5), others } });
};

/**
 * Waits for readers whose snapshot is older than the candidates: the lock on the view keeps out only those that have read
 * it already. Before any hold, so that both sides go on meanwhile. On the way back the table was shown to readers before.
 * @throws RefoldError `cutover.old-snapshots`
 */
const awaitOldSnapshots = async (attempt: Attempt, pairs: readonly GenerationPair[], until: number): Promise<void> => {
  const { c, replay } = attempt;
  if (replay.direction === 'back') {
    return;
  }
  for (const [store] of pairsByStore(c, pairs)) {
    const horizon = replay.verdict?.horizons?.[store.kind];
    for (let look = 1; horizon !== undefined; look += 1) {
      const readers = await store.oldSnapshots(horizon, 'any');
      if (readers.length === 0) {
        break;
      }
      if (c.clock.now() >= until) {
        throw tooOld(attempt, readers, 'there are readers that would see the new table empty');
      }
      if (look === 2) {
        await tell(c, replay.id, 'cutting-over:waiting', { readers });
      }
      await c.clock.sleep(100);
    }
  }
};

/**
 * Within the hold, both sides being at one position: waits for transactions that took their snapshot before. The side that
 * readers are moved to may have been behind then, and they would read an older state than they know. Answers who is left.
 */
const awaitKeptSnapshots = async ({ c, allowed }: Attempt, pairs: readonly GenerationPair[], heldSince: number): Promise<readonly string[]> => {
  if (allowed.stale) {
    return [];
  }
  for (const [store] of pairsByStore(c, pairs)) {
    const horizon = await store.horizon();
    for (;;) {
      const readers = horizon === undefined ? [] : await store.oldSnapshots(horizon, 'kept');
      if (readers.length === 0) {
        break;
      }
      if (c.clock.now() >= heldSince + c.options.holdMs * LATEST) {
        return readers;
      }
      await c.clock.sleep(c.options.holdPollMs);
    }
  }
  return [];
};

const heldSwitch = async (attempt: Attempt, pairs: readonly GenerationPair[]): Promise<SwitchResult | Hindered> => {
  const { c, replay, allowed, tries } = attempt;
  const heldSince = c.clock.now();
  return withHold(
    c,
    replay.id,
    pairs,
    async (hold) => {
      await tell(c, replay.id, 'cutting-over:held', { attempt: tries });
      const readers = await awaitKeptSnapshots(attempt, pairs, heldSince);
      return readers.length > 0 ? { status: 'locked', lockMs: 0, blockers: readers, snapshots: true } : switchStores(attempt, pairs, hold, heldSince);
    },
    { orNot: allowed.stale },
  );
};

const countLock = async (attempt: Attempt, { lockMs, blockers }: Hindered): Promise<void> => {
  attempt.lockedMs += lockMs;
  attempt.longestLockMs = Math.max(attempt.longestLockMs, lockMs);
  await tell(attempt.c, attempt.replay.id, 'cutting-over:locked', { attempt: attempt.tries, lockMs, blockers });
};

const inTheWay = (attempt: Attempt, { blockers, snapshots }: Hindered): RefoldError => {
  if (snapshots === true) {
    return tooOld(attempt, blockers, 'there are transactions that would see an older state than before');
  }
  const facts = { replay: attempt.replay.id, attempts: attempt.tries, blockers, longestLockMs: attempt.longestLockMs };
  return new RefoldError('cutover.lock-timeout', 'the view could not be locked', { facts });
};

/**
 * Holds, switches, and tries again while readers are in the way; each try has a hold of its own, so that between two
 * of them both sides go on. What the views refuse is refused before anything is held.
 */
export const switchAll = async (c: Coordination, lease: Lease, replay: Replay, allowed: SwitchPermission): Promise<void> => {
  const attempt: Attempt = { c, lease, replay, allowed, began: c.clock.now(), tries: 0, lockedMs: 0, longestLockMs: 0 };
  const until = attempt.began + c.options.switchBoundMs;
  await reconcile(c.switches);
  for (const [store, own] of pairsByStore(c, await remaining(c, replay))) {
    await store.planSwitch(own, replay.direction, allowed);
  }
  for (;;) {
    await awaitOldSnapshots(attempt, await remaining(c, replay), until);
    attempt.tries += 1;
    const result = await retryHold(c, async () => {
      const pairs = await remaining(c, replay);
      if (pairs.length === 0) {
        await move(c, lease, replay, 'switched', { facts: { completed: true } }); // the last store had switched, only the record was missing
        return { status: 'switched' } as const;
      }
      return heldSwitch(attempt, pairs);
    });
    if (result.status === 'switched') {
      return;
    }
    await countLock(attempt, result);
    if (c.clock.now() >= until) {
      throw inTheWay(attempt, result);
    }
    await c.clock.sleep(100 + Math.random() * 100);
  }
};

/** Whether readers of some store were moved and those of others not; the control schema says what the views say. */
export const isSplit = async (c: Coordination, replay: Replay): Promise<boolean> => {
  await reconcile(c.switches);
  return (await resolvePairs(c, replay, replay.direction)).some(({ to }) => to.status === 'active');
};

/**
 * Whether readers of every store see what they saw before. The views are asked: one may have been replaced although the
 * answer did not arrive. A store that says nothing may have switched.
 */
export const showsNothingNew = async (c: Coordination, replay: Replay): Promise<boolean> => {
  try {
    return !(await isSplit(c, replay));
  } catch (error) {
    if (isRefoldError(error)) {
      return false;
    }
    throw error;
  }
};
