import { RefoldError } from '../kernel/errors';
import type { NewRecord } from './event-log';
import type { DecoderOptions, EventDecoder, EventMetadata, EventSerde, ForeignReading, WrittenEvent } from './event-serde';
import type { EventClass } from './event-type';
import type { EventTypes } from './event-types';
import type { ForeignTopics } from './foreign';
import { ForeignDecoder } from './foreign-decoder';
import type { RegisterOptions, SchemaRegistration, SchemaVerdict } from './schema-verdict';

/** A serde that reads the topics of others too, and never writes to them. */
export class ForeignSerde implements EventSerde {
  constructor(
    private readonly inner: EventSerde,
    private readonly topics: ForeignTopics,
    private readonly types: EventTypes,
  ) {}

  start(): Promise<void> {
    return this.inner.start();
  }

  register(options?: RegisterOptions): Promise<readonly SchemaRegistration[]> {
    return this.inner.register(options);
  }

  check(): Promise<readonly SchemaVerdict[]> {
    return this.inner.check();
  }

  /** @throws RefoldError `event.foreign-topic` */
  encode(event: object, metadata?: EventMetadata): NewRecord {
    const { name: type, topic } = this.types.of(event);
    if (this.topics.has(topic)) {
      throw new RefoldError('event.foreign-topic', `${type} cannot be appended: others write topic ${topic}`, { facts: { type, topic } });
    }
    return this.inner.encode(event, metadata);
  }

  fromJson(type: string, json: unknown): WrittenEvent {
    return this.inner.fromJson(type, json);
  }

  toJson(event: object): string {
    return this.inner.toJson(event);
  }

  foreignReading(): ForeignReading {
    return this.inner.foreignReading();
  }

  decoder(types: readonly EventClass[], options?: DecoderOptions): EventDecoder {
    const wanted = new Set(types.map((target) => this.types.byClass(target).name));
    return new ForeignDecoder({
      inner: this.inner.decoder(types, options),
      topics: this.topics,
      types: this.types,
      wanted,
      reading: this.inner.foreignReading(),
    });
  }
}
