import { isRefoldError } from '../kernel/errors';
import { resolveOptions } from '../kernel/options';
import type { DecoderOptions, UnknownEvents } from '../events/event-serde';
import { eventTypeOf, findEventType, type EventClass } from '../events/event-type';
import { PARKED_RECORDS, RETRY_DEFAULTS, type Effect, type EffectSource, type ReactorRetry, type ReactorSource, type ReactorStart } from './reactor';

/** A reactor as the runner sees it: checked, with its handlers by event type name. */
export interface ReactorDefinition {
  readonly name: string;
  readonly from: ReactorStart;
  readonly retry: ReactorRetry;
  readonly parkedRecords: number;
  readonly tags: readonly string[];
  readonly handlers: ReadonlyMap<string, Effect<object>>;
  readonly events: readonly EventClass[];
  readonly topics: readonly string[];
  /** How records are decoded for it. */
  readonly reading: DecoderOptions;
}

/** The consumer group of a reactor. */
export const reactorGroup = (app: string, name: string): string => `refold.${app}.reactor.${name}`;

const NAME = /^[a-z][a-z0-9]*([-_][a-z0-9]+)*$/;

const nameOf = (event: EventClass): string => findEventType(event)?.name ?? event.name;

const fieldsOf = (event: EventClass): readonly string[] =>
  ((findEventType(event)?.schema as { readonly fields?: readonly { readonly name: string }[] } | undefined)?.fields ?? []).map(({ name }) => name);

const startFaults = (from: unknown): readonly string[] =>
  from === 'now' || from === 'beginning' || (from instanceof Date && !Number.isNaN(from.getTime()))
    ? []
    : ["it has to say where it begins: from 'now', 'beginning' or a Date"];

const retryFaults = (retry: Partial<ReactorRetry> | undefined): readonly string[] => {
  try {
    const wrong = Object.entries(resolveOptions('retry', RETRY_DEFAULTS, retry)).filter(
      ([name, value]) => !Number.isFinite(value) || value < (name === 'attempts' || name === 'timeoutMs' ? 1 : 0),
    );
    return wrong.map(([name, value]) => `its retry.${name} is ${String(value)}`);
  } catch (error) {
    return [isRefoldError(error) ? error.summary : String(error)];
  }
};

const limitFaults = (records: unknown = PARKED_RECORDS): readonly string[] =>
  Number.isSafeInteger(records) && Number(records) >= 0 ? [] : [`its parkedRecords is ${JSON.stringify(records)}; it has to be a whole number from 0`];

const handlerFaults = ({ event, fields }: EffectSource, registered: ReadonlySet<EventClass>): readonly string[] => [
  ...(registered.has(event) ? [] : [`it handles ${nameOf(event)}, which is not registered: add the class to the events`]),
  ...(fields ?? [])
    .filter((name) => !fieldsOf(event).includes(name))
    .map((name) => `its handler of ${nameOf(event)} declares the field ${name}, which is not in the schema`),
];

/** Everything wrong with a reactor that the compiler cannot see; empty if nothing is. */
export const reactorFaults = (source: ReactorSource, registered: ReadonlySet<EventClass>): readonly string[] => {
  const events = source.handlers.map(({ event }) => event);
  return [
    ...(NAME.test(source.name) ? [] : ['its name must be lower-case words joined by - or _']),
    ...startFaults(source.from),
    ...retryFaults(source.retry),
    ...limitFaults(source.parkedRecords),
    ...(events.length === 0 ? ['it handles no event: add @On(...)'] : []),
    ...[...new Set(events.filter((event, i) => events.indexOf(event) !== i))].map((event) => `it handles ${nameOf(event)} twice`),
    ...source.handlers.flatMap((handler) => handlerFaults(handler, registered)),
  ].map((fault) => `reactor ${source.name}: ${fault}`);
};

/** Names that stand twice: they are keys of positions and groups, and choose what a worker works on. */
export const reactorNameFaults = (reactors: readonly string[], projections: readonly string[]): readonly string[] => [
  ...[...new Set(reactors.filter((name, i) => reactors.indexOf(name) !== i))].map(
    (name) => `reactor ${name} is defined twice: every reactor needs a name of its own`,
  ),
  ...[...new Set(reactors.filter((name) => projections.includes(name)))].map((name) => `reactor ${name} has the name of a projection: give it another`),
];

/** Call only for a source without faults. */
export const reactorDefinition = (source: ReactorSource, unknownEvents: UnknownEvents = 'hold'): ReactorDefinition => {
  const handlers = source.handlers.map((handler) => ({ ...handler, type: eventTypeOf(handler.event) }));
  return {
    name: source.name,
    from: source.from,
    retry: resolveOptions('retry', RETRY_DEFAULTS, source.retry),
    parkedRecords: source.parkedRecords ?? PARKED_RECORDS,
    tags: source.tags ?? [],
    handlers: new Map(handlers.map(({ type, handle }) => [type.name, handle])),
    events: handlers.map(({ event }) => event),
    topics: [...new Set(handlers.map(({ type }) => type.topic))].sort(),
    reading: {
      unknownEvents: source.unknownEvents ?? unknownEvents,
      fields: new Map(handlers.flatMap(({ type, fields }) => (fields === undefined ? [] : [[type.name, fields] as const]))),
    },
  };
};
