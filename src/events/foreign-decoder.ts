import { RefoldError, isRefoldError, messageOf, type ErrorCode } from '../kernel/errors';
import type { LogRecord } from './event-log';
import type { DecodedEvent, EventDecoder, ForeignReading, RecordFacts } from './event-serde';
import type { EventTypes } from './event-types';
import type { ForeignRecord, ForeignTopic, ForeignTopics } from './foreign';

export interface ForeignDecoderParts {
  /** Of all other topics, and of replacements. */
  readonly inner: EventDecoder;
  readonly topics: ForeignTopics;
  readonly types: EventTypes;
  /** Names of the event types to decode. */
  readonly wanted: ReadonlySet<string>;
  readonly reading: ForeignReading;
}

interface Mapped {
  readonly record: LogRecord;
  readonly events: readonly DecodedEvent[];
  readonly error: RefoldError | undefined;
}

/** What stands for itself; whatever else went wrong went wrong in the mapper. */
const OF_THE_RECORD: ReadonlySet<string> = new Set<ErrorCode>([
  'event.wrong-magic-byte',
  'event.unknown-schema-id',
  'event.undecodable',
  'schema.id-reassigned',
]);

const failed = (record: LogRecord, error: unknown): RefoldError => {
  const { topic, partition, offset, key } = record;
  const facts = { topic, partition, offset, key: key?.toString() };
  return isRefoldError(error) && OF_THE_RECORD.has(error.code)
    ? new RefoldError(error.code, error.summary, { facts: { ...facts, ...error.facts }, cause: error })
    : new RefoldError('event.undecodable', `the record of ${topic} could not be mapped: ${messageOf(error)}`, { facts, cause: error });
};

/** Records of foreign topics become events by their mapper, those of other topics as ever. See {@link EventDecoder}. */
export class ForeignDecoder implements EventDecoder {
  readonly #parts: ForeignDecoderParts;
  /** Facts and events of a record are asked for one after the other. */
  #last: Mapped | undefined;

  constructor(parts: ForeignDecoderParts) {
    this.#parts = parts;
  }

  /** Only the events know their time: a record of which none is made has none. */
  facts(record: LogRecord): RecordFacts {
    const topic = this.#topicOf(record);
    if (topic === undefined) {
      return this.#parts.inner.facts(record);
    }
    const { events } = this.#mapped(topic, record);
    return { time: events.length === 0 ? undefined : Math.max(...events.map(({ time }) => time)), type: undefined };
  }

  async prepare(records: readonly LogRecord[]): Promise<void> {
    const avro = records.filter((record) => this.#topicOf(record)?.format === 'avro');
    await this.#parts.reading.prepare(avro);
    await this.#parts.inner.prepare(records.filter((record) => this.#topicOf(record) === undefined));
  }

  decode(record: LogRecord): readonly DecodedEvent[] {
    const topic = this.#topicOf(record);
    if (topic === undefined) {
      // A replacement in a foreign topic is an event of ours, whose key the record need not have.
      return this.#parts.inner.decode(this.#parts.topics.has(record.topic) ? { ...record, key: null } : record);
    }
    const { events, error } = this.#mapped(topic, record);
    if (error !== undefined) {
      throw error;
    }
    return events.filter(({ type }) => this.#parts.wanted.has(type));
  }

  #topicOf(record: LogRecord): ForeignTopic | undefined {
    return record.erratum === undefined ? this.#parts.topics.get(record.topic) : undefined;
  }

  #mapped(topic: ForeignTopic, record: LogRecord): Mapped {
    if (this.#last?.record !== record) {
      try {
        this.#last = { record, events: this.#map(topic, record), error: undefined };
      } catch (error) {
        this.#last = { record, events: [], error: failed(record, error) };
      }
    }
    return this.#last;
  }

  #map(topic: ForeignTopic, record: LogRecord): readonly DecodedEvent[] {
    const made: unknown = topic.map(this.#foreign(topic, record));
    const events: readonly unknown[] = made === undefined ? [] : Array.isArray(made) ? made : [made];
    return events.map((event, index) => this.#event(record, event, index));
  }

  #foreign({ format }: ForeignTopic, record: LogRecord): ForeignRecord {
    const { topic, partition, offset, timestamp, key, headers, value: bytes } = record;
    const value: unknown = bytes === null ? null : format === 'avro' ? this.#parts.reading.fields(record) : JSON.parse(bytes.toString('utf8'));
    return { topic, partition, offset, timestamp, key: key === null ? null : key.toString('utf8'), headers, value, bytes };
  }

  #event(record: LogRecord, event: unknown, index: number): DecodedEvent {
    if (typeof event !== 'object' || event === null) {
      throw new TypeError('it has to make events, or nothing');
    }
    const type = this.#parts.types.of(event);
    if (type.topic !== record.topic) {
      throw new TypeError(`${type.name} is an event of topic ${type.topic}`);
    }
    const fault = this.#parts.reading.faultOf(event);
    if (fault !== undefined) {
      throw new TypeError(`${type.name}: ${fault}`);
    }
    const key: unknown = type.key(event);
    if (typeof key !== 'string' || key === '') {
      throw new TypeError(`${type.name}: its key must be a text that is not empty`);
    }
    const time = type.time?.(event).getTime() ?? record.timestamp;
    if (!Number.isFinite(time)) {
      throw new TypeError(`${type.name}: its time is not a valid Date`);
    }
    return { type: type.name, event, key, time, index };
  }
}
