import { lagOf, reachedHeads } from './progress';
import { resolvePairs } from './members';
import { move, type Coordination } from './parts';
import type { Lease } from './ports';
import type { Replay } from './replay';

/** From replaying to catching-up once every candidate has folded what there was at the start. */
export const followToHeads = async (c: Coordination, lease: Lease, replay: Replay): Promise<Replay | undefined> => {
  for (const { to } of await resolvePairs(c, replay)) {
    if (!reachedHeads(to, await c.catalog.checkpoints(to.id))) {
      return undefined;
    }
  }
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
