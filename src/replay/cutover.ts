import { RefoldError, isRefoldError } from '../kernel/errors';
import { generationLabel } from '../projections/generations';
import { requireNotMoreParked, requireRulesKept } from './approval';
import { retryHold, withHold } from './hold';
import { pairsByStore, resolvePairs } from './members';
import { move, tell, transitionOf, type Coordination } from './parts';
import type { GenerationPair, Hold, Lease, SwitchResult } from './ports';
import { requireWorkers } from './preflight';
import { reconcile } from './reconcile';
import type { Replay, ReplayFailure } from './replay';
import { isOpen, requirePhaseAfter, type Direction } from './states';

export const failureOf = ({ code, message, remedy }: RefoldError): ReplayFailure => ({ code, message, remedy });

/** Writes the error of a step that changed nothing beside the state it stays in, once. */
export const keepFailure = async (c: Coordination, lease: Lease, error: unknown): Promise<void> => {
  if (!isRefoldError(error) || error.code === 'replay.lease-held' || error.code === 'replay.unknown') {
    return;
  }
  const replay = await c.journal.get(lease.replayId);
  if (replay.error?.message !== error.message && isOpen(replay.state)) {
    const phase = { state: replay.state, direction: replay.direction };
    await c.journal.transition(lease, { from: phase, to: phase, by: c.by, facts: { code: error.code }, error: failureOf(error) });
  }
};

const switchStores = async (c: Coordination, lease: Lease, replay: Replay, pairs: readonly GenerationPair[], hold: Hold): Promise<SwitchResult> => {
  const stores = pairsByStore(c, pairs);
  for (const [i, [store, own]] of stores.entries()) {
    const facts = { switched: own.map(({ to }) => generationLabel(to)) };
    const finish = i === stores.length - 1 ? transitionOf(c, replay, 'switched', { facts }) : undefined;
    const expected = { state: replay.state, direction: replay.direction };
    const result = await store.switch({ pairs: own, hold, direction: replay.direction, lease, expected, finish });
    if (result.status === 'locked') {
      return result;
    }
  }
  return { status: 'switched' };
};

/**
 * Waits for readers whose snapshot is older than the candidates: the lock on the view keeps out only those that have read
 * it already. Before any hold, so that both sides go on meanwhile. On the way back the table was shown to readers before.
 * @throws RefoldError `cutover.old-snapshots`
 */
const awaitOldSnapshots = async (c: Coordination, replay: Replay, pairs: readonly GenerationPair[], until: number): Promise<void> => {
  if (replay.direction === 'back') {
    return;
  }
  for (const [store] of pairsByStore(c, pairs)) {
    const horizon = replay.verdict?.horizons?.[store.kind];
    for (let look = 1; horizon !== undefined; look += 1) {
      const readers = await store.oldSnapshots(horizon);
      if (readers.length === 0) {
        break;
      }
      if (c.clock.now() >= until) {
        const facts = { replay: replay.id, store: store.kind, readers: readers.slice(0, 5), others: readers.length > 5 ? readers.length - 5 : undefined };
        throw new RefoldError('cutover.old-snapshots', 'there are readers that would see the new table empty', { facts });
      }
      if (look === 2) {
        await tell(c, replay.id, 'cutting-over:waiting', { readers });
      }
      await c.clock.sleep(100);
    }
  }
};

/**
 * Holds, switches, and tries again while readers are in the way; each try has a hold of its own, so that between two
 * of them both sides go on.
 */
const switchAll = async (c: Coordination, lease: Lease, replay: Replay): Promise<void> => {
  const { clock, options } = c;
  const until = clock.now() + options.switchBoundMs;
  await reconcile(c.switches);
  // Stores that switched before a crash are done; where all are in one database there are none.
  const pairs = (await resolvePairs(c, replay, replay.direction)).filter(({ to }) => to.status !== 'active');
  if (pairs.length === 0) {
    await move(c, lease, replay, 'switched'); // the last store had switched, only the record was missing
    return;
  }
  for (const [store, own] of pairsByStore(c, pairs)) {
    await store.requireSwitchable(own, replay.direction);
  }
  for (let attempt = 1; ; attempt += 1) {
    await awaitOldSnapshots(c, replay, pairs, until);
    const result = await retryHold(c, () =>
      withHold(c, replay.id, pairs, async (hold) => {
        await tell(c, replay.id, 'cutting-over:held', { attempt });
        return switchStores(c, lease, replay, pairs, hold);
      }),
    );
    if (result.status === 'switched') {
      return;
    }
    if (clock.now() >= until) {
      const facts = { replay: replay.id, attempts: attempt, blockers: result.blockers };
      throw new RefoldError('cutover.lock-timeout', 'the view could not be locked', { facts });
    }
    await clock.sleep(100 + Math.random() * 100);
  }
};

/** Whether the switch was committed although its answer did not arrive. */
const hasSwitched = async (c: Coordination, replay: Replay): Promise<boolean> => {
  const reached = requirePhaseAfter(replay.id, replay, 'switched');
  const now = await c.journal.get(replay.id);
  return now.state === reached.state && now.direction === reached.direction;
};

/**
 * Whether readers of every store see what they saw before. The views are asked: one may have been replaced although the
 * answer did not arrive. A store that says nothing may have switched.
 */
const showsNothingNew = async (c: Coordination, replay: Replay): Promise<boolean> => {
  try {
    await reconcile(c.switches);
  } catch (error) {
    if (isRefoldError(error)) {
      return false;
    }
    throw error;
  }
  return !(await resolvePairs(c, replay, replay.direction)).some(({ to }) => to.status === 'active');
};

/**
 * An attempt that changed nothing ends where it began, with the error in the history; one that changed everything has
 * succeeded whatever came after. A lost lease is somebody else's replay by now.
 */
const giveUp = async (c: Coordination, lease: Lease, replay: Replay, error: unknown): Promise<void> => {
  if (isRefoldError(error) && error.code !== 'replay.lease-held') {
    if (await hasSwitched(c, replay)) {
      return;
    }
    if (!(await showsNothingNew(c, replay))) {
      await keepFailure(c, lease, error); // a view was switched, or may have been: the same command goes on with the others
      throw error;
    }
    await move(c, lease, replay, 'switch-failed', { facts: { code: error.code }, error: failureOf(error) });
  }
  throw error;
};

export interface CutoverOptions {
  /** Readers may see a generation that has parked events which the one they see now has folded. */
  readonly allowParked?: boolean | undefined;
}

/**
 * Moves readers of all members to the other side in one step, forward or back; goes on with an interrupted one. A cutover
 * that is done stays done.
 * @throws RefoldError `replay.wrong-state`, `replay.no-worker`, `hold.timed-out`, `cutover.incompatible-columns`, `cutover.lock-timeout`,
 *   `cutover.old-snapshots`, `cutover.more-parked`, `cutover.rules-failed`
 */
export const switchOver = async (
  c: Coordination,
  lease: Lease,
  given: Replay,
  direction: Direction,
  { allowParked = false }: CutoverOptions = {},
): Promise<void> => {
  const event = direction === 'forward' ? 'cutover' : 'rollback';
  if (event === 'cutover' && given.state === 'done') {
    return; // it was done already, perhaps by a process that died before it could say so
  }
  const interrupted = given.state === 'cutting-over' && given.direction === direction;
  let replay = given;
  if (!interrupted) {
    requirePhaseAfter(replay.id, replay, event);
    const pairs = await resolvePairs(c, replay, direction);
    requireWorkers(
      await c.catalog.liveWorkers(c.options.liveWithinMs),
      pairs.flatMap(({ from, to }) => [from, to]),
    );
    if (direction === 'forward') {
      requireRulesKept(replay);
    }
    if (direction === 'forward' && !allowParked) {
      await requireNotMoreParked(c, replay, pairs);
    }
    replay = await move(c, lease, replay, event);
  }
  const settled = replay;
  await switchAll(c, lease, settled).catch((error: unknown) => giveUp(c, lease, settled, error));
  await tell(c, replay.id, direction === 'forward' ? 'done' : 'ready');
};
