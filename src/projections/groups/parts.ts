import type { Part } from './kept-group';

type Parts = readonly Part[];

/** Index of the first part that does not begin before `start`. */
export const partAt = (parts: Parts, start: number): number => {
  let [low, high] = [0, parts.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (parts[middle]!.start < start) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
};

export const partFrom = (parts: Parts, start: number): Part | undefined => {
  const part = parts[partAt(parts, start)];
  return part?.start === start ? part : undefined;
};

/** The parts with this one in the place of the one that begins where it does, if there is one. */
export const withPart = (parts: Parts, part: Part): Parts => {
  const at = partAt(parts, part.start);
  return [...parts.slice(0, at), part, ...parts.slice(parts[at]?.start === part.start ? at + 1 : at)];
};

/** Those from the first on that is needed still. */
export const partsFrom = (parts: Parts, isNeeded: (part: Part) => boolean): Parts => {
  const first = parts.findIndex(isNeeded);
  return first === 0 ? parts : first < 0 ? [] : parts.slice(first);
};

/** Whether any part begins in `[from, to)`. */
export const isAnyIn = (parts: Parts, from: number, to: number): boolean => (parts[partAt(parts, from)]?.start ?? Infinity) < to;
