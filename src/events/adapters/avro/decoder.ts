import { isRefoldError, messageOf } from '../../../kernel/errors';
import { CE, parseRfc3339 } from '../../cloudevents';
import type { LogRecord } from '../../event-log';
import type { DecodedEvent, DecoderOptions, EventDecoder, RecordFacts } from '../../event-serde';
import type { EventTypeDefinition } from '../../event-type';
import { failure, undecodable } from './decode-failure';
import { MAGIC, PREFIX_BYTES, type EventCodec, type Reader } from './event-codec';
import { UndeclaredField } from './narrowing';
import type { WriterSchema } from './schema';
import type { SchemaCache } from './schema-cache';
import { targetsOf, type Target } from './targets';

export interface AvroDecoderOptions extends DecoderOptions {
  /** Of every event type of the application. */
  readonly codecs: readonly EventCodec[];
  /** Names of the event types to decode; others are skipped. */
  readonly wanted: ReadonlySet<string>;
  readonly schemas: SchemaCache;
}

const NOTHING: readonly DecodedEvent[] = [];

/** See {@link EventDecoder}. Keeps the last header time it parsed, since facts and body of a record are read after each other. */
export class AvroDecoder implements EventDecoder {
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #schemas: SchemaCache;
  readonly #ignoresUnknown: boolean;
  #timeText = '';
  #timeMs: number | undefined;

  constructor({ codecs, wanted, schemas, fields, unknownEvents }: AvroDecoderOptions) {
    this.#schemas = schemas;
    this.#ignoresUnknown = unknownEvents === 'ignore';
    this.#targets = targetsOf(codecs, wanted, fields);
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
    if (named === undefined ? type !== undefined : !isRead(named)) {
      return NOTHING;
    }
    const id = schemaId(record, value);
    const target = named ?? this.#target(record, this.#writer(record, id).name);
    if (target === undefined || !isRead(target)) {
      return NOTHING;
    }
    const reader = target.readers.get(id) ?? this.#reader(record, target, id);
    if (reader.kind === 'several') {
      return this.#upcast(record, target, reader, value);
    }
    return target.wanted ? this.#decoded(record, target, reader, value, id) : NOTHING;
  }

  #decoded(record: LogRecord, target: Target, reader: OneReader, value: Buffer, id: number): readonly DecodedEvent[] {
    const time = this.#timeOf(record);
    try {
      const event = reader.read(value);
      return [{ type: target.name, event, key: this.#keyOf(record, target, event, id), time, index: 0 }];
    } catch (error) {
      throw undecodable(record, target.name, error);
    }
  }

  /** What is not asked for counts in the index: the place of an event is the same for every reader. */
  #upcast(record: LogRecord, target: Target, reader: SeveralReader, value: Buffer): readonly DecodedEvent[] {
    const time = this.#timeOf(record);
    const { topic, partition, offset, timestamp, headers } = record;
    const key = record.key?.toString() ?? null;
    try {
      const made = reader.read(value, { topic, partition, offset, key, headers, time: new Date(time), appendedAt: new Date(timestamp) });
      return made.flatMap(({ type, fields }, index) => {
        const of = this.#targets.get(type) as Target;
        const event = of.wanted ? of.codec.instance(fields) : undefined;
        return event === undefined ? [] : [{ type, event, key: keyNamed(record, of.codec.definition, event), time, index }];
      });
    } catch (error) {
      throw undecodable(record, target.name, error);
    }
  }

  /** The event names its stream where the record key does not, if need be in a field that the reader does not ask for. */
  #keyOf(record: LogRecord, target: Target, event: object, id: number): string {
    const { definition } = target.codec;
    try {
      const whole = target.wholes.get(id);
      return whole?.kind === 'one' ? keyNamed(record, definition, whole.read(record.value as Buffer)) : keyNamed(record, definition, event);
    } catch (error) {
      if (!(error instanceof UndeclaredField) || target.wholes.has(id)) {
        throw error;
      }
      target.wholes.set(id, target.codec.reader(this.#writer(record, id), this.#typeNamed));
      return this.#keyOf(record, target, event, id);
    }
  }

  #mayWant(type: string | undefined): boolean {
    const target = type === undefined ? undefined : this.#targets.get(type);
    return type === undefined || (target !== undefined && isRead(target));
  }

  readonly #typeNamed = (name: string): EventTypeDefinition | undefined => this.#targets.get(name)?.codec.definition;

  /** `undefined`: of a type that nobody registered and this reader ignores. */
  #target(record: LogRecord, type: string): Target | undefined {
    const target = this.#targets.get(type);
    if (target === undefined && !this.#ignoresUnknown) {
      throw failure('event.unknown-type', `event type ${type} is not registered`, record, { type });
    }
    return target;
  }

  #writer(record: LogRecord, id: number): WriterSchema {
    const writer = this.#schemas.get(id);
    if (writer === undefined) {
      throw failure('event.unknown-schema-id', `schema id ${String(id)} is not known to the registry`, record, { schemaId: id });
    }
    if ('broken' in writer && isRefoldError(writer.broken, 'schema.id-reassigned')) {
      throw failure('schema.id-reassigned', writer.broken.summary, record, { schemaId: id }, writer.broken);
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

  #reader(record: LogRecord, target: Target, id: number): Reader {
    const writer = this.#writer(record, id);
    const { name, version } = target.codec.definition;
    if (!target.wanted && !target.codec.upcasts(writer)) {
      target.readers.set(id, SKIPPED);
      return SKIPPED;
    }
    if (writer.since > version) {
      throw this.#newer(record, target, writer, 'an upcaster stands between the two');
    }
    try {
      const reader = target.codec.reader(writer, this.#typeNamed, target.fields);
      target.readers.set(id, reader);
      return reader;
    } catch (error) {
      if (writer.version !== undefined && writer.version > version) {
        throw this.#newer(record, target, writer, messageOf(error), error);
      }
      throw failure('event.undecodable', `schema ${String(id)} cannot be read as ${name}: ${messageOf(error)}`, record, { type: name, schemaId: id }, error);
    }
  }

  #newer(record: LogRecord, { codec }: Target, { id, version = 0 }: WriterSchema, reason: string, cause?: unknown): Error {
    const { name, version: ours } = codec.definition;
    const message = `${name} was written in version ${String(version)}, which code of version ${String(ours)} cannot read: ${reason}`;
    return failure('event.newer-version', message, record, { type: name, written: version, known: ours, schemaId: id }, cause);
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

type OneReader = Extract<Reader, { readonly kind: 'one' }>;
type SeveralReader = Extract<Reader, { readonly kind: 'several' }>;

/** Of a type that is read for what its older records become: this one is none of them. */
const SKIPPED: OneReader = { kind: 'one', read: () => ({}) };

const isRead = ({ wanted, becomesWanted }: Target): boolean => wanted || becomesWanted;

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
const keyNamed = (record: LogRecord, definition: EventTypeDefinition, event: object): string =>
  record.key !== null && definition.partitionKey === undefined ? record.key.toString() : definition.key(event);
