import 'reflect-metadata';
import { RefoldError } from '../kernel/errors';
import type { UnknownEvents } from '../events/event-serde';
import { findEventType, type EventClass } from '../events/event-type';
import type { EventContext } from './event-context';
import type { Failures } from './failure-rules';
import type { MeasureStorage, StoreKind } from './generations';
import type { HavingOf, PublicationOptions } from './publication';
import type { Contribution, IsMergeable, IsRetractable, Problem, ReadModel, Row } from './read-model';
import type { RefinementOptions } from './refinements';
import type { ProjectionWindow } from './windows/several';

/** What a handler of M may return; undefined deletes the row (row-fold) or adds nothing (mergeable). */
export type Outcome<M extends ReadModel> = (IsMergeable<M> extends true ? Contribution<M> | readonly Contribution<M>[] : Row<M>) | undefined;

export interface OnOptions<K extends string = string> {
  /** What happens when the event comes before its row; with it, the handler's row is never undefined. */
  readonly missing?: 'skip' | 'park';
  /**
   * The only fields that the handler reads. Others are skipped in the bytes, and may come and go without a new version of
   * the projection. @defaultValue all
   */
  readonly fields?: readonly K[];
}
type RowArg<M extends ReadModel, O> = O extends { readonly missing: 'skip' | 'park' } ? Row<M> : Row<M> | undefined;
/** What a handler is given after its event: its row, where there are rows by key, and what is known of the event. */
type Given<M extends ReadModel, O = undefined> = IsMergeable<M> extends true ? [context: EventContext] : [row: RowArg<M, O>, context: EventContext];

/** Names of the fields of an event, without its methods. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any method
export type FieldOf<E> = { [K in keyof E & string]: E[K] extends (...args: any) => any ? never : K }[keyof E & string];

/** The event as a handler sees it that declares `fields`. */
export type Declared<E, O> = O extends { readonly fields: readonly (infer K)[] } ? Pick<E, K & keyof E> : E;

type Wrong<R, W> =
  | {
      [K in keyof W & string]-?: K extends keyof R
        ? [R[K]] extends [W[K]]
          ? never
          : `'${K}' has the wrong type (if it is a literal, annotate the return type)`
        : // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- the empty type is how to ask whether a key is optional
          {} extends Pick<W, K>
          ? never
          : `'${K}' is missing`;
    }[keyof W & string]
  | (Exclude<keyof R, keyof W> extends infer X extends string ? `'${X}' is not a column` : never);
type WrongContribution<R, M extends ReadModel> =
  R extends Contribution<M>
    ? Wrong<R['group'], Contribution<M>['group']> | Wrong<R['measures'], Contribution<M>['measures']>
    : R extends readonly (infer One)[]
      ? One extends Contribution<M>
        ? never
        : 'return contributions: <readModel>.contribution(group, measures)'
      : 'return a contribution: <readModel>.contribution(group, measures)';
type WrongOutcome<R, M extends ReadModel> = R extends undefined
  ? never
  : IsMergeable<M> extends true
    ? WrongContribution<R, M>
    : R extends { readonly group: unknown; readonly measures: unknown }
      ? 'this read model has no measures: return a row'
      : R extends object
        ? Wrong<R, Row<M>>
        : 'return a row, or undefined to delete it';
type IsAny<T> = 0 extends 1 & T ? true : false;
type OutcomeVerdict<R, M extends ReadModel> = [WrongOutcome<R, M>] extends [never] ? unknown : Problem<WrongOutcome<R, M>>;

/** `unknown` if G is a good handler, else a Problem that says what is wrong with it. */
export type Verdict<G, E, M extends ReadModel, O = undefined> =
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- any function: its own types are judged below
  G extends (...args: any) => infer R
    ? IsAny<R> extends true
      ? unknown
      : Extract<R, PromiseLike<unknown>> extends never
        ? // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the second parameter is judged below
          G extends (event: E, ...rest: any) => unknown
          ? G extends (event: E, ...given: Given<M, O>) => unknown
            ? OutcomeVerdict<R, M>
            : IsMergeable<M> extends true
              ? Problem<'the second parameter of a handler of contributions is the context of the event: EventContext'>
              : Problem<"the row parameter must accept Row | undefined (or say what to do without a row: @On(Event, { missing: 'park' })); the context of the event comes third">
          : Problem<'the first parameter does not accept this event'>
        : Problem<'a handler must not be async: a replay has to compute the same rows again'>
    : Problem<'not a method'>;

/** A handler as it is called: rows by key are given the row and the context, contributions the context alone. */
export type FoldFunction = (event: object, rowOrContext: object | undefined, context?: EventContext) => unknown;

/** One handler as written in code. */
export interface HandlerSource {
  readonly event: EventClass;
  readonly missing: OnOptions['missing'] | undefined;
  readonly fields: readonly string[] | undefined;
  readonly fold: FoldFunction;
  /** Compiled text, for the hash that only warns. */
  readonly source: string;
}

/** A projection as written in code, whichever way; `defineApp` checks it and makes a definition of it. */
export interface ProjectionSource extends PublicationOptions, RefinementOptions {
  readonly name: string;
  readonly version: number;
  readonly stores: readonly StoreKind[];
  readonly into: ReadModel;
  readonly window: ProjectionWindow | undefined;
  readonly storage: MeasureStorage | undefined;
  readonly unknownEvents: UnknownEvents | undefined;
  readonly tags: readonly string[];
  readonly failures: Failures | undefined;
  readonly handlers: readonly HandlerSource[];
}

export interface ProjectionOptions extends PublicationOptions, RefinementOptions {
  readonly name: string;
  /** From 1; a changed projection gets a new version beside the old one. */
  readonly version: number;
  /** Default `'postgres'`. */
  readonly store?: StoreKind | readonly StoreKind[];
  /**
   * Only of models with measures. merged: one row per group, which all workers add to; partials: one per group and source
   * partition, which the reader's view merges; groups: one per group and window, with what is kept of the group beside it,
   * where all events of a group lie in one partition. Default `'groups'` for session and sliding windows, for triggers and
   * de-duplication, and for aggregates that no store can add up; else `'merged'`, in ClickHouse `'partials'`.
   */
  readonly storage?: MeasureStorage;
  /** Counts more than what the application says. */
  readonly unknownEvents?: UnknownEvents;
  /** By which workers can choose it, beside its name; may change at any time. */
  readonly tags?: readonly string[];
  /** What becomes of events that cannot be folded, where it differs from the worker's settings; may change at any time. The configuration counts more. */
  readonly failures?: Failures;
}

// ---- classes: the class says where it folds to (`into`), @On reads that from the prototype's type

export interface ProjectionShape {
  readonly into: ReadModel;
}
export type ProjectionClass = new () => ProjectionShape;

const PROJECTION = Symbol('refold:projection');
const HANDLERS = Symbol('refold:handlers');

/** A method marked by `@On`. */
export interface Handled {
  readonly event: EventClass;
  readonly options: OnOptions | undefined;
  readonly method: string;
}

/** The methods of a class that are marked by `@On`, whatever the class is. */
export const handledBy = (target: { readonly prototype: unknown }): readonly Handled[] =>
  (Reflect.getMetadata(HANDLERS, target.prototype as object) as readonly Handled[] | undefined) ?? [];

type OnDecorator<E, O> = <T extends ProjectionShape, G>(
  target: T,
  key: string,
  descriptor: TypedPropertyDescriptor<G> & Verdict<G, Declared<E, O>, T['into'], O>,
) => void;

/** Marks a method as the handler of an event type. Only writes metadata. */
export function On<E extends object, const O extends OnOptions<FieldOf<E>> | undefined = undefined>(event: EventClass<E>, options?: O): OnDecorator<E, O> {
  return (target, key) => {
    const inherited = (Reflect.getMetadata(HANDLERS, target) as readonly Handled[] | undefined) ?? [];
    Reflect.defineMetadata(HANDLERS, [...inherited, { event, options, method: key }], target);
  };
}

type HavingVerdict<H, M extends ReadModel> =
  IsMergeable<M> extends true
    ? H extends HavingOf<M> | readonly HavingOf<M>[]
      ? unknown
      : Problem<'having: a column of this read model, and a value of its type'>
    : Problem<'having is of models with measures only'>;

/** Marks a class as a projection. `new ()`: a projection has no dependencies, so it cannot have effects (promise P6). Only writes metadata. */
export function Projection<const O extends ProjectionOptions & { readonly window?: ProjectionWindow }>(
  options: O,
): <C extends ProjectionClass>(
  target: C &
    (O extends { readonly window: ProjectionWindow }
      ? IsMergeable<InstanceType<C>['into']> extends true
        ? unknown
        : Problem<'a windowed projection needs measures: count(), sum(...), ...'>
      : unknown) &
    (O extends { readonly storage: MeasureStorage }
      ? IsMergeable<InstanceType<C>['into']> extends true
        ? unknown
        : Problem<'storage is a choice of models with measures only'>
      : unknown) &
    (O extends { readonly replaces: true }
      ? IsRetractable<InstanceType<C>['into']> extends true
        ? unknown
        : Problem<'replaces takes back what was brought: every measure has to be one with undo'>
      : unknown) &
    (O extends { readonly having: infer H } ? HavingVerdict<H, InstanceType<C>['into']> : unknown),
) => void {
  return (target) => {
    Reflect.defineMetadata(PROJECTION, options, target);
  };
}

const storesOf = (store: ProjectionOptions['store']): readonly StoreKind[] =>
  store === undefined ? ['postgres'] : typeof store === 'string' ? [store] : store;

const publicationOptions = ({ emit, having, retention, ttl }: PublicationOptions): PublicationOptions => ({
  ...(emit === undefined ? {} : { emit }),
  ...(having === undefined ? {} : { having }),
  ...(retention === undefined ? {} : { retention }),
  ...(ttl === undefined ? {} : { ttl }),
});

const sourceOf = (
  options: ProjectionOptions & { readonly window?: ProjectionWindow },
  into: ReadModel,
  handlers: readonly HandlerSource[],
): ProjectionSource => ({
  name: options.name,
  version: options.version,
  stores: storesOf(options.store),
  into,
  window: options.window,
  storage: options.storage,
  ...publicationOptions(options),
  ...(options.trigger === undefined ? {} : { trigger: options.trigger }),
  ...(options.dedupe === undefined ? {} : { dedupe: options.dedupe }),
  ...(options.replaces === undefined ? {} : { replaces: options.replaces }),
  unknownEvents: options.unknownEvents,
  tags: options.tags ?? [],
  failures: options.failures,
  handlers,
});

const fromClass = (target: ProjectionClass): ProjectionSource => {
  const options = Reflect.getOwnMetadata(PROJECTION, target) as (ProjectionOptions & { readonly window?: ProjectionWindow }) | undefined;
  if (options === undefined) {
    throw new RefoldError('definition.invalid', `class ${target.name} is not a projection`, { remedy: 'Decorate the class with @Projection.' });
  }
  const instance = new target();
  const methods = instance as unknown as Record<string, FoldFunction>;
  const handlers = handledBy(target).map(({ event, options: on, method }): HandlerSource => {
    const fold = methods[method]!;
    return { event, missing: on?.missing, fields: on?.fields, fold: fold.bind(instance), source: fold.toString() };
  });
  return sourceOf(options, instance.into, handlers);
};

// ---- values

type Exact<R, M extends ReadModel> = R extends undefined
  ? R
  : IsMergeable<M> extends true
    ? R
    : R & { readonly [K in Exclude<keyof R, keyof Row<M>>]: Problem<'not a column of this read model'> };

/** A projection as a value: immutable, each `on` answers a new one. */
export interface ProjectionValue<M extends ReadModel, E = never> {
  readonly into: M;
  readonly handles?: E;
  /** What has been said so far; read by `defineApp`. */
  readonly source: ProjectionSource;
  on<F extends object, R extends Outcome<M>>(event: EventClass<F>, handler: (event: F, ...given: Given<M>) => R & Exact<R, M>): ProjectionValue<M, E | F>;
  on<F extends object, const O extends OnOptions<FieldOf<F>>, R extends Outcome<M>>(
    event: EventClass<F>,
    options: O,
    handler: (event: Declared<F, O>, ...given: Given<M, O>) => R & Exact<R, M>,
  ): ProjectionValue<M, E | F>;
}

const valueOf = <M extends ReadModel>(into: M, source: ProjectionSource): ProjectionValue<M> => {
  const on = (event: EventClass, second: OnOptions | FoldFunction, third?: FoldFunction): ProjectionValue<M> => {
    const [options, fold] = typeof second === 'function' ? [undefined, second] : [second, third!];
    const handler: HandlerSource = { event, missing: options?.missing, fields: options?.fields, fold, source: fold.toString() };
    return valueOf(into, { ...source, handlers: [...source.handlers, handler] });
  };
  return { into, source, on } as unknown as ProjectionValue<M>;
};

/** The same as the decorators, by values; event and row types are inferred. */
export function projection<M extends ReadModel>(
  options: ProjectionOptions & {
    readonly into: M;
    readonly window?: ProjectionWindow;
    readonly storage?: IsMergeable<M> extends true ? MeasureStorage : Problem<'storage is a choice of models with measures only'>;
    readonly replaces?: IsRetractable<M> extends true ? true : Problem<'replaces takes back what was brought: every measure has to be one with undo'>;
    readonly having?: IsMergeable<M> extends true ? HavingOf<M> | readonly HavingOf<M>[] : Problem<'having is of models with measures only'>;
  },
): ProjectionValue<M> {
  return valueOf(options.into, sourceOf(options, options.into, []));
}

/** Either way of writing a projection. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a value over any model and any events
export type AnyProjection = ProjectionClass | ProjectionValue<any, any>;

/** @throws RefoldError `definition.invalid` for a class without `@Projection` */
export const projectionSource = (given: AnyProjection): ProjectionSource => (typeof given === 'function' ? fromClass(given) : given.source);

/** Name of an event class for messages: the registered name, else the class name. */
export const eventName = (event: EventClass): string => findEventType(event)?.name ?? event.name;
