import type { EventLog } from '../events/event-log';
import { partitionId } from '../events/position';
import { storageIn, type ProjectionDefinition } from './definition';
import type { NewGeneration, StoreKind } from './generations';
import { describedColumns } from './read-model';

/** A generation of a definition that begins where the log begins; the heads of now are what it has to reach. */
export const newGeneration = async (
  log: EventLog,
  definition: ProjectionDefinition,
  name: { readonly store: StoreKind; readonly run: number; readonly viewSchema: string; readonly firstBuild: boolean },
): Promise<NewGeneration> => {
  const heads = await log.heads(definition.topics);
  return {
    ...name,
    projection: definition.name,
    version: definition.version,
    model: definition.model.name,
    storage: storageIn(definition, name.store),
    columns: describedColumns(definition.model.columns),
    publication: definition.publication,
    topics: definition.topics,
    definitionHash: definition.hash,
    sourceHash: definition.sourceHash,
    definition: definition.description,
    headsAtStart: Object.fromEntries(heads.map((head) => [partitionId(head), head.stable])),
    begin: heads.map(({ topic, partition, start }) => ({ topic, partition, offset: start })),
  };
};
