import { RefoldError, isRefoldError } from '../kernel/errors';
import { generationLabel, type Generation } from '../projections/generations';
import { leased } from './lease';
import { resolveMembers, switchOf, type ResolvedMember } from './members';
import { move, tell, type Coordination } from './parts';
import type { Lease } from './ports';
import type { Replay } from './replay';
import { legalCommands, requirePhaseAfter } from './states';

/** Ten years: what is to stay longer need not be retired. */
const LONGEST_DELAY_MS = 3_650 * 86_400_000;

/** @throws RefoldError `duration.invalid` */
export const requireDelay = (delayMs: number): number => {
  if (!Number.isSafeInteger(delayMs) || delayMs < 0 || delayMs > LONGEST_DELAY_MS) {
    throw new RefoldError('duration.invalid', 'the tables of a retired generation are dropped after 0 to 3,650 days', { facts: { delayMs } });
  }
  return delayMs;
};

/** Tables that could not be dropped although it was time; they are tried again. */
export interface DropFailure {
  readonly generation: string;
  readonly error: RefoldError;
}

/** Again after a crash: a table that is gone is not missed. */
const dropOne = async (c: Coordination, lease: Lease | undefined, generation: Generation): Promise<void> => {
  await switchOf(c, generation.store).drop(generation);
  await c.retirements.dropped(lease, generation, c.by);
  if (lease !== undefined) {
    await tell(c, lease.replayId, 'retiring:dropped', { generation: generationLabel(generation) });
  }
};

/** What is due now of one replay, or of none; asked again under the lease because the time may have been changed. */
const dueOf = async (c: Coordination, replayId: number | undefined): Promise<readonly Generation[]> => {
  const ids = (await c.retirements.due()).find((due) => due.replayId === replayId)?.generationIds ?? [];
  return (await c.catalog.list()).filter(({ id, store }) => ids.includes(id) && c.switches.has(store));
};

const dropDue = async (c: Coordination, lease: Lease): Promise<void> => {
  for (const generation of await dueOf(c, lease.replayId)) {
    await dropOne(c, lease, generation);
  }
};

const attempt = async (c: Coordination, lease: Lease | undefined, generations: readonly Generation[]): Promise<readonly DropFailure[]> => {
  const failures: DropFailure[] = [];
  for (const generation of generations) {
    try {
      await dropOne(c, lease, generation);
    } catch (error) {
      if (!isRefoldError(error) || error.code === 'replay.lease-held') {
        throw error;
      }
      failures.push({ generation: generationLabel(generation), error });
    }
  }
  return failures;
};

/**
 * Drops the tables of retired generations whose time has come, by the database's clock; any process may come by. A replay
 * that another process coordinates is left to that one, or to who comes by next. Answers what could not be dropped.
 */
export const dropRetired = async (c: Coordination): Promise<readonly DropFailure[]> => {
  const failures: DropFailure[] = [];
  for (const { replayId } of await c.retirements.due()) {
    try {
      failures.push(
        ...(replayId === undefined
          ? await attempt(c, undefined, await dueOf(c, undefined))
          : await leased(c, replayId, async (lease) => attempt(c, lease, await dueOf(c, replayId)))),
      );
    } catch (error) {
      if (!isRefoldError(error, 'replay.lease-held')) {
        throw error;
      }
    }
  }
  return failures;
};

const stop = async (c: Coordination, lease: Lease, generations: readonly Generation[], delayMs: number, step: 'retiring' | 'aborting'): Promise<void> => {
  for (const generation of generations) {
    await c.retirements.retire(lease, generation, delayMs);
    await tell(c, lease.replayId, `${step}:retired`, { generation: generationLabel(generation) });
  }
};

const candidatesOf = (members: readonly ResolvedMember[]): readonly Generation[] => members.flatMap(({ to }) => (to === undefined ? [] : [to]));

/** Whether readers were moved back: the rebuilt generations follow as standby. */
export const isRolledBack = (replay: Replay, members: readonly ResolvedMember[]): boolean =>
  replay.state === 'ready' && members.some(({ to }) => to?.status === 'standby');

/** Nothing is retired by what the control schema believes that readers see: a switch may have come through unrecorded. */
const askViews = async (c: Coordination, members: readonly ResolvedMember[]): Promise<void> => {
  for (const store of new Set(members.map(({ member }) => member.store))) {
    await switchOf(c, store).reconcile();
  }
};

/** A comparison that was interrupted may have left a copy of what readers see; those of the candidates go with them. */
const removeComparisons = async (c: Coordination, replay: Replay, members: readonly ResolvedMember[]): Promise<void> => {
  for (const { from } of replay.state === 'verifying' ? members : []) {
    await switchOf(c, from.store).removeComparison(from);
  }
};

/** Stops what was rebuilt and drops it at once; goes on with an interrupted one. What is aborted stays so. @throws RefoldError `replay.wrong-state` */
export const abort = async (c: Coordination, lease: Lease, replay: Replay, reason?: string): Promise<void> => {
  if (replay.state === 'aborted') {
    await dropDue(c, lease);
    return;
  }
  requirePhaseAfter(replay.id, replay, 'abort');
  const members = await resolveMembers(c, replay);
  await askViews(c, members);
  const candidates = candidatesOf(members);
  await removeComparisons(c, replay, members);
  await stop(c, lease, candidates, 0, 'aborting');
  await move(c, lease, replay, 'abort', { facts: { reason, retired: candidates.map(generationLabel) } });
  await dropDue(c, lease);
};

/**
 * Stops the side that readers do not see: after a cutover the former generations, after a rollback the rebuilt ones, which
 * ends the replay. Their tables are dropped `delayMs` later; the same command again changes that time until they are
 * dropped. @returns labels of what is retired
 * @throws RefoldError `replay.wrong-state`
 */
export const retire = async (c: Coordination, lease: Lease, replay: Replay, delayMs: number, reason?: string): Promise<readonly string[]> => {
  const members = await resolveMembers(c, replay);
  const retired = members.some(({ to }) => to?.status === 'retired');
  if (replay.state !== 'done' && !retired && !isRolledBack(replay, members)) {
    const facts = { replay: replay.id, state: replay.state, legal: legalCommands(replay) };
    throw new RefoldError('replay.wrong-state', 'there is nothing to retire before a cutover', { facts });
  }
  const side = replay.state === 'done' ? members.map(({ from }) => from) : candidatesOf(members);
  const labels = side.map(generationLabel);
  const kept = side.filter(({ droppedAt }) => droppedAt === undefined);
  if (kept.length === 0) {
    return labels;
  }
  await askViews(c, members);
  await stop(c, lease, kept, delayMs, 'retiring');
  const facts = { reason, retired: kept.map(generationLabel), side: replay.state === 'done' ? 'from' : 'to', dropAfterMs: delayMs };
  if (replay.state === 'done' || replay.state === 'aborted') {
    const phase = { state: replay.state, direction: replay.direction };
    await c.journal.transition(lease, { from: phase, to: phase, by: c.by, facts });
    await tell(c, replay.id, 'retired', facts);
  } else {
    await move(c, lease, replay, 'abort', { facts });
  }
  await dropDue(c, lease);
  return labels;
};
