import { AvroSerde } from '../events/adapters/avro/serde';
import { MemoryEventLog } from '../events/adapters/memory/memory-event-log';
import { MemorySchemaRegistry } from '../events/adapters/memory/schema-registry';
import { NO_ERRATA } from '../events/errata';
import { EventTypes } from '../events/event-types';
import { eventTypeOf, type EventClass } from '../events/event-type';
import { partitionId } from '../events/position';
import { RefoldError } from '../kernel/errors';
import { MemoryCatalog } from '../projections/adapters/memory/control';
import { MemoryReadModelStore } from '../projections/adapters/memory/store';
import { projectionDefinition, projectionFaults } from '../projections/definition';
import { decodeBatches } from '../projections/engine/decoded';
import { foldBatches, touchedKeys } from '../projections/engine/fold';
import { NOTHING_DECIDED } from '../projections/partition-decisions';
import type { AnyProjection } from '../projections/projection';
import type { ReadModel, Row } from '../projections/read-model';
import { newGeneration } from '../projections/new-generation';
import { projectionSource } from '../projections/projection';

/** What `foldEvents` answers. */
export interface FoldedModel<R> {
  /** Rows by key, as readers of the view would see them. */
  readonly rows: readonly R[];
  /** Number of contributions that came too late for their window. */
  readonly late: number;
}

type RowsOf<P> = P extends new () => { readonly into: infer M } ? RowOfModel<M> : P extends { readonly into: infer M } ? RowOfModel<M> : never;
type RowOfModel<M> = M extends ReadModel ? Row<M> : never;

/**
 * Folds events with a projection in memory, through the same engine and the same serialisation as in production:
 * for unit tests of projections. All events lie in one partition, in the order given.
 * @throws RefoldError whatever would stop the partition: `handler.failed`, `row.invalid`, ...; `definition.invalid`
 */
export const foldEvents = async <P extends AnyProjection>(given: P, events: readonly object[]): Promise<FoldedModel<RowsOf<P>>> => {
  const source = projectionSource(given);
  const classes = [...new Set([...source.handlers.map(({ event }) => event), ...events.map((event) => event.constructor as EventClass)])];
  const faults = projectionFaults(source, new Set(classes));
  if (faults.length > 0) {
    throw new RefoldError('definition.invalid', faults.join('\n'));
  }
  const definition = projectionDefinition(source, { types: classes.map(eventTypeOf) });
  const serde = new AvroSerde({ types: new EventTypes(classes), registry: new MemorySchemaRegistry(), source: 'test' });
  const log = new MemoryEventLog();
  const catalog = new MemoryCatalog({ app: 'test' });
  const store = new MemoryReadModelStore({ catalog });
  await serde.start();
  await log.createTopics(definition.topics.map((topic) => ({ topic, partitions: 1 })));
  await log.append(events.map((event) => ({ ...serde.encode(event), partition: 0 })));
  const begin = definition.topics.map((topic) => ({ topic, partition: 0, offset: 0 }));
  const { kind, viewSchema } = store;
  const generation = await catalog.create(await newGeneration(log, definition, { store: kind, run: 1, viewSchema, firstBuild: true }));
  await store.provision(generation);
  const opened = await store.open(generation, definition);
  const checkpoints = await opened.claim(begin, 'test');
  const decoder = serde.decoder(definition.events, definition.reading);
  const batches = await Promise.all(begin.map((position) => log.read(position, { maxRecords: Math.max(1, events.length) })));
  const decoded = await decodeBatches(batches, decoder, { decisions: [], errata: NO_ERRATA, folding: NOTHING_DECIDED });
  const standings = new Map(checkpoints.map((checkpoint) => [partitionId(checkpoint), checkpoint]));
  const folding = decoded.map((result) => result.decoded);
  const folded = foldBatches(definition, generation.storage, folding, standings, await opened.load(touchedKeys(definition, folding)));
  const failure = decoded.flatMap((result) => result.failure ?? [])[0] ?? folded.failures[0];
  if (failure !== undefined) {
    throw failure.error as Error;
  }
  await opened.commit(folded.commit);
  return { rows: store.rows(generation.id) as unknown as readonly RowsOf<P>[], late: store.late(generation.id).length };
};
