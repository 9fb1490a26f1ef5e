import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import type { LogRecord, NewRecord } from '../../../src/events/event-log';
import type { DecodedEvent } from '../../../src/events/event-serde';
import { defineEventType, type EventClass, type EventTypeOptions } from '../../../src/events/event-type';
import { EventTypes } from '../../../src/events/event-types';
import type { SchemaRegistry } from '../../../src/events/schema-registry';
import { RefoldError } from '../../../src/kernel/errors';

export const APPENDED_AT = Date.UTC(2026, 0, 1);

/** A record as it would lie in the log at offset 7. */
export const stored = (record: Pick<NewRecord, 'value' | 'headers'> & { readonly key?: Buffer | null; readonly topic?: string }): LogRecord => ({
  topic: record.topic ?? 'orders',
  partition: 3,
  offset: 7,
  timestamp: APPENDED_AT,
  key: record.key === undefined ? Buffer.from('k1') : record.key,
  value: record.value,
  headers: record.headers,
});

type Definition = Partial<EventTypeOptions<unknown, never>> & { readonly schema: unknown };

/** A fresh class with the event type `orders.Thing` unless said otherwise; what readers of before could read does not matter to most tests. */
export const eventClass = (definition: Definition): EventClass<object> & (new (fields: object) => object) => {
  class Thing {
    constructor(fields: object) {
      Object.assign(this, fields);
    }
  }
  defineEventType<unknown, object>(Thing, {
    name: 'orders.Thing',
    version: 1,
    topic: 'orders',
    key: () => 'k1',
    compatibility: 'NONE',
    ...definition,
  } as EventTypeOptions<unknown, object>);
  return Thing;
};

export const recordOf = (...fields: readonly object[]): object => ({ type: 'record', fields });

export const startedSerde = async (classes: readonly EventClass[], registry: SchemaRegistry = new MemorySchemaRegistry()): Promise<AvroSerde> => {
  const serde = new AvroSerde({ types: new EventTypes(classes), registry, source: 'shop' });
  await serde.start();
  return serde;
};

/** Reads a record with the classes as an application would that knows all of them. */
export const decodedWith = async (
  classes: readonly EventClass[],
  registry: SchemaRegistry,
  record: LogRecord,
  wanted = classes,
): Promise<readonly DecodedEvent[]> => {
  const decoder = (await startedSerde(classes, registry)).decoder(wanted);
  await decoder.prepare([record]);
  return decoder.decode(record);
};

/** A registry in which everything has the id 1, with its own answer to what an id means. */
export const answering = (byId: SchemaRegistry['byId']): SchemaRegistry => ({
  registration: 'automatic',
  register: () => Promise.resolve(1),
  idOf: () => Promise.resolve(1),
  byId,
  subject: () => Promise.resolve({ mode: 'BACKWARD_TRANSITIVE', schemas: [] }),
});

/** What `work` throws; fails if it does not throw one of refold's errors. */
export const errorOf = async (work: () => unknown): Promise<RefoldError> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof RefoldError) {
      return error;
    }
    throw error;
  }
  throw new Error('nothing was thrown');
};
