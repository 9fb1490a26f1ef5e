import 'reflect-metadata';
import { RefoldError } from '../kernel/errors';
import type { EventClass } from '../events/event-type';
import type { AnyCommand, CommandClass, Decision, ResultOf, StandardSchema } from './command';

/** Nothing has this property, so the compiler prints the message. */
interface Misfit<Message extends string> {
  readonly refold: Message;
}

export interface AggregateOptions {
  /** Lower-case words joined by `-`; part of the key of every stream, so it never changes. */
  readonly name: string;
  /** From 1; raised when the meaning of the folded state changes. */
  readonly stateVersion: number;
}

export interface CommandOptions {
  /** Checks a command before anything else is done; what it transforms is not used. */
  readonly schema?: StandardSchema;
}

// ---- an aggregate as written in code, whichever way

export interface EvolveSource {
  readonly event: EventClass;
  readonly evolve: (state: unknown, event: object) => unknown;
}

export interface DecideSource {
  readonly command: CommandClass;
  readonly schema: StandardSchema | undefined;
  readonly decide: (command: AnyCommand, state: unknown) => unknown;
}

/** `defineApp` checks it and makes a definition of it. */
export interface AggregateSource extends AggregateOptions {
  readonly streamId: (command: AnyCommand) => unknown;
  readonly initialState: () => unknown;
  readonly evolves: readonly EvolveSource[];
  readonly decides: readonly DecideSource[];
}

// ---- classes: state is read from the aggregate's own initialState(), commands from its streamId()

export interface AggregateShape<S = unknown> {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each handler's command is judged against it
  streamId(command: any): string;
  initialState(): S;
}
export type AggregateClass = new () => AggregateShape;
type StateOf<T> = T extends AggregateShape<infer S> ? S : never;

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any function: its own types are judged below
type Fits<G, F, Message extends string> = G extends (...args: any) => infer R
  ? Extract<R, PromiseLike<unknown>> extends never
    ? G extends F
      ? unknown
      : Misfit<Message>
    : Misfit<'must not be async: read what you need before the command'>
  : Misfit<'not a method'>;
type HasStream<T, C> = T extends { streamId(command: infer I): string }
  ? C extends I
    ? unknown
    : Misfit<'streamId() of this aggregate does not take this command'>
  : unknown;

const AGGREGATE = Symbol('refold:aggregate');
const DECIDES = Symbol('refold:decides');
const EVOLVES = Symbol('refold:evolves');

interface Marked<T> {
  readonly of: T;
  readonly method: string;
}
interface MarkedCommand extends Marked<CommandClass> {
  readonly schema: StandardSchema | undefined;
}

const marked = <T>(key: symbol, target: object): readonly T[] => (Reflect.getMetadata(key, target) as readonly T[] | undefined) ?? [];

/** Marks a class as an aggregate. `new ()`: deciding is a pure function of command and state, so there is nothing to depend on. Only writes metadata. */
export function Aggregate(options: AggregateOptions): <C extends AggregateClass>(target: C) => void {
  return (target) => {
    Reflect.defineMetadata(AGGREGATE, options, target);
  };
}

/**
 * Marks the method that decides a command: it answers events, or `{ events, result }` for a `Command<Result>`, or throws to
 * refuse; the error reaches the caller unchanged and nothing is written. It may be called again after a concurrent change. Only writes metadata.
 */
export function CommandHandler<C extends AnyCommand>(
  command: CommandClass<C>,
  options: CommandOptions = {},
): <T extends AggregateShape, G>(
  target: T,
  key: string,
  descriptor: TypedPropertyDescriptor<G> &
    HasStream<T, C> &
    Fits<
      G,
      (command: C, state: StateOf<T>) => Decision<object, ResultOf<C>>,
      'expected (command, state) => events, or { events, result } for a Command<Result>'
    >,
) => void {
  return (target, key) => {
    const entry: MarkedCommand = { of: command, method: key, schema: options.schema };
    Reflect.defineMetadata(DECIDES, [...marked<MarkedCommand>(DECIDES, target), entry], target);
  };
}

/** Marks the method that folds an event of the stream into the state. The state is a value: answer a new one, never change it. Only writes metadata. */
export function Evolve<E extends object>(
  event: EventClass<E>,
): <T extends AggregateShape, G>(
  target: T,
  key: string,
  descriptor: TypedPropertyDescriptor<G> & Fits<G, (state: StateOf<T>, event: E) => StateOf<T>, 'expected (state, event) => state'>,
) => void {
  return (target, key) => {
    const entry: Marked<EventClass> = { of: event, method: key };
    Reflect.defineMetadata(EVOLVES, [...marked<Marked<EventClass>>(EVOLVES, target), entry], target);
  };
}

type Methods = Readonly<Record<string, (...args: unknown[]) => unknown>>;

const fromClass = (target: AggregateClass): AggregateSource => {
  const options = Reflect.getOwnMetadata(AGGREGATE, target) as AggregateOptions | undefined;
  if (options === undefined) {
    throw new RefoldError('definition.invalid', `class ${target.name} is not an aggregate`, { remedy: 'Decorate the class with @Aggregate.' });
  }
  const instance = new target();
  const methods = instance as unknown as Methods;
  const prototype = target.prototype as object;
  return {
    ...options,
    streamId: (command) => instance.streamId(command),
    initialState: () => instance.initialState(),
    evolves: marked<Marked<EventClass>>(EVOLVES, prototype).map(({ of, method }) => ({ event: of, evolve: (state, event) => methods[method]!(state, event) })),
    decides: marked<MarkedCommand>(DECIDES, prototype).map(({ of, method, schema }) => ({
      command: of,
      schema,
      decide: (command, state) => methods[method]!(command, state),
    })),
  };
};

// ---- values: evolve first; a decide may answer only events that some evolve takes

/** A decider as a value: immutable, each call answers a new one. `I` is what `streamId` takes. */
export interface DeciderValue<S, E, C, I> {
  readonly commands?: C;
  /** What has been said so far; read by `defineApp`. */
  readonly source: AggregateSource;
  evolve<F extends object>(event: EventClass<F>, evolve: (state: S, event: F) => S): DeciderValue<S, E | F, C, I>;
  decide<D extends AnyCommand & I>(command: CommandClass<D>, decide: (command: D, state: S) => Decision<E, ResultOf<D>>): DeciderValue<S, E, C | D, I>;
  decide<D extends AnyCommand & I>(
    command: CommandClass<D>,
    options: CommandOptions,
    decide: (command: D, state: S) => Decision<E, ResultOf<D>>,
  ): DeciderValue<S, E, C | D, I>;
}

export interface DeciderOptions<S, I> extends AggregateOptions {
  /** The stream that a command is about: the key of its events. */
  readonly streamId: (command: I) => string;
  readonly initialState: () => S;
}

const valueOf = <S, I>(source: AggregateSource): DeciderValue<S, never, never, I> => {
  const evolve = (event: EventClass, fold: EvolveSource['evolve']) => valueOf({ ...source, evolves: [...source.evolves, { event, evolve: fold }] });
  const decide = (command: CommandClass, second: CommandOptions | DecideSource['decide'], third?: DecideSource['decide']) => {
    const [options, handle] = typeof second === 'function' ? [{}, second] : [second, third!];
    return valueOf({ ...source, decides: [...source.decides, { command, schema: options.schema, decide: handle }] });
  };
  return { source, evolve, decide } as unknown as DeciderValue<S, never, never, I>;
};

/** The same as the decorators, by values; state, events and results are inferred. */
export function decider<S, I>(options: DeciderOptions<S, I>): DeciderValue<S, never, never, I> {
  const streamId = options.streamId as AggregateSource['streamId'];
  return valueOf({ name: options.name, stateVersion: options.stateVersion, streamId, initialState: options.initialState, evolves: [], decides: [] });
}

/** Either way of writing an aggregate. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a value over any state, events and commands
export type AnyAggregate = AggregateClass | DeciderValue<any, any, any, any>;

/** @throws RefoldError `definition.invalid` for a class without `@Aggregate` */
export const aggregateSource = (given: AnyAggregate): AggregateSource => (typeof given === 'function' ? fromClass(given) : given.source);
