import { RefoldError } from '../kernel/errors';
import { eventTypeOf, type EventClass, type EventTypeDefinition } from './event-type';

/** The event types of one application, by name and by class. There is no global registry. */
export class EventTypes {
  readonly #byName = new Map<string, EventTypeDefinition>();
  readonly #byClass = new Map<EventClass, EventTypeDefinition>();

  /** Faults (duplicates) are the caller's to find first: see `defineApp`. @throws RefoldError `event.not-registered` for a class without `@EventType` */
  constructor(classes: readonly EventClass[]) {
    for (const target of classes) {
      const definition = eventTypeOf(target);
      this.#byName.set(definition.name, definition);
      this.#byClass.set(target, definition);
    }
  }

  all(): readonly EventTypeDefinition[] {
    return [...this.#byName.values()];
  }

  /** The topics of all event types, sorted. */
  topics(): readonly string[] {
    return [...new Set(this.all().map((type) => type.topic))].sort();
  }

  byName(name: string): EventTypeDefinition | undefined {
    return this.#byName.get(name);
  }

  /** @throws RefoldError `event.not-registered` */
  byClass(target: EventClass): EventTypeDefinition {
    const definition = this.#byClass.get(target);
    if (definition === undefined) {
      throw new RefoldError('event.not-registered', `event class ${target.name} is not registered`);
    }
    return definition;
  }

  /** @throws RefoldError `event.not-registered` */
  of(event: object): EventTypeDefinition {
    return this.byClass(event.constructor as EventClass);
  }
}
