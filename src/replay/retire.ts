import { RefoldError } from '../kernel/errors';
import { generationLabel, type Generation } from '../projections/generations';
import { resolveMembers, switchOf, type ResolvedMember } from './members';
import { move, tell, type Coordination } from './parts';
import type { Lease } from './ports';
import type { Replay } from './replay';
import { legalCommands, requirePhaseAfter } from './states';

const stopAndDrop = async (c: Coordination, lease: Lease, replay: Replay, generations: readonly Generation[], step: 'retiring' | 'aborting'): Promise<void> => {
  for (const generation of generations) {
    const facts = { generation: generationLabel(generation) };
    const store = switchOf(c, generation.store);
    await store.retire(lease, generation);
    await tell(c, replay.id, `${step}:retired`, facts);
    await store.drop(generation);
    await tell(c, replay.id, `${step}:dropped`, facts);
  }
};

const candidatesOf = (members: readonly ResolvedMember[]): readonly Generation[] => members.flatMap(({ to }) => (to === undefined ? [] : [to]));

/** Whether readers were moved back: the rebuilt generations follow as standby. */
export const isRolledBack = (replay: Replay, members: readonly ResolvedMember[]): boolean =>
  replay.state === 'ready' && members.some(({ to }) => to?.status === 'standby');

/** Stops what was rebuilt and drops it. @throws RefoldError `replay.wrong-state` */
export const abort = async (c: Coordination, lease: Lease, replay: Replay): Promise<void> => {
  requirePhaseAfter(replay.id, replay, 'abort');
  const candidates = candidatesOf(await resolveMembers(c, replay));
  await stopAndDrop(c, lease, replay, candidates, 'aborting');
  await move(c, lease, replay, 'abort', { facts: { retired: candidates.map(generationLabel) } });
};

/**
 * Stops and drops the side that readers do not see: after a cutover the former generations, after a rollback the rebuilt
 * ones, which ends the replay. @returns labels of what was retired
 * @throws RefoldError `replay.wrong-state`
 */
export const retire = async (c: Coordination, lease: Lease, replay: Replay): Promise<readonly string[]> => {
  const members = await resolveMembers(c, replay);
  if (isRolledBack(replay, members)) {
    const rebuilt = candidatesOf(members);
    await stopAndDrop(c, lease, replay, rebuilt, 'retiring');
    await move(c, lease, replay, 'abort', { facts: { retired: rebuilt.map(generationLabel), side: 'to' } });
    return rebuilt.map(generationLabel);
  }
  if (replay.state !== 'done') {
    const facts = { replay: replay.id, state: replay.state, legal: legalCommands(replay) };
    throw new RefoldError('replay.wrong-state', 'there is nothing to retire before a cutover', { facts });
  }
  const former = members.map(({ from }) => from);
  await stopAndDrop(c, lease, replay, former, 'retiring');
  const phase = { state: replay.state, direction: replay.direction };
  await c.journal.transition(lease, { from: phase, to: phase, by: c.by, facts: { retired: former.map(generationLabel), side: 'from' } });
  await tell(c, replay.id, 'retired');
  return former.map(generationLabel);
};
