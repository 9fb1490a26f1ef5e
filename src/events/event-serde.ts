import type { LogRecord, NewRecord } from './event-log';
import type { EventClass } from './event-type';
import type { RegisterOptions, SchemaRegistration, SchemaVerdict } from './schema-verdict';

/** W3C trace context of the span in which an event came to be. */
export interface TraceHeaders {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** What travels in the headers beside the event; all of it is optional when an event is appended. */
export interface EventMetadata extends TraceHeaders {
  /** Unique id of the event (CloudEvents `id`); default: a random UUID. */
  readonly id?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
  /** Version within the stream, from 1, and the journal that gave it; events without a journal have neither. */
  readonly streamVersion?: number;
  readonly journalIncarnation?: string;
}

/** An event that somebody wrote down as JSON. */
export interface WrittenEvent {
  readonly record: NewRecord;
  /** Event time, milliseconds since the epoch; `undefined` where its type does not say one. */
  readonly time: number | undefined;
  /** The fields as one text, equal for equal events. */
  readonly json: string;
}

/** One event decoded from a record; a record decodes to none, one or several (upcasters split and drop). */
export interface DecodedEvent {
  /** Registered name of the event type. */
  readonly type: string;
  /** Instance of the registered class. */
  readonly event: object;
  /** The stream id: the record key as text, or what the event names where the type has a `partitionKey`. */
  readonly key: string;
  /** Event time, milliseconds since the epoch. */
  readonly time: number;
  /** 0 unless the record decoded to several events. */
  readonly index: number;
}

/** A record after reading its headers: what is known of it without decoding the body. */
export interface RecordFacts {
  /**
   * `ce_time` if there is one, else the record's timestamp; milliseconds since the epoch. `undefined`: only the body could
   * tell, and tells none.
   */
  readonly time: number | undefined;
  /** `undefined` where a foreign producer wrote no `ce_type`; then the writer's schema tells. */
  readonly type: string | undefined;
}

/** What becomes of an event of a type that nobody registered, as newer code may write it. `hold`: its partition stops there. */
export type UnknownEvents = 'hold' | 'ignore';

export interface DecoderOptions {
  /** @defaultValue `hold` */
  readonly unknownEvents?: UnknownEvents;
  /** By name of event type: only these fields are read; the others throw where they are asked for. */
  readonly fields?: ReadonlyMap<string, readonly string[]>;
}

/** Decodes for one reader: only the event types it was made for, others are skipped undecoded. */
export interface EventDecoder {
  facts(record: LogRecord): RecordFacts;
  /** Fetches the schemas these records need and that are not cached. Never throws for an unknown id: `decode` does. @throws `schema.unreachable` */
  prepare(records: readonly LogRecord[]): Promise<void>;
  /**
   * Synchronous, after `prepare`. An empty list: no wanted type, a tombstone, or dropped by an upcaster.
   * @throws RefoldError `event.wrong-magic-byte`, `event.unknown-schema-id`, `event.unknown-type`, `event.newer-version`, `event.undecodable`,
   * `schema.id-reassigned`, with the position.
   */
  decode(record: LogRecord): readonly DecodedEvent[];
}

/** Reads what others wrote, for mappers. */
export interface ForeignReading {
  /** Fetches the schemas these records need; an unknown id is said by `fields`. @throws RefoldError `schema.unreachable` */
  prepare(records: readonly LogRecord[]): Promise<void>;
  /**
   * The fields of a record in the Confluent wire format, as its writer's schema has them. Synchronous, after `prepare`.
   * @throws RefoldError `event.wrong-magic-byte`, `event.unknown-schema-id`, `event.undecodable`, `schema.id-reassigned`
   */
  fields(record: LogRecord): Readonly<Record<string, unknown>>;
  /** Why an event that was made of a record does not fit its schema; `undefined`: it does. @throws RefoldError `event.not-registered` */
  faultOf(event: object): string | undefined;
}

/** Port between event objects and records. */
export interface EventSerde {
  /**
   * Learns the schema ids of all event types; registers what is missing where the registry lets applications do so.
   * Called once before `encode`.
   * @throws RefoldError `schema.unregistered`, `schema.incompatible`, `schema.id-reassigned`, `schema.unreachable`
   */
  start(): Promise<void>;
  /**
   * Registers the schemas of all event types, or none if one of them does not get along with what is there. Idempotent.
   * @throws RefoldError `schema.incompatible`, `schema.id-reassigned`, `schema.unreachable`
   */
  register(options?: RegisterOptions): Promise<readonly SchemaRegistration[]>;
  /** What the registry knows of each event type. Changes nothing. @throws RefoldError `schema.id-reassigned`, `schema.unreachable` */
  check(): Promise<readonly SchemaVerdict[]>;
  /** @throws RefoldError `event.not-registered`, `event.invalid` */
  encode(event: object, metadata?: EventMetadata): NewRecord;
  /**
   * An event from its fields in JSON: times as RFC 3339 text, decimals and 64-bit integers as text or number, bytes as Base64.
   * @throws RefoldError `event.not-registered`, `event.invalid`
   */
  fromJson(type: string, json: unknown): WrittenEvent;
  /** The fields of an event as one text of JSON, as `fromJson` reads it. @throws RefoldError `event.not-registered` */
  toJson(event: object): string;
  /** For records that are no events of ours. */
  foreignReading(): ForeignReading;
  /** @throws RefoldError `event.not-registered` */
  decoder(types: readonly EventClass[], options?: DecoderOptions): EventDecoder;
}
