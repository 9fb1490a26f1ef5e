import { createHash } from 'node:crypto';
import type { DecoderOptions, UnknownEvents } from '../events/event-serde';
import { eventTypeOf, findEventType, type EventClass, type EventTypeDefinition } from '../events/event-type';
import { NO_FOREIGN_TOPICS, type ForeignTopics } from '../events/foreign';
import { failureFaults, failureRules, type ParkingRules } from './failure-rules';
import type { MeasureStorage, Storage, StoreKind } from './generations';
import { decisiveStorage, kindOf, storageFaults, type ProjectionKind } from './kind';
import { eventName, type HandlerSource, type ProjectionSource } from './projection';
import { publicationFaults, publicationOf, type Emit, type Publication } from './publication';
import { describedColumns, type ReadModelDefinition } from './read-model';
import { describedRefinements, refinementFaults, refinementsOf, type Refinements } from './refinements';
import { windowsIn, type ProjectionWindow } from './windows/several';

/** Raised when the same log would fold to other rows with the same definition; part of the hash. */
const ENGINE_FORMAT = 1;

export interface Handler {
  readonly type: EventTypeDefinition;
  readonly missing: HandlerSource['missing'];
  /** The fields that it reads; all where nothing is said. */
  readonly fields: readonly string[] | undefined;
  readonly fold: HandlerSource['fold'];
}

/** A projection as the engine sees it: checked, with its handlers by event type name. */
export interface ProjectionDefinition {
  readonly name: string;
  readonly version: number;
  readonly stores: readonly StoreKind[];
  readonly kind: ProjectionKind;
  readonly model: ReadModelDefinition;
  readonly window: ProjectionWindow | undefined;
  /** As said in code; see `storageIn`. */
  readonly storage: MeasureStorage | undefined;
  readonly emit: Emit;
  /** Which rows readers see; `undefined`: all. */
  readonly publication: Publication | undefined;
  readonly refinements: Refinements;
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly events: readonly EventClass[];
  readonly topics: readonly string[];
  /** By which workers can choose it; not part of the hash. */
  readonly tags: readonly string[];
  /** Where it differs from what its worker does with failures; not part of the hash. */
  readonly failures: Partial<ParkingRules>;
  /** How records are decoded for it. */
  readonly reading: DecoderOptions;
  /** Of everything that decides what is folded; a worker folds only generations built with the same hash. */
  readonly hash: string;
  /** Of the handlers' compiled source; a difference is only a warning, because builds differ. */
  readonly sourceHash: string;
  /** What `hash` covers, as JSON; kept with generations for people and for later comparison. */
  readonly description: unknown;
}

/** Registry key: name and version. */
export const projectionKey = (p: { readonly name: string; readonly version: number }): string => `${p.name}@${String(p.version)}`;

const NAME = /^[a-z][a-z0-9]*([-_][a-z0-9]+)*$/;

const windowFaults = ({ window, into }: ProjectionSource): readonly string[] => {
  const bounds = into.definition.columns.filter((column) => column.role === 'window').map((column) => column.bound);
  const named = into.definition.columns.filter(({ names }) => names === 'window');
  const faults: string[] = [];
  if (window?.kind === 'several' ? named.length !== 1 : named.length > 0) {
    faults.push(
      window?.kind === 'several' ? 'several windows need exactly one windowName() column' : 'windowName() is of several windows: { window: several({ ... }) }',
    );
  }
  if (window !== undefined && !into.definition.mergeable) {
    faults.push('a windowed projection needs measures: count(), sum(...), ...');
  }
  if (window?.kind === 'global') {
    return bounds.length === 0 ? faults : [...faults, 'a global window has no bounds: leave out windowStart() and windowEnd()'];
  }
  if (window !== undefined && bounds.filter((bound) => bound === 'start').length !== 1) {
    faults.push('a windowed projection needs exactly one windowStart() column');
  }
  if (window !== undefined && bounds.filter((bound) => bound === 'end').length > 1) {
    faults.push('a windowed projection has at most one windowEnd() column');
  }
  if (window === undefined && bounds.length > 0) {
    faults.push('window columns need a window: { window: tumbling(...) }');
  }
  return faults;
};

const rowFoldFaults = ({ into, handlers }: ProjectionSource): readonly string[] => {
  if (into.definition.mergeable) {
    return [];
  }
  const faults: string[] = [];
  const { keys } = into.definition;
  if (keys.length !== 1 || !['text', 'integer', 'bigint', 'uuid'].includes(keys[0]!.type.kind)) {
    faults.push('rows without measures are folded by the event key: the model needs exactly one key column of type text, integer, bigint or uuid');
  }
  const topics = new Set(handlers.map(({ event }) => findEventType(event)?.topic));
  if (topics.size > 1) {
    faults.push(`rows without measures are folded from one topic, not from ${[...topics].join(', ')}; use measures, or put the events on one topic`);
  }
  return faults;
};

const fieldNames = (event: EventClass): readonly string[] =>
  ((findEventType(event)?.schema as { readonly fields?: readonly { readonly name: string }[] } | undefined)?.fields ?? []).map(({ name }) => name);

const handlerFaults = ({ handlers }: ProjectionSource, registered: ReadonlySet<EventClass>): readonly string[] => {
  const seen = new Set<EventClass>();
  const faults = handlers.length === 0 ? ['it handles no event: add @On(...)'] : [];
  for (const { event, fields } of handlers) {
    if (!registered.has(event)) {
      faults.push(`it handles ${eventName(event)}, which is not registered: add the class to the events`);
    }
    if (seen.has(event)) {
      faults.push(`it handles ${eventName(event)} twice`);
    }
    seen.add(event);
    const unknown = (fields ?? []).filter((name) => !fieldNames(event).includes(name));
    faults.push(...unknown.map((name) => `its handler of ${eventName(event)} declares the field ${name}, which is not in the schema`));
  }
  return faults;
};

/** Everything wrong with a projection that the compiler cannot see; empty if nothing is. */
export const projectionFaults = (source: ProjectionSource, registered: ReadonlySet<EventClass>): readonly string[] => {
  const faults = [
    ...handlerFaults(source, registered),
    ...rowFoldFaults(source),
    ...windowFaults(source),
    ...storageFaults(source),
    ...publicationFaults(source),
    ...refinementFaults(source),
    ...failureFaults(source.failures),
  ];
  if (!NAME.test(source.name)) {
    faults.push('its name must be lower-case words joined by - or _');
  }
  if (!Number.isInteger(source.version) || source.version < 1) {
    faults.push('its version must be a whole number from 1');
  }
  if (source.stores.length === 0) {
    faults.push('it needs a store');
  }
  return faults.map((fault) => `projection ${source.name} v${String(source.version)}: ${fault}`);
};

const sha256 = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

const handled = (handlers: readonly HandlerSource[]): readonly Handler[] =>
  handlers
    .map(({ event, missing, fields, fold }) => ({ type: eventTypeOf(event), missing, fields, fold }))
    .sort((a, b) => (a.type.name < b.type.name ? -1 : 1));

/** Types whose upcasters may, by whatever steps, make events of one that is handled. */
const sourcesFor = (handlers: readonly Handler[], types: readonly EventTypeDefinition[]): readonly EventTypeDefinition[] => {
  const found = new Set(handlers.map(({ type }) => type.name));
  const sources = new Set<EventTypeDefinition>();
  for (let size = -1; size !== found.size;) {
    size = found.size;
    for (const type of types.filter(({ becomes }) => becomes.some((name) => found.has(name)))) {
      found.add(type.name);
      sources.add(type);
    }
  }
  return [...sources].sort((a, b) => (a.name < b.name ? -1 : 1));
};

/** The schema as far as the handler reads it: a field that nobody reads may come and go. */
const readSchema = ({ type, fields }: Handler): unknown => {
  const schema = type.schema as { readonly fields?: readonly { readonly name: string }[] };
  return fields === undefined ? schema : { ...schema, fields: schema.fields?.filter(({ name }) => fields.includes(name)) };
};

const mapperOf = (foreign: ForeignTopics, topic: string): object => {
  const found = foreign.get(topic);
  return found === undefined ? {} : { mapper: { format: found.format, version: found.version } };
};

const describeHandler = (handler: Handler, foreign: ForeignTopics): unknown => {
  const { type, missing, fields } = handler;
  return {
    name: type.name,
    version: type.version,
    topic: type.topic,
    ...(type.partitionKey === undefined ? {} : { partitionKey: true }), // another source of row keys
    schema: readSchema(handler),
    ...(fields === undefined ? {} : { fields: [...fields].sort() }),
    upcasters: Object.keys(type.upcasters),
    ...(type.formerNames.length === 0 ? {} : { formerNames: [...type.formerNames].sort() }),
    ...mapperOf(foreign, type.topic),
    missing: missing ?? null,
  };
};

/** What of the application decides how a projection reads. */
export interface Surroundings {
  /** All event types; those count whose upcasters may make events that the projection handles. */
  readonly types?: readonly EventTypeDefinition[];
  /** Topics whose mappers decide what is folded too. */
  readonly foreign?: ForeignTopics;
  readonly unknownEvents?: UnknownEvents | undefined;
}

const describeDefinition = (
  source: ProjectionSource,
  publication: Publication | undefined,
  handlers: readonly Handler[],
  sources: readonly EventTypeDefinition[],
  foreign: ForeignTopics,
): unknown => {
  const { into, window } = source;
  const storage = decisiveStorage(source);
  return {
    format: ENGINE_FORMAT,
    model: into.definition.name,
    columns: describedColumns(into.definition.columns),
    window: window ?? null,
    ...(storage === undefined ? {} : { storage }),
    ...(publication === undefined ? {} : { publication }),
    ...describedRefinements(refinementsOf(source)),
    events: handlers.map((handler) => describeHandler(handler, foreign)),
    ...(sources.length === 0
      ? {}
      : {
          sources: sources.map(({ name, version, becomes, upcasters }) => ({ name, version, becomes: [...becomes].sort(), upcasters: Object.keys(upcasters) })),
        }),
  };
};

const topicsOf = (handlers: readonly Handler[]): readonly string[] => [...new Set(handlers.map(({ type }) => type.topic))].sort();

/** Compiled code that decides what is folded and cannot be compared across builds. */
const sourceOf = (
  source: ProjectionSource,
  handlers: readonly Handler[],
  sources: readonly EventTypeDefinition[],
  foreign: ForeignTopics,
): readonly string[] => [
  ...source.handlers.map((handler) => handler.source),
  ...windowsIn(source.window).flatMap(({ window }) => (window.kind === 'session' && window.gapOf !== undefined ? [String(window.gapOf)] : [])),
  ...(source.dedupe?.by === undefined ? [] : [String(source.dedupe.by)]),
  ...[...new Set([...handlers.map(({ type }) => type), ...sources])].flatMap(({ upcasters }) => Object.values(upcasters).map(String)),
  ...topicsOf(handlers).flatMap((topic) => foreign.get(topic)?.map.toString() ?? []),
];

/** Call only for a source without faults. */
export const projectionDefinition = (
  source: ProjectionSource,
  { types = [], foreign = NO_FOREIGN_TOPICS, unknownEvents = 'hold' }: Surroundings = {},
): ProjectionDefinition => {
  const handlers = handled(source.handlers);
  const sources = sourcesFor(handlers, types);
  const publication = publicationOf(source);
  const description = describeDefinition(source, publication, handlers, sources, foreign);
  const declared = handlers.flatMap(({ type, fields }) => (fields === undefined ? [] : [[type.name, fields] as const]));
  return {
    name: source.name,
    version: source.version,
    stores: source.stores,
    kind: kindOf(source),
    model: source.into.definition,
    window: source.window,
    storage: source.storage,
    emit: source.emit ?? 'changes',
    publication,
    refinements: refinementsOf(source),
    handlers: new Map(handlers.map((handler) => [handler.type.name, handler])),
    events: handlers.map(({ type }) => type.class),
    topics: topicsOf(handlers),
    tags: source.tags,
    failures: failureRules(source.failures),
    reading: { unknownEvents: source.unknownEvents ?? unknownEvents, fields: new Map(declared) },
    hash: sha256(description),
    sourceHash: sha256(sourceOf(source, handlers, sources, foreign)),
    description,
  };
};

/** How the rows of a projection are kept in a store. ClickHouse cannot add to a row in place, so there mergeable models are partials. */
export const storageIn = ({ kind, storage }: Pick<ProjectionDefinition, 'kind' | 'storage'>, store: StoreKind): Storage =>
  kind === 'row-fold' ? 'rows' : kind === 'grouped' ? 'groups' : (storage ?? (store === 'clickhouse' ? 'partials' : 'merged'));
