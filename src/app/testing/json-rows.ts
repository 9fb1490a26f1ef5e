import { defineEventType, type EventClass } from '../../events/event-type';
import { canonicalJson } from '../../projections/values';

/** A record whose value is JSON, as handlers are given it. */
export interface JsonRow<V, K = string> {
  /** Of the record; null where it has none. */
  readonly key: K | null;
  /** Parsed anew each time it is asked for; null: a tombstone. */
  readonly value: V | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Event time. */
  readonly timestamp: Date;
}

/** What a JSON row is made of. */
export interface JsonFields {
  readonly key: unknown;
  readonly value: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly timestamp: number;
}

/** Exact integers are text, as everywhere in JSON. */
const textOf = (value: unknown): string | null =>
  value === null || value === undefined ? null : JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? one.toString() : one));

const parsed = (text: string | null): unknown => (text === null ? null : (JSON.parse(text) as unknown));

/** As it is written: key and value as text, which can hold anything. */
class WrittenRow implements JsonRow<unknown, unknown> {
  readonly keyJson: string | null;
  readonly json: string | null;
  readonly timestamp: Date;

  constructor(
    key: unknown,
    value: unknown,
    readonly headers: Readonly<Record<string, string>>,
    timestamp: number,
  ) {
    this.keyJson = textOf(key);
    this.json = textOf(value);
    this.timestamp = new Date(timestamp);
  }

  get key(): unknown {
    return parsed(this.keyJson);
  }

  get value(): unknown {
    return parsed(this.json);
  }
}

const SCHEMA = {
  type: 'record',
  fields: [
    { name: 'keyJson', type: ['null', 'string'] },
    { name: 'json', type: ['null', 'string'] },
    { name: 'headers', type: { type: 'map', values: 'string' } },
    { name: 'timestamp', type: { type: 'long', logicalType: 'timestamp-millis' } },
  ],
};

/** A record without a key lies in the log with this one: order is by key, so every record has one there. */
const NO_KEY = '(none)';

/** Text is its own key; other JSON is one key in whatever order its parts are written. */
const recordKey = ({ key }: WrittenRow): string => (typeof key === 'string' ? key : key === null ? NO_KEY : JSON.stringify(canonicalJson(key)));

/**
 * An event type whose values, and keys if wanted, are any JSON, for tests that have records and no event classes. Exact integers
 * that JavaScript numbers cannot hold are written as text.
 * @throws RefoldError `definition.invalid` where there are two of one topic in a projection
 */
export const jsonRows = <V = unknown, K = string>(topic: string): EventClass<JsonRow<V, K>> => {
  class Rows extends WrittenRow {}
  const name = `json_rows.${topic.replace(/[^A-Za-z0-9]/g, '_')}`;
  defineEventType(Rows, { name, version: 1, topic, schema: SCHEMA, key: recordKey, time: ({ timestamp }: WrittenRow) => timestamp });
  return Rows as EventClass<JsonRow<V, K>>;
};

/** Makes a row of such a type; `undefined`: the class is another event type. */
export const jsonRowOf = (target: EventClass, { key, value, headers, timestamp }: JsonFields): object | undefined =>
  target.prototype instanceof WrittenRow
    ? new (target as unknown as new (...given: ConstructorParameters<typeof WrittenRow>) => object)(key, value, headers, timestamp)
    : undefined;

/** Whether records of a type are JSON rows. */
export const isJsonRows = (target: EventClass): boolean => target.prototype instanceof WrittenRow;
