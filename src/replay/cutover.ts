import { isRefoldError, type RefoldError } from '../kernel/errors';
import { requireNotMoreParked, requireRulesKept } from './approval';
import { pairsByStore, resolveMembers, resolvePairs } from './members';
import { move, tell, type Coordination } from './parts';
import type { GenerationPair, Lease, SwitchPermission, ViewChange } from './ports';
import { requireWorkers } from './preflight';
import type { Replay, ReplayFailure } from './replay';
import { isRolledBack } from './retire';
import { isOpen, requirePhaseAfter, type Direction } from './states';
import { permissionOf, showsNothingNew, switchAll } from './switching';

export const failureOf = ({ code, message, remedy }: RefoldError): ReplayFailure => ({ code, message, remedy });

/** Errors that say nothing about the replay, or come from whom it does not belong to. */
const UNTOLD: readonly string[] = ['replay.lease-held', 'replay.unknown', 'replay.wrong-state'];

const writeFailure = async (c: Coordination, lease: Lease, replay: Replay, error: RefoldError): Promise<void> => {
  if (replay.error?.message !== error.message) {
    const phase = { state: replay.state, direction: replay.direction };
    await c.journal.transition(lease, { from: phase, to: phase, by: c.by, facts: { code: error.code, message: error.message }, error: failureOf(error) });
  }
};

/** Writes the error of a step that changed nothing beside the state it stays in, once. */
export const keepFailure = async (c: Coordination, lease: Lease, error: unknown): Promise<void> => {
  if (!isRefoldError(error) || error.code === 'replay.lease-held' || error.code === 'replay.unknown') {
    return;
  }
  const replay = await c.journal.get(lease.replayId);
  if (isOpen(replay.state)) {
    await writeFailure(c, lease, replay, error);
  }
};

/** Whether the switch was committed although its answer did not arrive. */
const hasSwitched = async (c: Coordination, replay: Replay): Promise<boolean> => {
  const reached = requirePhaseAfter(replay.id, replay, 'switched');
  const now = await c.journal.get(replay.id);
  return now.state === reached.state && now.direction === reached.direction;
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
    await move(c, lease, replay, 'switch-failed', { facts: { code: error.code, message: error.message }, error: failureOf(error) });
  }
  throw error;
};

export interface CutoverOptions {
  /** Readers may see a generation that has more events parked than the one they see now. */
  readonly allowParked?: boolean | undefined;
  /** Views take the columns of the new table as they are, where they cannot keep theirs: clients that rely on the former ones fail. */
  readonly breaking?: boolean | undefined;
  /** Kept in the history. */
  readonly reason?: string | undefined;
}

export interface RollbackOptions extends Omit<CutoverOptions, 'allowParked'> {
  /** Also where the generation to go back to has fallen behind: readers then see an older state than before, which is recorded. */
  readonly stale?: boolean | undefined;
}

type SwitchOptions = CutoverOptions & RollbackOptions;

/** What a switch would do to the columns of its views. @throws RefoldError `cutover.incompatible-columns`, `cutover.dependents`, `store.name-taken` */
export const plannedChanges = async (
  c: Coordination,
  pairs: readonly GenerationPair[],
  direction: Direction,
  allowed: SwitchPermission,
): Promise<readonly ViewChange[]> => {
  const changes: ViewChange[] = [];
  for (const [store, own] of pairsByStore(c, pairs)) {
    changes.push(...(await store.planSwitch(own, direction, allowed)));
  }
  return changes;
};

/** Everything that can be refused is refused here, while nothing is held. */
const requireAllowed = async (c: Coordination, replay: Replay, direction: Direction, options: SwitchOptions): Promise<readonly ViewChange[]> => {
  const { allowParked = false, breaking = false, stale = false } = options;
  const pairs = await resolvePairs(c, replay, direction);
  if (!stale) {
    requireWorkers(
      await c.catalog.liveWorkers(c.options.liveWithinMs),
      pairs.flatMap(({ from, to }) => [from, to]),
    );
  }
  if (direction === 'forward') {
    requireRulesKept(replay);
  }
  if (direction === 'forward' && !allowParked) {
    await requireNotMoreParked(c, replay, pairs);
  }
  return plannedChanges(c, pairs, direction, { breaking, stale });
};

const factsOf = ({ allowParked, breaking, stale, reason }: SwitchOptions): Readonly<Record<string, unknown>> => ({ allowParked, breaking, stale, reason });

const begin = async (c: Coordination, lease: Lease, replay: Replay, direction: Direction, options: SwitchOptions): Promise<Replay> => {
  const event = direction === 'forward' ? 'cutover' : 'rollback';
  requirePhaseAfter(replay.id, replay, event);
  try {
    const changes = await requireAllowed(c, replay, direction, options);
    return await move(c, lease, replay, event, { facts: { ...factsOf(options), changes: changes.length === 0 ? undefined : changes } });
  } catch (error) {
    if (isRefoldError(error) && !UNTOLD.includes(error.code)) {
      await writeFailure(c, lease, replay, error).catch(() => undefined); // what was refused says more; it may have been done although its answer was lost
    }
    throw error;
  }
};

/** Goes on with what was interrupted, or turns it; what is allowed now was not before is recorded. */
const resume = async (c: Coordination, lease: Lease, replay: Replay, direction: Direction, options: SwitchOptions): Promise<Replay> => {
  if (replay.direction !== direction) {
    return move(c, lease, replay, 'turn', { facts: { ...factsOf(options), turned: direction } });
  }
  const known = permissionOf(await c.journal.steps(replay.id));
  if ((options.breaking === true && !known.breaking) || (options.stale === true && !known.stale)) {
    const phase = { state: replay.state, direction };
    await c.journal.transition(lease, { from: phase, to: phase, by: c.by, facts: factsOf(options) });
    await tell(c, replay.id, 'cutting-over:allowed', factsOf(options));
  }
  return replay;
};

/** Whether it was done already, perhaps by a process that died before it could say so. */
const isDone = async (c: Coordination, replay: Replay, direction: Direction): Promise<boolean> =>
  direction === 'forward' ? replay.state === 'done' : replay.state === 'ready' && isRolledBack(replay, await resolveMembers(c, replay));

/**
 * Moves readers of all members to the other side in one step, forward or back; goes on with an interrupted one, and turns
 * one that was interrupted on its way in the other direction. What is done stays done.
 * @throws RefoldError `replay.wrong-state`, `replay.no-worker`, `hold.timed-out`, `cutover.incompatible-columns`, `cutover.dependents`,
 *   `cutover.lock-timeout`, `cutover.old-snapshots`, `cutover.more-parked`, `cutover.rules-failed`
 */
export const switchOver = async (c: Coordination, lease: Lease, given: Replay, direction: Direction, options: SwitchOptions = {}): Promise<void> => {
  if (await isDone(c, given, direction)) {
    return;
  }
  const replay = await (given.state === 'cutting-over' ? resume : begin)(c, lease, given, direction, options);
  const allowed = permissionOf(await c.journal.steps(replay.id));
  await switchAll(c, lease, replay, allowed).catch((error: unknown) => giveUp(c, lease, replay, error));
  await tell(c, replay.id, direction === 'forward' ? 'done' : 'ready');
};
