import { RefoldError, isRefoldError } from '../kernel/errors';
import { generationLabel, type Generation } from '../projections/generations';
import { newGeneration } from '../projections/new-generation';
import { resolveMembers, storeOf, type ResolvedMember } from './members';
import { move, tell, type Coordination } from './parts';
import type { Lease } from './ports';
import { requireDefinition } from './preflight';
import type { Replay } from './replay';

const createCandidate = async (c: Coordination, replay: Replay, { member, from }: ResolvedMember): Promise<Generation> => {
  const definition = requireDefinition(c.definitions, { name: member.projection, version: member.version });
  const { store, run } = member;
  const wanted = await newGeneration(c.log, definition, { store, run, viewSchema: from.viewSchema, firstBuild: false });
  const created = await c.catalog.create(wanted).catch(async (error: unknown) => {
    const other = (await c.catalog.list()).find((g) => g.projection === member.projection && g.store === store && g.status === 'candidate');
    if (other !== undefined && isRefoldError(error, 'store.failed')) {
      throw new RefoldError('replay.candidate-exists', `${generationLabel(other)} is a candidate already`, { facts: { replay: replay.id }, cause: error });
    }
    throw error;
  });
  if (created.status === 'retired') {
    const facts = { replay: replay.id, generation: generationLabel(created) };
    throw new RefoldError('replay.wrong-state', 'the candidate is retired already', { facts, remedy: 'Abort this replay and start another.' });
  }
  if (created.definitionHash !== definition.hash) {
    throw new RefoldError('generation.definition-changed', `the code of ${generationLabel(created)} has changed since the replay was started`, {
      facts: { replay: replay.id, generation: generationLabel(created) },
      remedy: 'Abort this replay, raise the version of the projection and start another.',
    });
  }
  return created;
};

/** Creates candidates and their tables; again after a crash, whatever exists is kept. */
export const provision = async (c: Coordination, lease: Lease, replay: Replay): Promise<Replay> => {
  const heads: Record<string, unknown> = {};
  for (const resolved of await resolveMembers(c, replay)) {
    const { member } = resolved;
    const generation = await createCandidate(c, replay, resolved);
    await c.journal.assign(lease, member, generation.id);
    await tell(c, replay.id, 'provisioning:generation-created', { generation: generationLabel(generation) });
    await storeOf(c, member.store).provision(generation, requireDefinition(c.definitions, { name: member.projection, version: member.version }));
    await tell(c, replay.id, 'provisioning:table-created', { generation: generationLabel(generation) });
    heads[generationLabel(generation)] = generation.headsAtStart;
  }
  return move(c, lease, replay, 'provisioned', { facts: { heads } });
};
