/** Things by what `keyOf` says of each; groups in order of their first thing, things of a group in the order given. */
export const groupBy = <K, T>(things: readonly T[], keyOf: (thing: T) => K): Map<K, T[]> => {
  const groups = new Map<K, T[]>();
  for (const thing of things) {
    const key = keyOf(thing);
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, [thing]);
    } else {
      group.push(thing);
    }
  }
  return groups;
};
