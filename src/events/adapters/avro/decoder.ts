import { RefoldError, isRefoldError, messageOf, type ErrorCode } from '../../../kernel/errors';
import { CE, parseRfc3339 } from '../../cloudevents';
import type { LogRecord } from '../../event-log';
import type { DecodedEvent, EventDecoder, RecordFacts } from '../../event-serde';
import { MAGIC, PREFIX_BYTES, type EventCodec, type Read } from './event-codec';
import type { WriterSchema } from './schema';
import type { SchemaCache } from './schema-cache';

export interface AvroDecoderOptions {
  /** Of every event type of the application. */
  readonly codecs: readonly EventCodec[];
  /** Names of the event types to decode; others are skipped. */
  readonly wanted: ReadonlySet<string>;
  readonly schemas: SchemaCache;
}

/** One event type as this decoder sees it; readers are made once per writer's schema. */
interface Target {
  readonly codec: EventCodec;
  readonly name: string;
  readonly wanted: boolean;
  readonly readers: Map<number, Read>;
}

const NOTHING: readonly DecodedEvent[] = [];

/** See {@link EventDecoder}. Keeps the last header time it parsed, since facts and body of a record are read after each other. */
export class AvroDecoder implements EventDecoder {
  readonly #targets = new Map<string, Target>();
  readonly #schemas: SchemaCache;
  #timeText = '';
  #timeMs: number | undefined;

  constructor({ codecs, wanted, schemas }: AvroDecoderOptions) {
    this.#schemas = schemas;
    const targets = codecs.map((codec) => ({
      codec,
      name: codec.definition.name,
      wanted: wanted.has(codec.definition.name),
      readers: new Map<number, Read>(),
    }));
    for (const target of targets) {
      target.codec.aliases.forEach((alias) => this.#targets.set(alias, target));
    }
    for (const target of targets) {
      this.#targets.set(target.name, target); // a present name goes before a former one
    }
  }

  facts(record: LogRecord): RecordFacts {
    const text = record.headers[CE.time];
    return { time: (text === undefined ? undefined : this.#parseTime(text)) ?? record.timestamp, type: record.headers[CE.type] };
  }

  async prepare(records: readonly LogRecord[]): Promise<void> {
    const missing = new Set<number>();
    let last = Number.NaN;
    for (const { value, headers } of records) {
      if (value === null || value.length < PREFIX_BYTES || value[0] !== MAGIC) {
        continue;
      }
      const id = value.readInt32BE(1);
      if (id === last || !this.#mayWant(headers[CE.type])) {
        continue;
      }
      last = id;
      if (!this.#schemas.has(id)) {
        missing.add(id);
      }
    }
    if (missing.size > 0) {
      await this.#schemas.fetch(missing);
    }
  }

  decode(record: LogRecord): readonly DecodedEvent[] {
    const { value } = record;
    if (value === null) {
      return NOTHING;
    }
    const type = record.headers[CE.type];
    const named = type === undefined ? undefined : this.#target(record, type);
    if (named?.wanted === false) {
      return NOTHING;
    }
    const id = schemaId(record, value);
    const target = named ?? this.#targetOfWriter(record, id);
    if (!target.wanted) {
      return NOTHING;
    }
    const read = target.readers.get(id) ?? this.#reader(record, target, id);
    return this.#decoded(record, target, read, value);
  }

  #decoded(record: LogRecord, target: Target, read: Read, value: Buffer): readonly DecodedEvent[] {
    const time = this.#timeOf(record);
    let events: readonly object[];
    try {
      events = read(value);
    } catch (error) {
      throw undecodable(record, target.name, error);
    }
    if (events.length === 0) {
      return NOTHING;
    }
    const key = keyOf(record, target, events[0] as object);
    if (events.length === 1) {
      return [{ type: target.name, event: events[0] as object, key, time, index: 0 }];
    }
    return events.map((event, index) => ({ type: target.name, event, key, time, index }));
  }

  #mayWant(type: string | undefined): boolean {
    return type === undefined || this.#targets.get(type)?.wanted === true;
  }

  #target(record: LogRecord, type: string): Target {
    const target = this.#targets.get(type);
    if (target === undefined) {
      throw failure('event.unknown-type', `event type ${type} is not registered`, record, { type });
    }
    return target;
  }

  #targetOfWriter(record: LogRecord, id: number): Target {
    return this.#target(record, this.#writer(record, id).name);
  }

  #writer(record: LogRecord, id: number): WriterSchema {
    const writer = this.#schemas.get(id);
    if (writer === undefined) {
      throw failure('event.unknown-schema-id', `schema id ${String(id)} is not known to the registry`, record, { schemaId: id });
    }
    if ('broken' in writer && isRefoldError(writer.broken, 'schema.id-changed')) {
      throw failure('schema.id-changed', writer.broken.summary, record, { schemaId: id }, writer.broken);
    }
    if ('broken' in writer) {
      throw failure(
        'event.undecodable',
        `schema ${String(id)} is no Avro schema of a record: ${messageOf(writer.broken)}`,
        record,
        { schemaId: id },
        writer.broken,
      );
    }
    return writer;
  }

  #reader(record: LogRecord, target: Target, id: number): Read {
    const writer = this.#writer(record, id);
    try {
      const read = target.codec.reader(writer);
      target.readers.set(id, read);
      return read;
    } catch (error) {
      throw failure(
        'event.undecodable',
        `schema ${String(id)} cannot be read as ${target.name}: ${messageOf(error)}`,
        record,
        { type: target.name, schemaId: id },
        error,
      );
    }
  }

  #timeOf(record: LogRecord): number {
    const text = record.headers[CE.time];
    if (text === undefined) {
      return record.timestamp;
    }
    const time = this.#parseTime(text);
    if (time === undefined) {
      throw failure('event.undecodable', `header ${CE.time} is not an RFC 3339 time: ${JSON.stringify(text)}`, record, {});
    }
    return time;
  }

  #parseTime(text: string): number | undefined {
    if (text !== this.#timeText) {
      this.#timeMs = parseRfc3339(text);
      this.#timeText = text;
    }
    return this.#timeMs;
  }
}

type Facts = Readonly<Record<string, string | number>>;

const failure = (code: ErrorCode, message: string, record: LogRecord, facts: Facts, cause?: unknown): RefoldError => {
  const { topic, partition, offset, key } = record;
  return new RefoldError(code, message, { facts: { topic, partition, offset, key: key?.toString(), ...facts }, cause });
};

const undecodable = (record: LogRecord, type: string, error: unknown): RefoldError =>
  isRefoldError(error, 'event.undecodable') ? error : failure('event.undecodable', `${type}: ${messageOf(error)}`, record, { type }, error);

const schemaId = (record: LogRecord, value: Buffer): number => {
  if (value.length > 0 && value[0] !== MAGIC) {
    throw failure('event.wrong-magic-byte', 'the record is not in the Confluent wire format', record, {
      byte: `0x${(value[0] ?? 0).toString(16).padStart(2, '0')}`,
    });
  }
  if (value.length < PREFIX_BYTES) {
    throw failure('event.undecodable', `the value has ${String(value.length)} bytes; magic byte and schema id alone take ${String(PREFIX_BYTES)}`, record, {});
  }
  return value.readInt32BE(1);
};

/** The event names its stream where the record key does not: a foreign record has none, or the key is that of the partition. */
const keyOf = (record: LogRecord, target: Target, event: object): string => {
  if (record.key !== null && target.codec.definition.partitionKey === undefined) {
    return record.key.toString();
  }
  try {
    return target.codec.definition.key(event);
  } catch (error) {
    throw undecodable(record, target.name, error);
  }
};
