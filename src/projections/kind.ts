import type { MeasureStorage } from './generations';
import type { ProjectionSource } from './projection';
import { refinedBy } from './refinements';
import { windowsIn } from './windows/several';

/**
 * row-fold: keyed by the event key, any fold; merged: rows of aggregates that a store can add to, grouped by anything; grouped:
 * rows of aggregates and windows that need more than their rows to go on, grouped by what lies in one partition.
 */
export type ProjectionKind = 'row-fold' | 'merged' | 'grouped';

/** Why more has to be kept of groups than their rows, whatever storage is said; undefined where stores can add to rows. */
const reasonToKeep = (source: ProjectionSource): string | undefined => {
  const { into } = source;
  const [refined] = refinedBy(source);
  if (refined !== undefined) {
    return refined === 'trigger' ? 'a trigger' : refined;
  }
  const kept = windowsIn(source.window).find(({ window: { kind } }) => kind === 'session' || kind === 'sliding');
  if (kept !== undefined) {
    return `a ${kept.window.kind} window`;
  }
  const made = into.definition.measures.find(({ aggregate, law }) => aggregate !== undefined && law === undefined);
  return made === undefined ? undefined : `column ${made.name}, which is made by ${made.aggregate!.name}`;
};

/** Call only for a source without faults. */
export const kindOf = (source: ProjectionSource): ProjectionKind =>
  !source.into.definition.mergeable ? 'row-fold' : source.storage === 'groups' || reasonToKeep(source) !== undefined ? 'grouped' : 'merged';

/** The storage that was said, if something else would be chosen without it. */
export const decisiveStorage = (source: ProjectionSource): MeasureStorage | undefined =>
  source.storage === 'merged' || (source.storage === 'groups' && reasonToKeep(source) !== undefined) ? undefined : source.storage;

/** What is wrong with the storage that was said. */
export const storageFaults = (source: ProjectionSource): readonly string[] => {
  const { storage, stores, into } = source;
  if (storage === undefined) {
    return [];
  }
  if (!into.definition.mergeable) {
    return ['storage is a choice of models with measures: rows without measures are kept one per key'];
  }
  const reason = reasonToKeep(source);
  if (storage !== 'groups' && reason !== undefined) {
    return [`storage '${storage}' cannot be had with ${reason}: leave storage out, and it is 'groups'`];
  }
  return storage === 'merged' && stores.includes('clickhouse')
    ? ["storage 'merged' cannot be had in ClickHouse, which cannot add to a row in place: leave storage out, and other stores keep merged rows all the same"]
    : [];
};
