import { RefoldError } from '../kernel/errors';

/** Which projections and reactors a worker works on: those named and those with one of the tags; all where neither is said. */
export interface Selection {
  /** Names; a projection is chosen in all its versions. */
  readonly only?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
}

export interface Selectable {
  readonly name: string;
  readonly tags: readonly string[];
}

const refuseUnknown = (what: string, wanted: readonly string[], known: readonly string[]): void => {
  const unknown = wanted.filter((one) => !known.includes(one));
  if (unknown.length > 0) {
    const names = [...new Set(known)].sort();
    throw new RefoldError('config.invalid', `no projection or reactor has the ${what} ${unknown.join(', ')}; known are ${names.join(', ') || 'none'}`, {
      facts: { unknown, known: names },
    });
  }
};

/**
 * Pure: answers whether one of the things is chosen.
 * @throws RefoldError `config.invalid` for a name or tag that nothing has, with the known ones
 */
export const selecting = ({ only, tags }: Selection, all: readonly Selectable[]): ((one: Selectable) => boolean) => {
  refuseUnknown(
    'name',
    only ?? [],
    all.map(({ name }) => name),
  );
  refuseUnknown(
    'tag',
    tags ?? [],
    all.flatMap((one) => one.tags),
  );
  return (one) => (only === undefined && tags === undefined) || only?.includes(one.name) === true || one.tags.some((tag) => tags?.includes(tag) === true);
};
