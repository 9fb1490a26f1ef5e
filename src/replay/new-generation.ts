import type { EventLog } from '../events/event-log';
import { partitionId } from '../events/position';
import { projectionKey, type ProjectionDefinition } from '../projections/definition';
import type { NewGeneration, StoreKind } from '../projections/generations';

/** A generation of a definition that begins where the log begins; the heads of now are what it has to reach. */
export const newGeneration = async (
  { log, descriptions }: { readonly log: EventLog; readonly descriptions?: ReadonlyMap<string, unknown> },
  definition: ProjectionDefinition,
  name: { readonly store: StoreKind; readonly run: number; readonly viewSchema: string; readonly firstBuild: boolean },
): Promise<NewGeneration> => {
  const heads = await log.heads(definition.topics);
  return {
    ...name,
    projection: definition.name,
    version: definition.version,
    model: definition.model.name,
    topics: definition.topics,
    definitionHash: definition.hash,
    sourceHash: definition.sourceHash,
    definition: descriptions?.get(projectionKey(definition)) ?? {},
    headsAtStart: Object.fromEntries(heads.map((head) => [partitionId(head), head.stable])),
    begin: heads.map(({ topic, partition, start }) => ({ topic, partition, offset: start })),
  };
};
