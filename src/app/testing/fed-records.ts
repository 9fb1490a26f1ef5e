import { CE, parseRfc3339 } from '../../events/cloudevents';
import type { NewRecord } from '../../events/event-log';
import type { EventSerde } from '../../events/event-serde';
import { findEventType, type EventClass } from '../../events/event-type';
import { RefoldError } from '../../kernel/errors';
import { isJsonRows, jsonRowOf } from './json-rows';

/** A record to feed. */
export interface FedRecord {
  /** An event, or of a topic of `jsonRows` any JSON; null: a tombstone. */
  readonly value: unknown;
  /** Of the record: text, or of a topic of `jsonRows` any JSON; events bring their own. Null or left out: a row without a key. */
  readonly key?: unknown;
  /** Event time, milliseconds since the epoch. Events may bring their own; others need it. */
  readonly timestamp?: number;
  /** Of the record in its partition: not below the next one. @defaultValue the next */
  readonly offset?: number;
  /** @defaultValue 0 */
  readonly partition?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of rows and tombstones, where the projection reads several. */
  readonly topic?: string;
  /** When the record was written, milliseconds since the epoch; only `maxAhead` asks for it. @defaultValue event time */
  readonly appendedAt?: number;
}

/** A record with its event time. */
export interface TimedRecord {
  readonly record: NewRecord;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

const refuse = (message: string): never => {
  throw new RefoldError('event.invalid', message);
};

/** Those of JSON rows on a topic, or on any. */
const rowClasses = (classes: readonly EventClass[], topic: string | undefined): readonly EventClass[] =>
  classes.filter((one) => isJsonRows(one) && (topic === undefined || findEventType(one)?.topic === topic));

const isEvent = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && typeof value.constructor === 'function' && findEventType(value.constructor as EventClass) !== undefined;

const requiredTime = ({ timestamp }: FedRecord): number =>
  Number.isSafeInteger(timestamp)
    ? timestamp!
    : refuse('a record that is no event with a time of its own needs a timestamp: whole milliseconds since the epoch');

/** A record that is read and of no interest to anybody. */
export const passingRecord = (topic: string, partition: number, time: number): TimedRecord => ({
  record: { topic, partition, key: Buffer.from('time'), value: null, headers: {}, timestamp: time },
  time,
});

const eventRecord = (serde: EventSerde, event: object, given: FedRecord): TimedRecord => {
  const encoded = serde.encode(event);
  const own = findEventType(event.constructor as EventClass)!.time !== undefined;
  const time = own ? parseRfc3339(encoded.headers[CE.time]!)! : requiredTime(given);
  const headers = { ...encoded.headers, [CE.time]: own ? encoded.headers[CE.time]! : new Date(time).toISOString(), ...given.headers };
  return { record: { ...encoded, headers, partition: given.partition ?? 0, timestamp: given.appendedAt ?? time }, time };
};

/** A record as it lies in the log. @throws RefoldError `event.invalid` */
export const timedRecord = (serde: EventSerde, classes: readonly EventClass[], given: FedRecord): TimedRecord => {
  const { value, key = null, headers = {}, topic, partition = 0, appendedAt } = given;
  if (isEvent(value)) {
    return eventRecord(serde, value, given);
  }
  const time = requiredTime(given);
  const [target, another] = rowClasses(classes, topic);
  if (another !== undefined) {
    return refuse('the projection reads several topics of jsonRows: say which (topic)');
  }
  if (target !== undefined) {
    return eventRecord(serde, jsonRowOf(target, { key, value, headers, timestamp: time })!, given);
  }
  if (value !== null) {
    return refuse('the projection handles no jsonRows(...) of this topic: give an event of a class that it handles, or null');
  }
  if (key !== null && typeof key !== 'string') {
    return refuse('the key of a record that is no JSON row is text');
  }
  const of = topic ?? findEventType(classes[0]!)!.topic;
  return { record: { topic: of, partition, key: Buffer.from(key ?? 'time'), value: null, headers, timestamp: appendedAt ?? time }, time };
};
