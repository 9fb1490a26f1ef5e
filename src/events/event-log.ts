import type { PartitionId, Position, TopicPartition } from './position';
import type { TopicAdmin, TopicSpec } from './topic';

/** Header values are UTF-8 text (CloudEvents binding) unless a foreign producer wrote bytes. */
export type Headers = Readonly<Record<string, string>>;

/** A record as it lies in the log. */
export interface LogRecord extends Position {
  /** Time of appending, milliseconds since the epoch. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
  /** Not from the log: version of the erratum that put this value in the place of another. */
  readonly erratum?: number;
}

/** A record to be appended. The partition follows from the key (murmur2, as Java's default partitioner does) unless given. */
export interface NewRecord {
  readonly topic: string;
  readonly partition?: number;
  /** Never empty: order per key is a promise, so a record without a key is refused. */
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly headers: Headers;
  /** Headers whose values are bytes, for readers of other frameworks; a log that keeps headers as text keeps them as Base64. */
  readonly binaryHeaders?: Readonly<Record<string, Buffer>>;
  /** Milliseconds since the epoch; default: the log's clock. */
  readonly timestamp?: number;
}

/**
 * The records of one partition in the offset range `[from, next)`, in order. The range may hold fewer records than
 * offsets, or none: transaction markers, aborted and compacted records take offsets too. An adapter may take the records
 * apart each time they are asked for, so that a batch that is kept takes little memory.
 */
export interface LogBatch extends TopicPartition {
  readonly from: number;
  readonly next: number;
  readonly records: readonly LogRecord[];
}

/** What a partition holds: offsets `[start, stable)` can be read; `end` also counts open transactions. */
export interface PartitionHead extends TopicPartition {
  readonly start: number;
  readonly stable: number;
  readonly end: number;
}

/** One assignment of partitions to a subscription; `number` grows with each, so old work can be recognised. */
export interface Assignment {
  readonly number: number;
  readonly partitions: readonly TopicPartition[];
}

export interface SubscribeOptions {
  /** Members of one group share the partitions of the topics: each is assigned to one live member. */
  readonly group: string;
  readonly topics: readonly string[];
  /**
   * Called once per assignment, before anything of it is delivered: says where reading begins in every partition.
   * A partition left out is not read. If it throws, `poll` rejects with that error.
   */
  readonly positions: (assignment: Assignment) => Promise<ReadonlyMap<PartitionId, number>>;
  /** Largest number of records held per partition before its fetching pauses; it resumes below one half. */
  readonly maxQueuedRecords?: number;
  /** The same in bytes of keys and values. */
  readonly maxQueuedBytes?: number;
  /** A member that was not heard of for so long (milliseconds) loses its partitions to the others. */
  readonly sessionTimeoutMs?: number;
  /**
   * A member that does not poll for so long (milliseconds) gives its partitions up, however well its heartbeats go, and
   * `poll` rejects with `log.consumer-stalled`. Kept by the log in Kafka.
   */
  readonly pollTimeoutMs?: number;
}

/** The defaults of what may be left out of {@link SubscribeOptions}. */
export const SUBSCRIBE_DEFAULTS = {
  maxQueuedRecords: 20_000,
  maxQueuedBytes: 32 * 1024 * 1024,
  sessionTimeoutMs: 10_000,
  pollTimeoutMs: 300_000,
} as const satisfies Partial<SubscribeOptions>;

export interface PollOptions {
  /** At most so many records over all partitions, taken evenly; a batch is cut where the limit falls. */
  readonly maxRecords: number;
  /** How long to wait for the first batch, in milliseconds. */
  readonly waitMs: number;
  readonly signal?: AbortSignal;
  /** Partitions of which nothing is taken now; what was fetched of them stays in their bounded queues. */
  readonly except?: ReadonlySet<PartitionId>;
}

export interface Delivery {
  /** The assignment that the batches belong to. */
  readonly assignment: Assignment;
  /** At most one batch per partition; consecutive batches of a partition join without a gap (`next` = `from`). */
  readonly batches: readonly LogBatch[];
}

/**
 * A membership in a group. One caller at a time: `poll` is not re-entrant.
 * A subscription fetches ahead into bounded queues per partition; no partition waits for another.
 */
export interface Subscription {
  /**
   * Takes what has been fetched; waits for at least one batch, a new assignment, the time limit or the signal.
   * After a new assignment only batches of that one are delivered, beginning at the positions asked for.
   * @throws RefoldError `log.truncated` (a position outside of the log), `log.consumer-crashed`, `log.consumer-stalled`, `log.unreachable`,
   *   and whatever `positions` threw. After an error the subscription is dead: close it.
   */
  poll(options: PollOptions): Promise<Delivery>;
  /** When the log was last heard of: it answered a fetch or a heartbeat (milliseconds since the epoch). Left out by logs that hold no connection of their own. */
  readonly heardAt?: number;
  /** Stops delivering these partitions (of the current assignment) until the next assignment; others go on. */
  drop(partitions: readonly TopicPartition[]): void;
  /**
   * Throws away everything fetched of an assignment and asks for the positions again, as a new assignment of the same
   * partitions, once the group says that they still belong to this member: whoever was fenced may have lost them. Nothing
   * happens where a newer assignment has begun.
   */
  restart(assignment: number): void;
  /** Commits `next` offsets to the group, for outside tools only; what was read follows from `positions` alone. */
  commit(positions: readonly Position[]): Promise<void>;
  /** Leaves the group, so that the others take over at once. */
  close(): Promise<void>;
}

/**
 * Port to the event log, the system of record.
 * Duties: order within a partition is the order of appending; a record acknowledged by `append` is delivered to
 * every later reader; a reader sees committed records only, and never one at an offset below one it has seen.
 */
export interface EventLog {
  /** Names the log in messages: `kafka`, `postgres`, `memory`. */
  readonly kind: string;
  /** Creates topics that do not exist. @throws `log.topic-mismatch` if one exists with another number of partitions. */
  createTopics(specs: readonly TopicSpec[]): Promise<void>;
  /** How topics are kept, and who reads them. */
  readonly topicAdmin: TopicAdmin;
  /** The partitions of each topic. @throws `log.unknown-topic` */
  partitions(topics: readonly string[]): Promise<readonly TopicPartition[]>;
  /**
   * Appends; answers the position of each record in the order given. @throws `log.append-failed` (some may have been written),
   * `log.unknown-topic`, `log.unknown-partition`, `log.record-too-large`, `log.access-denied`, `log.unreachable`, `event.invalid` (no key): none was written
   */
  append(records: readonly NewRecord[]): Promise<readonly Position[]>;
  /** @throws `log.unknown-topic` */
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  /**
   * Reads `[from, from + …)` of one partition without a group: at most `maxRecords` records; an empty batch with
   * `next` = `from` at the head. @throws `log.truncated`, `log.unknown-partition`
   */
  read(from: Position, options: { readonly maxRecords: number }): Promise<LogBatch>;
  /** Start, last stable offset and end of every partition of the topics, by topic and partition. @throws `log.unknown-topic` */
  heads(topics: readonly string[]): Promise<readonly PartitionHead[]>;
  /** Per partition the first offset whose record timestamp is at least `timestampMs`; the stable head if there is none. */
  offsetsForTime(topic: string, timestampMs: number): Promise<readonly Position[]>;
  close(): Promise<void>;
}
