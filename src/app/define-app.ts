import { RefoldError, isRefoldError, messageOf } from '../kernel/errors';
import { durationMs, type Duration } from '../kernel/duration';
import type { UnknownEvents } from '../events/event-serde';
import { eventTypeOf, findEventType, type EventClass } from '../events/event-type';
import type { ForeignTopic, ForeignTopics } from '../events/foreign';
import { EventTypes } from '../events/event-types';
import { aggregateSource, type AggregateSource, type AnyAggregate } from '../commands/aggregate';
import { aggregateDefinition, aggregateFaults, aggregatesFaults, type AggregateDefinition } from '../commands/definition';
import { projectionDefinition, projectionFaults, projectionKey, type ProjectionDefinition } from '../projections/definition';
import { projectionSource, type AnyProjection, type ProjectionSource } from '../projections/projection';
import { reactorDefinition, reactorFaults, reactorNameFaults, type ReactorDefinition } from '../reactors/definition';
import { reactorSource, type AnyReactor } from '../reactors/reactor';
import type { TopicSettings, TopicSpec } from '../events/topic';
import type { ReplayCheck } from '../replay/checks';
import { duplicates, eventFaults } from './event-faults';

/** Partitions of a topic that `topics` does not name. */
const DEFAULT_PARTITIONS = 4;

/** How a topic is to be; what a log does not know is left to its defaults. */
export interface TopicOptions {
  /** Cannot be changed later. */
  readonly partitions: number;
  /** Copies of each partition on Kafka. @defaultValue the broker's default */
  readonly replication?: number;
  /** For how long records are kept; then a replay from offset zero does not find everything. @defaultValue for ever */
  readonly retention?: Duration;
  /** @defaultValue `delete`, which with unlimited retention keeps everything */
  readonly cleanup?: 'delete' | 'compact' | 'compact,delete';
}

export interface AppOptions<P extends readonly AnyProjection[]> {
  /** Lower-case words joined by `-`; part of consumer groups and of every key in the control schema. */
  readonly name: string;
  readonly events: readonly EventClass[];
  readonly projections: P;
  /** Who decides commands; none where events come from elsewhere. */
  readonly aggregates?: readonly AnyAggregate[];
  /** Handlers with effects, which no replay runs. */
  readonly reactors?: readonly AnyReactor[];
  /** Topics that others write, read through mappers; nothing is ever written there. */
  readonly foreign?: readonly ForeignTopic[];
  /** Settings of topics; topics of event types that are not named here get 4 partitions. */
  readonly topics?: Readonly<Record<string, TopicOptions>>;
  /**
   * What projections do with events of types that `events` does not name, as a newer release may write them; a projection
   * may say otherwise. `hold` stops the partition until code comes that knows them; `ignore` reads past them.
   * @defaultValue `hold`
   */
  readonly unknownEvents?: UnknownEvents;
  /** Checks that comparisons of replays can be asked to run, by name: see `functions` of the rules of a replay. */
  readonly checks?: Readonly<Record<string, ReplayCheck>>;
}

declare const projections: unique symbol;

/** An application as defined in code: checked values, no connection. `connect` makes it run. */
export interface App<P extends readonly AnyProjection[] = readonly AnyProjection[]> {
  readonly name: string;
  readonly events: EventTypes;
  readonly projections: readonly ProjectionDefinition[];
  readonly aggregates: readonly AggregateDefinition[];
  readonly reactors: readonly ReactorDefinition[];
  /** Those to be made; a topic of others only if `topics` names it. */
  readonly topics: readonly TopicSpec[];
  readonly foreign: ForeignTopics;
  readonly checks: Readonly<Record<string, ReplayCheck>>;
  readonly [projections]?: P;
}

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

const settingsOf = ({ replication, retention, cleanup }: TopicOptions): Partial<TopicSettings> => ({
  ...(replication === undefined ? {} : { replication }),
  ...(retention === undefined ? {} : { retentionMs: durationMs(retention) }),
  ...(cleanup === undefined ? {} : { cleanup }),
});

const specOf = (topic: string, given: TopicOptions = { partitions: DEFAULT_PARTITIONS }): TopicSpec => {
  const settings = settingsOf(given);
  return { topic, partitions: given.partitions, ...(Object.keys(settings).length === 0 ? {} : { settings }) };
};

const isWhole = (value: number): boolean => Number.isInteger(value) && value >= 1;

const retentionFaults = ([topic, { retention }]: readonly [string, TopicOptions]): readonly string[] => {
  try {
    durationMs(retention ?? 0);
    return [];
  } catch (error) {
    return [`topic ${topic}: its retention is ${messageOf(error)}`];
  }
};

const topicFaults = (topics: Readonly<Record<string, TopicOptions>>, used: readonly string[]): readonly string[] => [
  ...Object.keys(topics)
    .filter((topic) => !used.includes(topic))
    .map((topic) => `topic ${topic} is not the topic of any event type`),
  ...Object.entries(topics)
    .filter(([, { partitions, replication = 1 }]) => !isWhole(partitions) || !isWhole(replication))
    .map(([topic]) => `topic ${topic}: its numbers of partitions and of copies must be whole numbers from 1`),
  ...Object.entries(topics).flatMap(retentionFaults),
];

const foreignFaults = (foreign: readonly ForeignTopic[], used: readonly string[], aggregates: readonly AggregateSource[]): readonly string[] => {
  const topics = foreign.map(({ topic }) => topic);
  return [
    ...duplicates(topics).map((topic) => `foreign topic ${topic} is there twice: every topic has one mapper`),
    ...foreign.filter(({ version }) => !isWhole(version)).map(({ topic }) => `foreign topic ${topic}: its version must be a whole number from 1`),
    ...foreign
      .filter(({ format, map }) => !['json', 'avro'].includes(format) || typeof map !== 'function')
      .map(({ topic }) => `foreign topic ${topic}: it needs the format json or avro, and a function that maps its records`),
    ...topics
      .filter((topic) => !used.includes(topic))
      .map((topic) => `foreign topic ${topic} is not the topic of any event type: let those that its mapper makes name it`),
    ...aggregates.flatMap(({ name, evolves }) =>
      evolves
        .filter(({ event }) => topics.includes(findEventType(event)?.topic ?? ''))
        .map(({ event }) => `aggregate ${name} would write ${event.name} to a topic of others: give the event type a topic of its own`),
    ),
  ];
};

/**
 * Puts an application together from its classes and values, and checks it: everything wrong is reported at once.
 * @throws RefoldError `definition.invalid` with all faults, each with its remedy
 */
export const defineApp = <const P extends readonly AnyProjection[]>(options: AppOptions<P>): App<P> => {
  const { sources, faults: unusable } = sourcesOf(options.projections, projectionSource);
  const aggregates = sourcesOf(options.aggregates ?? [], aggregateSource);
  const reactors = sourcesOf(options.reactors ?? [], reactorSource);
  const registered = new Set(options.events);
  const used = [...new Set(options.events.flatMap((event) => findEventType(event)?.topic ?? []))].sort();
  const foreign = new Map((options.foreign ?? []).map((one) => [one.topic, one]));
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
    ...reactors.faults,
    ...reactorNameFaults(
      reactors.sources.map(({ name }) => name),
      sources.map(({ name }) => name),
    ),
    ...reactors.sources.flatMap((source) => reactorFaults(source, registered)),
    ...topicFaults(options.topics ?? {}, used),
    ...foreignFaults(options.foreign ?? [], used, aggregates.sources),
  ];
  if (faults.length > 0) {
    throw new RefoldError('definition.invalid', `application ${options.name}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  }
  const definitions = options.events.map(eventTypeOf);
  return {
    name: options.name,
    events: new EventTypes(options.events),
    projections: sources.map((source) => projectionDefinition(source, { types: definitions, foreign, unknownEvents: options.unknownEvents })),
    aggregates: aggregates.sources.map(aggregateDefinition),
    reactors: reactors.sources.map((source) => reactorDefinition(source, options.unknownEvents)),
    topics: used.filter((topic) => !foreign.has(topic) || options.topics?.[topic] !== undefined).map((topic) => specOf(topic, options.topics?.[topic])),
    foreign,
    checks: options.checks ?? {},
  };
};
