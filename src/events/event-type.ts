import 'reflect-metadata';
import type { Decimal } from '../kernel/decimal';
import { RefoldError } from '../kernel/errors';
import type { CompatibilityMode } from './schema-registry';
import type { Upcasters } from './upcasting';

/** Avro schema literal to the type its decoded value has (the subset that refold supports). */
export type FromAvro<S> = S extends { readonly logicalType: 'timestamp-millis' | 'timestamp-micros' }
  ? Date
  : S extends { readonly logicalType: 'decimal' }
    ? Decimal
    : S extends { readonly type: 'record'; readonly fields: infer F extends readonly { readonly name: string; readonly type: unknown }[] }
      ? { readonly [K in F[number] as K['name']]: FromAvro<K['type']> }
      : S extends { readonly type: 'array'; readonly items: infer I }
        ? readonly FromAvro<I>[]
        : S extends { readonly type: 'map'; readonly values: infer V }
          ? Readonly<Record<string, FromAvro<V>>>
          : S extends { readonly type: 'enum'; readonly symbols: infer Y extends readonly string[] }
            ? Y[number]
            : S extends readonly unknown[]
              ? FromAvro<S[number]>
              : S extends 'string'
                ? string
                : S extends 'int' | 'float' | 'double'
                  ? number
                  : S extends 'long'
                    ? bigint
                    : S extends 'boolean'
                      ? boolean
                      : S extends 'null'
                        ? null
                        : S extends 'bytes'
                          ? Uint8Array
                          : S extends { readonly type: infer T }
                            ? FromAvro<T>
                            : unknown;

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a class of any constructor; only the instance type is used
export type EventClass<E extends object = any> = abstract new (...args: any[]) => E;

export interface EventTypeOptions<S, E> {
  /** Full name, `orders.OrderPlaced`; also the name of the Avro record and the CloudEvents type. */
  readonly name: string;
  /** Version of the schema, from 1. */
  readonly version: number;
  readonly topic: string;
  /** Avro record schema; `name` and `namespace` are taken from the event type's name. */
  readonly schema: S;
  /** Stream id: becomes the record key; never empty. */
  readonly key: (event: E) => string;
  /**
   * Record key where it is coarser than the stream id, as in a topic of orders that is keyed by customer. All events of a
   * stream must have the same. Default: `key`. A reader then takes the stream id from the event instead of the record.
   */
  readonly partitionKey?: (event: E) => string;
  /** Event time; default: the time of appending. */
  readonly time?: (event: E) => Date;
  /** `{ 1: up }` turns the fields of version 1 into those of version 2, and so on. */
  readonly upcasters?: Upcasters;
  /** Names of other event types of the same topic that the upcasters make of old records with `asEvent`. */
  readonly becomes?: readonly string[];
  /** Full names that the type had before: records under them are read as this type. Their versions count on. */
  readonly formerNames?: readonly string[];
  /**
   * What a changed schema of the same version owes to those before. Whatever is said here, everything written has to stay
   * readable. @defaultValue `FULL_TRANSITIVE`: code of yesterday reads what is written today, too
   */
  readonly compatibility?: CompatibilityMode;
  /** Events of which `refold schemas record` keeps the bytes. @defaultValue values made up from the schema */
  readonly samples?: () => readonly E[];
}

/** An event type as the rest of refold sees it. */
export interface EventTypeDefinition {
  readonly name: string;
  readonly version: number;
  readonly topic: string;
  readonly schema: unknown;
  readonly key: (event: object) => string;
  readonly partitionKey: ((event: object) => string) | undefined;
  readonly time: ((event: object) => Date) | undefined;
  readonly upcasters: Upcasters;
  readonly becomes: readonly string[];
  readonly formerNames: readonly string[];
  readonly compatibility: CompatibilityMode;
  readonly samples: (() => readonly object[]) | undefined;
  readonly class: EventClass;
}

const EVENT_TYPE = Symbol('refold:event-type');

/**
 * Marks a class as an event type. Refuses (at compile time) a class whose fields cannot hold what the schema
 * decodes to, or that lacks what the schema encodes. Only writes metadata; `defineApp` reads it.
 */
export function EventType<const S>(options: EventTypeOptions<S, FromAvro<NoInfer<S>>>): <C extends EventClass<FromAvro<S> & object>>(target: C) => void {
  return (target) => {
    defineEventType(target, options as unknown as EventTypeOptions<S, object>);
  };
}

/** The same without a decorator. */
export function defineEventType<S, E extends object>(target: EventClass<E>, options: EventTypeOptions<S, E>): void {
  const definition: EventTypeDefinition = {
    name: options.name,
    version: options.version,
    topic: options.topic,
    schema: options.schema,
    key: options.key as (event: object) => string,
    partitionKey: options.partitionKey as ((event: object) => string) | undefined,
    time: options.time as ((event: object) => Date) | undefined,
    upcasters: options.upcasters ?? {},
    becomes: options.becomes ?? [],
    formerNames: options.formerNames ?? [],
    compatibility: options.compatibility ?? 'FULL_TRANSITIVE',
    samples: options.samples,
    class: target,
  };
  Reflect.defineMetadata(EVENT_TYPE, definition, target);
}

/** The definition written by `@EventType`; `undefined` for other classes. Not inherited. */
export const findEventType = (target: EventClass): EventTypeDefinition | undefined =>
  Reflect.getOwnMetadata(EVENT_TYPE, target) as EventTypeDefinition | undefined;

/** @throws RefoldError `event.not-registered` */
export const eventTypeOf = (target: EventClass): EventTypeDefinition => {
  const definition = findEventType(target);
  if (definition === undefined) {
    throw new RefoldError('event.not-registered', `class ${target.name} is not an event type`, { remedy: 'Decorate the class with @EventType.' });
  }
  return definition;
};
