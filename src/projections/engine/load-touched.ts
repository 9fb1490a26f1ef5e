import type { ProjectionDefinition } from '../definition';
import type { GenerationStore, StampedRow } from '../read-model-store';
import { groupParts } from './brought';
import type { DecodedBatch } from './decoded';
import { factsWriting } from './facts';
import { isFactsId } from './facts-id';
import { touchedKeys } from './fold';

/** The groups from which what is replaced is taken back: only the rows of facts say them. */
const linkedGroups = (definition: ProjectionDefinition, rows: ReadonlyMap<string, StampedRow>): readonly string[] => {
  if (definition.refinements.replaces !== true) {
    return [];
  }
  const writing = factsWriting(definition, groupParts(definition));
  return [...rows].flatMap(([id, { row }]) => (isFactsId(id) ? writing.fromJson(row['_state']).map((fact) => fact.id) : []));
};

/** Loads everything that folding these batches may touch; `asked` says how many rows were asked for. */
export const loadTouched = async (
  definition: ProjectionDefinition,
  store: Pick<GenerationStore, 'load'>,
  batches: readonly DecodedBatch[],
): Promise<{ readonly rows: ReadonlyMap<string, StampedRow>; readonly asked: number }> => {
  const keys = touchedKeys(definition, batches);
  const rows = await store.load(keys);
  const known = new Set(keys);
  const linked = [...new Set(linkedGroups(definition, rows))].filter((id) => !known.has(id));
  return linked.length === 0 ? { rows, asked: keys.length } : { rows: new Map([...rows, ...(await store.load(linked))]), asked: keys.length + linked.length };
};
