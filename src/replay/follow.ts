import { lagOf, reachedHeads } from './progress';
import { generationLabel } from '../projections/generations';
import { resolvePairs, storeOf } from './members';
import { move, tell, type Coordination } from './parts';
import type { Lease } from './ports';
import { requireDefinition } from './preflight';
import type { Replay } from './replay';

/** Indexes, while workers go on: many rows are written faster without them, and sorted once they are made faster. */
const completeTables = async (c: Coordination, replay: Replay): Promise<void> => {
  for (const { to } of await resolvePairs(c, replay)) {
    const definition = requireDefinition(c.definitions, { name: to.projection, version: to.version });
    const made = await storeOf(c, to.store).complete?.(to, definition);
    if (made !== undefined) {
      await tell(c, replay.id, 'replaying:table-completed', { generation: generationLabel(to), made });
    }
  }
};

/** From replaying to catching-up once every candidate has folded what there was at the start. */
export const followToHeads = async (c: Coordination, lease: Lease, replay: Replay): Promise<Replay | undefined> => {
  for (const { to } of await resolvePairs(c, replay)) {
    if (!reachedHeads(to, await c.catalog.checkpoints(to.id))) {
      return undefined;
    }
  }
  await completeTables(c, replay);
  return move(c, lease, replay, 'reached-heads');
};

/** From catching-up to verifying once every candidate is so near the head that a hold can bring both sides together. */
export const catchUp = async (c: Coordination, lease: Lease, replay: Replay): Promise<Replay | undefined> => {
  for (const { to } of await resolvePairs(c, replay)) {
    const [checkpoints, heads] = [await c.catalog.checkpoints(to.id), await c.log.heads(to.topics)];
    if (lagOf(checkpoints, heads) > c.options.catchUpLag) {
      return undefined;
    }
  }
  return move(c, lease, replay, 'caught-up');
};
