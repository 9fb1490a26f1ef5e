import { RefoldError } from '../kernel/errors';
import type { Generation, StoreKind } from '../projections/generations';
import type { ReadModelStore } from '../projections/read-model-store';
import type { Coordination } from './parts';
import type { GenerationPair, StoreSwitch } from './ports';
import type { Replay, ReplayMember } from './replay';
import { isOpen, type Direction } from './states';

/** A member with its generations as they are now. */
export interface ResolvedMember {
  readonly member: ReplayMember;
  readonly from: Generation;
  /** By name, so that one created just before a crash is found too. */
  readonly to: Generation | undefined;
}

export const resolveMembers = async (c: Coordination, replay: Replay): Promise<readonly ResolvedMember[]> => {
  const generations = await c.catalog.list();
  return replay.members.map((member) => {
    const from = generations.find(({ id }) => id === member.fromId);
    if (from === undefined) {
      throw new RefoldError('internal.invariant', 'a generation of a replay is gone', { facts: { replay: replay.id, generation: member.fromId } });
    }
    const to = generations.find((g) => g.projection === member.projection && g.store === member.store && g.version === member.version && g.run === member.run);
    return { member, from, to };
  });
};

/** Both sides of every member, in the direction of a switch. @throws RefoldError `replay.wrong-state` if a candidate is not there */
export const resolvePairs = async (c: Coordination, replay: Replay, direction: Direction = 'forward'): Promise<readonly GenerationPair[]> =>
  (await resolveMembers(c, replay)).map(({ member, from, to }) => {
    if (to === undefined || from.status === 'retired' || to.status === 'retired') {
      const facts = { replay: replay.id, projection: member.projection, from: from.status, to: to?.status };
      throw new RefoldError('replay.wrong-state', 'a generation of this replay is retired', {
        facts,
        remedy: isOpen(replay.state)
          ? 'Abort this replay and start another.'
          : 'Nobody can go back to it. Rebuild its version with `refold replay start NAME@VERSION`.',
      });
    }
    return direction === 'forward' ? { from, to } : { from: to, to: from };
  });

const byKind = <T>(kinds: ReadonlyMap<StoreKind, T>, kind: StoreKind): T => {
  const found = kinds.get(kind);
  if (found === undefined) {
    throw new RefoldError('config.invalid', `no ${kind} store is configured`, { facts: { store: kind } });
  }
  return found;
};

export const storeOf = (c: Coordination, kind: StoreKind): ReadModelStore => byKind(c.stores, kind);
export const switchOf = (c: Coordination, kind: StoreKind): StoreSwitch => byKind(c.switches, kind);

/** The pairs by store, in the recorded order in which the stores switch: pairs come in the order of the members. */
export const pairsByStore = (c: Coordination, pairs: readonly GenerationPair[]): readonly (readonly [StoreSwitch, readonly GenerationPair[]])[] =>
  [...new Set(pairs.map(({ to }) => to.store))].map((kind) => [switchOf(c, kind), pairs.filter(({ to }) => to.store === kind)] as const);
