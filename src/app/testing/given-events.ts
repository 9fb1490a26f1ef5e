import { AvroSerde } from '../../events/adapters/avro/serde';
import { MemoryEventLog } from '../../events/adapters/memory/memory-event-log';
import { MemorySchemaRegistry } from '../../events/adapters/memory/schema-registry';
import type { EventSerde } from '../../events/event-serde';
import { eventTypeOf, type EventClass } from '../../events/event-type';
import { EventTypes } from '../../events/event-types';
import { RefoldError } from '../../kernel/errors';
import { projectionDefinition, projectionFaults, type ProjectionDefinition } from '../../projections/definition';
import { projectionSource, type AnyProjection } from '../../projections/projection';

/** A log that holds the events of a test, and the projection to fold them. */
export interface GivenEvents {
  readonly log: MemoryEventLog;
  readonly serde: EventSerde;
  /** Each call makes a projection anew, as a process that starts does. */
  readonly definition: () => ProjectionDefinition;
}

/** Writes events to a log in memory, the same way as in production. @throws RefoldError `definition.invalid`, `event.invalid` */
export const givenEvents = async (projection: AnyProjection, events: readonly object[], partitions: number): Promise<GivenEvents> => {
  const source = projectionSource(projection);
  const classes = [...new Set([...source.handlers.map(({ event }) => event), ...events.map((event) => event.constructor as EventClass)])];
  const faults = projectionFaults(source, new Set(classes));
  if (faults.length > 0) {
    throw new RefoldError('definition.invalid', faults.join('\n'));
  }
  const types = classes.map(eventTypeOf);
  const definition = (): ProjectionDefinition => projectionDefinition(projectionSource(projection), { types });
  const serde = new AvroSerde({ types: new EventTypes(classes), registry: new MemorySchemaRegistry(), source: 'test' });
  const log = new MemoryEventLog();
  await serde.start();
  const topics = [...new Set([...definition().topics, ...types.map(({ topic }) => topic)])];
  await log.createTopics(topics.map((topic) => ({ topic, partitions })));
  await log.append(events.map((event) => serde.encode(event)));
  return { log, serde, definition };
};
