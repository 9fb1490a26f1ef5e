import { RefoldError, messageOf } from '../kernel/errors';
import { eventTypeOf, findEventType, type EventClass } from '../events/event-type';
import type { AggregateSource, DecideSource, EvolveSource } from './aggregate';
import type { AnyCommand, CommandClass } from './command';

/** An aggregate, checked, as bus and journal use it. */
export interface AggregateDefinition {
  readonly name: string;
  readonly stateVersion: number;
  readonly streamId: (command: AnyCommand) => unknown;
  readonly initialState: () => unknown;
  /** By name of the event type. */
  readonly evolves: ReadonlyMap<string, EvolveSource['evolve']>;
  readonly decides: ReadonlyMap<CommandClass, DecideSource>;
  readonly events: readonly EventClass[];
}

const NAME = /^[a-z][a-z0-9]*([-_][a-z0-9]+)*$/;

const repeated = <T>(all: readonly T[]): readonly T[] => [...new Set(all.filter((one, i) => all.indexOf(one) !== i))];
const nameOf = (event: EventClass): string => findEventType(event)?.name ?? event.name;

/** Everything wrong with an aggregate that the compiler cannot see; empty if nothing is. */
export const aggregateFaults = (source: AggregateSource, registered: ReadonlySet<EventClass>): readonly string[] => {
  const events = source.evolves.map(({ event }) => event);
  const commands = source.decides.map(({ command }) => command);
  const topics = [...new Set(events.flatMap((event) => findEventType(event)?.topic ?? []))];
  const faults = [
    ...(NAME.test(source.name) ? [] : ['its name must be lower-case words joined by - or _']),
    ...(Number.isInteger(source.stateVersion) && source.stateVersion >= 1 ? [] : ['its stateVersion must be a whole number from 1']),
    ...(commands.length === 0 ? ['it decides no command: add @CommandHandler(...)'] : []),
    ...(events.length === 0 ? ['it evolves by no event: add @Evolve(...)'] : []),
    ...repeated(commands).map((command) => `it decides ${command.name} twice`),
    ...repeated(events).map((event) => `it evolves by ${nameOf(event)} twice`),
    ...events.filter((event) => !registered.has(event)).map((event) => `it evolves by ${nameOf(event)}, which is not registered: add the class to the events`),
    ...(topics.length > 1 ? [`its events lie on the topics ${topics.join(', ')}: the order of a stream holds within one topic only`] : []),
  ];
  return faults.map((fault) => `aggregate ${source.name}: ${fault}`);
};

/** What is wrong among aggregates: a name, command or event type that belongs to two of them. */
export const aggregatesFaults = (sources: readonly AggregateSource[]): readonly string[] => {
  const twice = <T>(of: (source: AggregateSource) => readonly T[]): readonly T[] => repeated(sources.flatMap((source) => [...new Set(of(source))]));
  return [
    ...twice(({ name }) => [name]).map((name) => `aggregate ${name} is defined twice: every aggregate needs a name of its own`),
    ...twice(({ decides }) => decides.map(({ command }) => command)).map(
      (command) => `command ${command.name} is decided by two aggregates: one has to be in charge`,
    ),
    ...twice(({ evolves }) => evolves.map(({ event }) => event)).map(
      (event) => `event ${nameOf(event)} belongs to two aggregates: stream versions need one owner`,
    ),
  ];
};

/** Call only for a source without faults. */
export const aggregateDefinition = (source: AggregateSource): AggregateDefinition => ({
  name: source.name,
  stateVersion: source.stateVersion,
  streamId: source.streamId,
  initialState: source.initialState,
  evolves: new Map(source.evolves.map(({ event, evolve }) => [eventTypeOf(event).name, evolve])),
  decides: new Map(source.decides.map((decide) => [decide.command, decide])),
  events: source.evolves.map(({ event }) => event),
});

/** Freezes the top of a state, so that a handler that changes it fails instead of spoiling what the next command sees. */
const settled = (state: unknown): unknown => (typeof state === 'object' && state !== null && !ArrayBuffer.isView(state) ? Object.freeze(state) : state);

export const initialStateOf = (aggregate: AggregateDefinition): unknown => settled(aggregate.initialState());

/** Folds one event into a state; events that no evolve takes any more leave it as it is. */
export const evolved = (aggregate: AggregateDefinition, state: unknown, type: string, event: object): unknown => {
  const evolve = aggregate.evolves.get(type);
  return evolve === undefined ? state : settled(evolve(state, event));
};

/** What was decided, in one shape. */
export interface Decided {
  readonly events: readonly object[];
  readonly result: unknown;
}

const isEvents = (value: unknown): value is readonly object[] => Array.isArray(value) && value.every((one) => typeof one === 'object' && one !== null);

/**
 * Decides; whatever the decider throws passes through unchanged: it is how a domain refuses.
 * @throws RefoldError `decision.invalid`
 */
export const decided = (aggregate: AggregateDefinition, { decide, command: target }: DecideSource, command: AnyCommand, state: unknown): Decided => {
  const answer = decide(command, state);
  const wrapped = answer as { readonly events?: unknown; readonly result?: unknown } | null | undefined;
  const found: Decided | undefined = isEvents(answer)
    ? { events: answer, result: undefined }
    : typeof wrapped === 'object' && wrapped !== null && isEvents(wrapped.events)
      ? { events: wrapped.events, result: wrapped.result }
      : undefined;
  const facts = { aggregate: aggregate.name, command: target.name };
  if (found === undefined) {
    throw new RefoldError('decision.invalid', 'the handler answered neither events nor { events, result }', { facts });
  }
  for (const event of found.events) {
    if (!aggregate.events.includes(event.constructor as EventClass)) {
      const summary = `the handler answered an event (${event.constructor.name}) by which the aggregate does not evolve`;
      throw new RefoldError('decision.invalid', summary, { facts, remedy: 'Add an @Evolve for it, if only one that answers the state unchanged.' });
    }
  }
  return found;
};

/** The stream that a command is about. @throws RefoldError `command.invalid` */
export const streamOf = (aggregate: AggregateDefinition, command: AnyCommand): string => {
  const facts = { aggregate: aggregate.name, command: command.constructor.name };
  let id: unknown;
  try {
    id = aggregate.streamId(command);
  } catch (error) {
    throw new RefoldError('command.invalid', `the stream of the command could not be told: ${messageOf(error)}`, { facts, cause: error });
  }
  if (typeof id !== 'string' || id === '' || /\p{Surrogate}/u.test(id) || id.includes('\0')) {
    throw new RefoldError('command.invalid', 'the stream of a command must be a text that is not empty', { facts });
  }
  return id;
};
