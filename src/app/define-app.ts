import { RefoldError, isRefoldError, messageOf } from '../kernel/errors';
import type { TopicSpec } from '../events/event-log';
import { EventCodec } from '../events/adapters/avro/event-codec';
import { findEventType, type EventClass, type EventTypeDefinition } from '../events/event-type';
import { EventTypes } from '../events/event-types';
import { aggregateSource, type AnyAggregate } from '../commands/aggregate';
import { aggregateDefinition, aggregateFaults, aggregatesFaults, type AggregateDefinition } from '../commands/definition';
import { projectionDefinition, projectionFaults, projectionKey, type ProjectionDefinition } from '../projections/definition';
import { projectionSource, type AnyProjection, type ProjectionSource } from '../projections/projection';

/** Partitions of a topic that `topics` does not name. */
const DEFAULT_PARTITIONS = 4;

export interface AppOptions<P extends readonly AnyProjection[]> {
  /** Lower-case words joined by `-`; part of consumer groups and of every key in the control schema. */
  readonly name: string;
  readonly events: readonly EventClass[];
  readonly projections: P;
  /** Who decides commands; none where events come from elsewhere. */
  readonly aggregates?: readonly AnyAggregate[];
  /** Settings of topics; topics of event types that are not named here get 4 partitions. */
  readonly topics?: Readonly<Record<string, { readonly partitions: number }>>;
}

declare const projections: unique symbol;

/** An application as defined in code: checked values, no connection. `connect` makes it run. */
export interface App<P extends readonly AnyProjection[] = readonly AnyProjection[]> {
  readonly name: string;
  readonly events: EventTypes;
  readonly projections: readonly ProjectionDefinition[];
  readonly aggregates: readonly AggregateDefinition[];
  readonly topics: readonly TopicSpec[];
  readonly [projections]?: P;
}

const duplicates = (names: readonly string[]): readonly string[] => [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];

const schemaFaults = (types: readonly EventTypeDefinition[]): readonly string[] =>
  types.flatMap((type) => {
    try {
      void new EventCodec(type);
      return [];
    } catch (error) {
      return [`event type ${type.name}: ${isRefoldError(error) ? error.summary : messageOf(error)}`];
    }
  });

const eventFaults = (events: readonly EventClass[]): readonly string[] => {
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
  return [...undecorated, ...twice, ...versions, ...missing, ...schemaFaults(types)];
};

const sourcesOf = <G, S>(given: readonly G[], sourceOf: (one: G) => S): { readonly sources: readonly S[]; readonly faults: readonly string[] } => {
  const sources: S[] = [];
  const faults: string[] = [];
  for (const one of given) {
    try {
      sources.push(sourceOf(one));
    } catch (error) {
      faults.push(isRefoldError(error) ? `${error.summary}: ${error.remedy}` : messageOf(error));
    }
  }
  return { sources, faults };
};

const modelFaults = (sources: readonly ProjectionSource[]): readonly string[] => {
  const owners = new Map<string, string>();
  const faults: string[] = [];
  for (const { name, into } of sources) {
    const owner = owners.get(into.name) ?? name;
    owners.set(into.name, owner);
    if (owner !== name) {
      faults.push(`read model ${into.name} is filled by two projections, ${owner} and ${name}: give each its own`);
    }
  }
  return faults;
};

const topicFaults = (topics: Readonly<Record<string, { readonly partitions: number }>>, used: readonly string[]): readonly string[] => [
  ...Object.keys(topics)
    .filter((topic) => !used.includes(topic))
    .map((topic) => `topic ${topic} is not the topic of any event type`),
  ...Object.entries(topics)
    .filter(([, { partitions }]) => !Number.isInteger(partitions) || partitions < 1)
    .map(([topic]) => `topic ${topic}: its number of partitions must be a whole number from 1`),
];

/**
 * Puts an application together from its classes and values, and checks it: everything wrong is reported at once.
 * @throws RefoldError `definition.invalid` with all faults, each with its remedy
 */
export const defineApp = <const P extends readonly AnyProjection[]>(options: AppOptions<P>): App<P> => {
  const { sources, faults: unusable } = sourcesOf(options.projections, projectionSource);
  const aggregates = sourcesOf(options.aggregates ?? [], aggregateSource);
  const registered = new Set(options.events);
  const used = [...new Set(options.events.flatMap((event) => findEventType(event)?.topic ?? []))].sort();
  const faults = [
    ...(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(options.name) ? [] : [`the name ${JSON.stringify(options.name)} must be lower-case words joined by -`]),
    ...eventFaults(options.events),
    ...unusable,
    ...duplicates(sources.map(projectionKey)).map((key) => `projection ${key.replace('@', ' v')} is defined twice: every (name, version) may stand once`),
    ...modelFaults(sources),
    ...sources.flatMap((source) => projectionFaults(source, registered)),
    ...aggregates.faults,
    ...aggregatesFaults(aggregates.sources),
    ...aggregates.sources.flatMap((source) => aggregateFaults(source, registered)),
    ...topicFaults(options.topics ?? {}, used),
  ];
  if (faults.length > 0) {
    throw new RefoldError('definition.invalid', `application ${options.name}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  }
  return {
    name: options.name,
    events: new EventTypes(options.events),
    projections: sources.map(projectionDefinition),
    aggregates: aggregates.sources.map(aggregateDefinition),
    topics: used.map((topic) => ({ topic, partitions: options.topics?.[topic]?.partitions ?? DEFAULT_PARTITIONS })),
  };
};
