import { RefoldError, isRefoldError, messageOf } from '../../kernel/errors';
import type { DecodedEvent } from '../../events/event-serde';
import type { Handler, ProjectionDefinition } from '../definition';
import type { EventContext } from '../event-context';
import type { DecodedRecord } from './decoded';
import type { RecordPlace } from './fold-step';

const factsOf = (definition: ProjectionDefinition, event: DecodedEvent, place: RecordPlace) => ({
  projection: `${definition.name} v${String(definition.version)}`,
  event: event.type,
  key: event.key,
  topic: place.topic,
  partition: place.partition,
  offset: place.offset,
});

/** What was thrown while one event was folded, with the projection, the event and the position. */
export const errorAtEvent = (definition: ProjectionDefinition, event: DecodedEvent, place: RecordPlace, error: unknown): RefoldError => {
  const facts = factsOf(definition, event, place);
  return isRefoldError(error)
    ? new RefoldError(error.code, error.summary, { facts: { ...error.facts, ...facts }, remedy: error.remedy, cause: error.cause ?? error })
    : new RefoldError('handler.failed', `the handler of ${event.type} threw: ${messageOf(error)}`, { facts, cause: error });
};

export const handlerOf = (definition: ProjectionDefinition, event: DecodedEvent): Handler => {
  const handler = definition.handlers.get(event.type);
  if (handler === undefined) {
    throw new RefoldError('internal.invariant', `an event of type ${event.type} was decoded for a projection that does not handle it`);
  }
  return handler;
};

/** Made for every event, so nothing is computed before it is asked for. */
export class HandledEvent implements EventContext {
  constructor(
    private readonly record: DecodedRecord,
    private readonly event: DecodedEvent,
    private readonly place: Omit<RecordPlace, 'streamTime'>,
  ) {}

  get position(): EventContext['position'] {
    const { topic, partition, offset } = this.place;
    return { topic, partition, offset };
  }

  get index(): number {
    return this.event.index;
  }

  get eventId(): string {
    return this.record.id;
  }

  get key(): string {
    return this.event.key;
  }

  get time(): Date {
    return new Date(this.event.time);
  }
}
