import { randomUUID } from 'node:crypto';
import { systemClock, type Clock } from '../../../kernel/clock';
import { RefoldError, messageOf } from '../../../kernel/errors';
import { cloudEventHeaders, isRfc3339Time } from '../../cloudevents';
import type { NewRecord } from '../../event-log';
import type { DecoderOptions, EventDecoder, EventMetadata, EventSerde, ForeignReading, TraceHeaders, WrittenEvent } from '../../event-serde';
import type { EventClass, EventTypeDefinition } from '../../event-type';
import type { EventTypes } from '../../event-types';
import type { SchemaRegistry } from '../../schema-registry';
import type { RegisterOptions, SchemaRegistration, SchemaVerdict } from '../../schema-verdict';
import { AvroDecoder } from './decoder';
import { EventCodec } from './event-codec';
import { eventFromJson, eventToJson } from './event-json';
import { AvroForeignReading } from './foreign-reading';
import { Registration } from './registration';
import { SchemaCache } from './schema-cache';
import type { RecordType } from './types';

export interface AvroSerdeOptions {
  readonly types: EventTypes;
  readonly registry: SchemaRegistry;
  /** Name of the application; `/<source>` becomes `ce_source`. */
  readonly source: string;
  /** Default: the system's clock. */
  readonly clock?: Clock;
  /** The trace that events belong to which are encoded now, where their metadata does not say. Default: none. */
  readonly trace?: () => TraceHeaders | undefined;
}

/**
 * Events as Avro in the Confluent wire format (0x00, schema id as int32 big-endian, Avro body) with CloudEvents headers.
 * Decoded objects are instances of the registered class without its constructor having run: the declared fields are set,
 * the prototype is the class's. So private `#fields`, field initialisers and constructor code of an event class have no effect there.
 */
export class AvroSerde implements EventSerde {
  readonly #options: Required<AvroSerdeOptions>;
  readonly #schemas: SchemaCache;
  readonly #codecs = new Map<string, EventCodec>();
  readonly #ids = new Map<string, number>();
  readonly #registration: Registration;

  /** @throws RefoldError `definition.invalid` if the schema of an event type cannot be used */
  constructor(options: AvroSerdeOptions) {
    this.#options = { clock: systemClock, trace: () => undefined, ...options };
    this.#schemas = new SchemaCache(options.registry, this.#options.clock);
    for (const definition of options.types.all()) {
      this.#codecs.set(definition.name, new EventCodec(definition));
    }
    this.#registration = new Registration(options.registry, [...this.#codecs.values()]);
  }

  async start(): Promise<void> {
    const automatic = this.#options.registry.registration === 'automatic';
    const ids = automatic ? new Map((await this.register()).map(({ type, id }) => [type, id])) : await this.#registration.registered();
    ids.forEach((id, name) => this.#ids.set(name, id));
  }

  register(options?: RegisterOptions): Promise<readonly SchemaRegistration[]> {
    return this.#registration.register(options);
  }

  check(): Promise<readonly SchemaVerdict[]> {
    return this.#registration.check();
  }

  encode(event: object, metadata: EventMetadata = {}): NewRecord {
    const definition = this.#options.types.of(event);
    const schemaId = this.#ids.get(definition.name);
    if (schemaId === undefined) {
      throw new RefoldError('internal.invariant', `events cannot be encoded before the serde has started`, { facts: { type: definition.name } });
    }
    const value = (this.#codecs.get(definition.name) as EventCodec).encode(event, schemaId);
    const stream = keyOf(definition, event, 'key');
    const key = definition.partitionKey === undefined ? stream : keyOf(definition, event, 'partitionKey');
    const time = this.#timeOf(definition, event);
    const headers = cloudEventHeaders({
      id: metadata.id ?? randomUUID(),
      type: definition.name,
      app: this.#options.source,
      time,
      subject: stream,
      correlationId: metadata.correlationId,
      causationId: metadata.causationId,
      streamVersion: metadata.streamVersion,
      journalIncarnation: metadata.journalIncarnation,
      ...(metadata.traceparent === undefined ? this.#options.trace() : { traceparent: metadata.traceparent, tracestate: metadata.tracestate }),
    });
    return { topic: definition.topic, key: Buffer.from(key), value, headers };
  }

  fromJson(name: string, json: unknown): WrittenEvent {
    const definition = this.#options.types.byName(name);
    if (definition === undefined) {
      throw new RefoldError('event.not-registered', `event type ${name} is not registered`, { facts: { type: name } });
    }
    const type = this.#codecs.get(name)?.type as RecordType;
    let event: object;
    try {
      event = eventFromJson(type, json);
    } catch (error) {
      throw invalid(definition, messageOf(error), error);
    }
    const record = this.encode(event); // which checks it
    const time = definition.time === undefined ? undefined : this.#timeOf(definition, event).getTime();
    return { record, time, json: eventToJson(type, event) };
  }

  toJson(event: object): string {
    return eventToJson(this.#codecs.get(this.#options.types.of(event).name)?.type as RecordType, event);
  }

  foreignReading(): ForeignReading {
    return new AvroForeignReading(this.#schemas, (event) => (this.#codecs.get(this.#options.types.of(event).name) as EventCodec).faultOf(event));
  }

  decoder(types: readonly EventClass[], options: DecoderOptions = {}): EventDecoder {
    const wanted = new Set(types.map((target) => this.#options.types.byClass(target).name));
    return new AvroDecoder({ ...options, codecs: [...this.#codecs.values()], wanted, schemas: this.#schemas });
  }

  #timeOf(definition: EventTypeDefinition, event: object): Date {
    const time: unknown = definition.time === undefined ? new Date(this.#options.clock.now()) : called(definition, 'time', () => definition.time?.(event));
    if (!(time instanceof Date) || Number.isNaN(time.getTime())) {
      throw invalid(definition, 'its time is not a valid Date');
    }
    if (!isRfc3339Time(time)) {
      throw invalid(definition, `its time lies outside of the years 0 to 9999`);
    }
    return time;
  }
}

const invalid = (definition: EventTypeDefinition, reason: string, cause?: unknown): RefoldError =>
  new RefoldError('event.invalid', `${definition.name}: ${reason}`, { facts: { type: definition.name }, cause });

const called = <T>(definition: EventTypeDefinition, what: string, call: () => T): T => {
  try {
    return call();
  } catch (error) {
    throw invalid(definition, `its ${what} could not be told: ${messageOf(error)}`, error);
  }
};

const keyOf = (definition: EventTypeDefinition, event: object, which: 'key' | 'partitionKey'): string => {
  const key: unknown = called(definition, which, () => definition[which]?.(event));
  if (typeof key !== 'string' || key === '') {
    throw invalid(definition, `its ${which} must be a text that is not empty`);
  }
  if (/\p{Surrogate}/u.test(key)) {
    throw invalid(definition, `its ${which} holds half of a surrogate pair, which UTF-8 cannot write`);
  }
  return key;
};
