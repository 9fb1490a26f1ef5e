import type { DedupeDefinition } from '../refinements';
import type { KeptGroup } from './kept-group';
import { UNASSIGNED, type Windowing } from './stepping';

const NONE: ReadonlyMap<string, number> = new Map();

/** What is remembered at a stream time, with one more. */
const remembered = ({ seen = NONE }: KeptGroup, id: string, streamTime: number, withinMs: number): ReadonlyMap<string, number> => {
  const kept = new Map(seen);
  for (const [one, at] of kept) {
    if (streamTime - at < withinMs) {
      break; // the oldest comes first
    }
    kept.delete(one);
  }
  return kept.set(id, streamTime);
};

/** Leaves out what a group has had within so much stream time. What was late was not had. */
export const deduplicatedWindowing = (windowing: Windowing, { withinMs }: DedupeDefinition): Windowing => ({
  ...windowing,
  step: (kept, adding, streamTime) => {
    const { id } = adding;
    const at = id === undefined ? undefined : kept.seen?.get(id);
    if (at !== undefined && streamTime - at < withinMs) {
      return UNASSIGNED;
    }
    const stepped = windowing.step(kept, adding, streamTime);
    if (stepped.status !== 'added' || id === undefined) {
      return stepped;
    }
    return { ...stepped, kept: { ...stepped.kept, seen: remembered(kept, id, streamTime, withinMs) } };
  },
});
