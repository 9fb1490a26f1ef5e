import type { Headers } from './event-log';
import type { Position } from './position';

/** A record that others wrote. */
export interface ForeignRecord extends Position {
  /** Time of appending, milliseconds since the epoch. */
  readonly timestamp: number;
  /** As UTF-8 text. */
  readonly key: string | null;
  readonly headers: Headers;
  /** `json`: what `JSON.parse` makes of it; `avro`: its fields, as the schema it was written with has them. `null` for a tombstone. */
  readonly value: unknown;
  /** The value as it lies in the log. */
  readonly bytes: Uint8Array | null;
}

/**
 * Makes events of a record: one, several, or none (`undefined`). Pure and synchronous, because a replay has to make the same
 * ones again. What it throws stops the partition with `event.undecodable`.
 */
export type ForeignMapper = (record: ForeignRecord) => object | readonly object[] | undefined;

export interface ForeignTopic {
  readonly topic: string;
  /** From 1; raised when `map` makes other events of the same records. Part of the definition of every projection of the topic. */
  readonly version: number;
  /** `json`: UTF-8 JSON; `avro`: Avro in the Confluent wire format, whatever its schema is called. */
  readonly format: 'json' | 'avro';
  readonly map: ForeignMapper;
}

/**
 * A topic that others write, read through a mapper. The event types that the mapper makes name this topic as theirs; they say
 * key and time of each event, wherever the record has its key.
 * @example
 * ```ts
 * foreignTopic({ topic: 'legacy-orders', version: 1, format: 'json', map: ({ value }) => {
 *   const { id, total } = value as { id: string; total: string };
 *   return new LegacyOrder(id, Decimal.parse(total));
 * } })
 * ```
 */
export const foreignTopic = (topic: ForeignTopic): ForeignTopic => topic;

/** By topic. */
export type ForeignTopics = ReadonlyMap<string, ForeignTopic>;

export const NO_FOREIGN_TOPICS: ForeignTopics = new Map();
