import 'reflect-metadata';
import { RefoldError } from '../kernel/errors';
import type { UnknownEvents } from '../events/event-serde';
import type { EventClass } from '../events/event-type';
import { handledBy, type Declared, type FieldOf } from '../projections/projection';
import type { ReactorContext } from './context';

/** Where a reactor begins when it is started for the first time: at the head, at the first record, or at what was appended at or after a time. */
export type ReactorStart = 'now' | 'beginning' | Date;

export interface ReactorRetry {
  /** How often a handler is called for an event before the event is parked. */
  readonly attempts: number;
  /** First pause in milliseconds; doubled up to `maxMs`, with jitter of one half. */
  readonly initialMs: number;
  readonly maxMs: number;
  /** A handler that takes longer, in milliseconds, has failed; what it does afterwards cannot be undone. */
  readonly timeoutMs: number;
}

export const RETRY_DEFAULTS: ReactorRetry = { attempts: 6, initialMs: 200, maxMs: 10_000, timeoutMs: 60_000 };

export const PARKED_RECORDS = 10_000;

export interface ReactorOptions {
  /** Lower-case words joined by `-` or `_`; part of its group, its positions and its dedupe keys, so it never changes. No projection has it too. */
  readonly name: string;
  /** Counts at the first start only; from then on the reactor goes on where it was. */
  readonly from: ReactorStart;
  readonly retry?: Partial<ReactorRetry>;
  /** Most parked records per partition: one more stops the partition until some are redriven or discarded. @defaultValue 10000 */
  readonly parkedRecords?: number;
  /** By which workers can choose it, beside its name. */
  readonly tags?: readonly string[];
  /** Counts more than what the application says. */
  readonly unknownEvents?: UnknownEvents;
}

export interface EffectOn<K extends string = string> {
  /** The only fields that the handler reads. @defaultValue all */
  readonly fields?: readonly K[];
}

export type Effect<E> = (event: E, context: ReactorContext) => unknown;

export interface EffectSource {
  readonly event: EventClass;
  readonly fields: readonly string[] | undefined;
  readonly handle: Effect<object>;
}

/** A reactor as written in code, whichever way; `defineApp` checks it and makes a definition of it. */
export interface ReactorSource extends ReactorOptions {
  readonly handlers: readonly EffectSource[];
}

const REACTOR = Symbol('refold:reactor');

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any constructor: an instance may be given
type AnyClass = abstract new (...args: any[]) => object;
export type ReactorClass = new () => object;

/**
 * Marks a class as a reactor: its handlers have effects. An event is handled at least once, never by a replay. `defineApp`
 * takes the class, or an instance of it where it depends on something. Only writes metadata.
 */
export function Reactor(options: ReactorOptions): (target: AnyClass) => void {
  return (target) => {
    Reflect.defineMetadata(REACTOR, options, target);
  };
}

const fromInstance = (instance: object): ReactorSource => {
  const target = instance.constructor;
  const options = Reflect.getOwnMetadata(REACTOR, target) as ReactorOptions | undefined;
  if (options === undefined) {
    throw new RefoldError('definition.invalid', `class ${target.name} is not a reactor`, { remedy: 'Decorate the class with @Reactor.' });
  }
  const methods = instance as Readonly<Record<string, Effect<object>>>;
  const handlers = handledBy(target).map(({ event, options: on, method }): EffectSource => ({
    event,
    fields: on?.fields,
    handle: (given, context) => methods[method]!(given, context),
  }));
  return { ...options, handlers };
};

/** A reactor as a value: immutable, each `on` answers a new one. */
export interface ReactorValue {
  /** What has been said so far; read by `defineApp`. */
  readonly source: ReactorSource;
  on<E extends object>(event: EventClass<E>, handler: Effect<E>): ReactorValue;
  on<E extends object, const O extends EffectOn<FieldOf<E>>>(event: EventClass<E>, options: O, handler: Effect<Declared<E, O>>): ReactorValue;
}

class ReactorBuilder {
  constructor(readonly source: ReactorSource) {}

  on(event: EventClass, second: EffectOn | Effect<object>, third?: Effect<object>): ReactorBuilder {
    const [options, handle] = typeof second === 'function' ? [undefined, second] : [second, third!];
    const handler: EffectSource = { event, fields: options?.fields, handle };
    return new ReactorBuilder({ ...this.source, handlers: [...this.source.handlers, handler] });
  }
}

/** The same as the decorators, by values. */
export const reactor = (options: ReactorOptions): ReactorValue => new ReactorBuilder({ ...options, handlers: [] });

/** A class without constructor parameters, an instance of a class, or a value. */
export type AnyReactor = ReactorClass | ReactorValue | object;

/** @throws RefoldError `definition.invalid` for a class without `@Reactor` */
export const reactorSource = (given: AnyReactor): ReactorSource => {
  if (given instanceof ReactorBuilder) {
    return given.source;
  }
  return fromInstance(typeof given === 'function' ? new (given as ReactorClass)() : given);
};
