import { isRefoldError, messageOf } from '../kernel/errors';
import { EventCodec } from '../events/adapters/avro/event-codec';
import { findEventType, type EventClass, type EventTypeDefinition } from '../events/event-type';

/** Names that stand more than once. */
export const duplicates = (names: readonly string[]): readonly string[] => [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];

const schemaFaults = (types: readonly EventTypeDefinition[]): readonly string[] =>
  types.flatMap((type) => {
    try {
      void new EventCodec(type);
      return [];
    } catch (error) {
      return [`event type ${type.name}: ${isRefoldError(error) ? error.summary : messageOf(error)}`];
    }
  });

/** A record carries one name, so a name has one meaning. */
const formerNameFaults = (types: readonly EventTypeDefinition[]): readonly string[] => {
  const present = new Set(types.map(({ name }) => name));
  const former = types.flatMap(({ formerNames }) => [...new Set(formerNames)]);
  return [
    ...former
      .filter((name) => present.has(name))
      .map((name) => `event type ${name} is registered, and is a former name of another: records tell them apart by name`),
    ...duplicates(former).map((name) => `${name} is the former name of two event types: records tell them apart by name`),
  ];
};

/** What upcasters make is found where the record lies. */
const becomesFaults = (types: readonly EventTypeDefinition[]): readonly string[] =>
  types.flatMap(({ name, topic, becomes }) =>
    becomes.flatMap((other) => {
      const made = types.find((type) => type.name === other);
      if (made === undefined) {
        return [`event type ${name} becomes ${other}, which is not registered: add the class to the events`];
      }
      return made.topic === topic ? [] : [`event type ${name} of topic ${topic} becomes ${other} of topic ${made.topic}: both must be of one topic`];
    }),
  );

/** Everything wrong with event types that the compiler cannot see. */
export const eventFaults = (events: readonly EventClass[]): readonly string[] => {
  const undecorated = events
    .filter((event) => findEventType(event) === undefined)
    .map((event) => `class ${event.name} is not an event type: decorate it with @EventType`);
  const types = events.flatMap((event) => findEventType(event) ?? []);
  const twice = duplicates(types.map(({ name }) => name)).map((name) => `event type ${name} is registered twice: every event type needs a name of its own`);
  const versions = types
    .filter(({ version }) => !Number.isInteger(version) || version < 1)
    .map(({ name }) => `event type ${name}: its version must be a whole number from 1`);
  const missing = types.flatMap(({ name, version, upcasters }) =>
    Object.keys(upcasters).length === 0
      ? []
      : Array.from({ length: version - 1 }, (_, i) => i + 1)
          .filter((from) => upcasters[from] === undefined)
          .map((from) => `event type ${name}: there is no upcaster from version ${String(from)}`),
  );
  return [...undecorated, ...twice, ...versions, ...missing, ...formerNameFaults(types), ...becomesFaults(types), ...schemaFaults(types)];
};
