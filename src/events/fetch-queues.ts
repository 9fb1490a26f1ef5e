import { RefoldError } from '../kernel/errors';
import type { LogBatch, LogRecord } from './event-log';
import { comparePartitions, partitionId, type PartitionId, type TopicPartition } from './position';

const NONE: ReadonlySet<PartitionId> = new Set();

export interface QueueLimits {
  readonly maxQueuedRecords: number;
  readonly maxQueuedBytes: number;
}

/** The same items in the same order, beginning with another one. */
export const rotated = <T>(items: readonly T[], by: number): T[] => {
  const first = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
};

/** Bytes of key and value. */
export const recordBytes = (record: LogRecord): number => (record.key?.length ?? 0) + (record.value?.length ?? 0);

const bytesOf = (records: readonly LogRecord[]): number => {
  let bytes = 0;
  for (const record of records) {
    bytes += recordBytes(record);
  }
  return bytes;
};

/** Records of one partition that wait, in order. */
export interface QueuedRecords {
  /** Behind the last of them, or further, if nothing comes before. */
  readonly next: number;
  readonly count: number;
  readonly bytes: number;
  /** The records; taken apart anew each time, where they are kept as they were fetched. */
  read(): readonly LogRecord[];
  /** The first `count`, which are not all, and the others. */
  split(count: number): readonly [QueuedRecords, QueuedRecords];
}

/** What was fetched of one partition, the offsets `[from, next)`. */
export interface FetchedRange extends TopicPartition {
  readonly from: number;
  readonly next: number;
  readonly parts: readonly QueuedRecords[];
}

class RecordArray implements QueuedRecords {
  readonly bytes: number;

  constructor(
    private readonly records: readonly LogRecord[],
    readonly next: number,
  ) {
    this.bytes = bytesOf(records);
  }

  get count(): number {
    return this.records.length;
  }

  read(): readonly LogRecord[] {
    return this.records;
  }

  split(count: number): readonly [QueuedRecords, QueuedRecords] {
    const head = this.records.slice(0, count);
    return [new RecordArray(head, head[count - 1]!.offset + 1), new RecordArray(this.records.slice(count), this.next)];
  }
}

const rangeOf = (batch: LogBatch | FetchedRange): FetchedRange =>
  'parts' in batch ? batch : { ...batch, parts: batch.next === batch.from ? [] : [new RecordArray(batch.records, batch.next)] };

/** What was fetched of one partition and not yet taken. Offsets `[from, next)` join without a gap. */
class PartitionQueue {
  #parts: QueuedRecords[] = [];
  records = 0;
  bytes = 0;
  /** Where the next batch that is taken begins. */
  from: number;
  /** Where fetching goes on. */
  next: number;

  constructor(
    readonly id: TopicPartition,
    begin: number,
    readonly limits: QueueLimits,
  ) {
    this.from = begin;
    this.next = begin;
  }

  get isEmpty(): boolean {
    return this.from === this.next;
  }

  offer(given: LogBatch | FetchedRange): void {
    const batch = rangeOf(given);
    if (batch.from !== this.next || batch.next < batch.from) {
      const facts = { topic: batch.topic, partition: batch.partition, from: batch.from, next: batch.next, expected: this.next };
      throw new RefoldError('internal.invariant', 'a fetched batch does not join the one before', { facts });
    }
    for (const part of batch.parts) {
      this.#parts.push(part);
      this.records += part.count;
      this.bytes += part.bytes;
    }
    if (batch.next > (batch.parts.at(-1)?.next ?? batch.from)) {
      this.#parts.push(new RecordArray([], batch.next)); // markers and the like
    }
    this.next = batch.next;
  }

  /** A whole answer is to find room: what does not fit was decoded for nothing and has to be fetched again. */
  wantsMore(): boolean {
    const { maxQueuedRecords, maxQueuedBytes } = this.limits;
    return this.records * 2 <= maxQueuedRecords && this.bytes * 2 <= maxQueuedBytes;
  }

  /** Takes at most `count` records; the range reaches to the next record that stays, or to the end of what was fetched. */
  take(count: number): LogBatch {
    const from = this.from;
    const taken: QueuedRecords[] = [];
    let left = count;
    let used = 0;
    for (; used < this.#parts.length && this.#parts[used]!.count <= left; used += 1) {
      const part = this.#parts[used]!;
      taken.push(part);
      left -= part.count;
    }
    this.#parts = this.#parts.slice(used);
    const [cut] = this.#parts;
    if (left > 0 && cut !== undefined) {
      const [head, rest] = cut.split(left);
      taken.push(head);
      this.#parts[0] = rest;
    }
    for (const part of taken) {
      this.from = part.next;
      this.records -= part.count;
      this.bytes -= part.bytes;
    }
    return {
      ...this.id,
      from,
      next: this.from,
      get records() {
        return taken.length === 1 ? taken[0]!.read() : taken.flatMap((part) => part.read());
      },
    };
  }
}

/**
 * How many of `total` each gets when all are served evenly: nobody gets less than another one that wanted no more.
 * What cannot be divided goes one by one to those at `rotation`, `rotation + 1`, …, so that nobody starves.
 */
export const shareEvenly = (wanted: readonly number[], total: number, rotation: number): number[] => {
  const shares = wanted.map(() => 0);
  let left = total;
  let open = wanted.flatMap((want, index) => (want > 0 ? [index] : []));
  while (open.length > 0 && left >= open.length) {
    const level = Math.floor(left / open.length);
    for (const index of open) {
      const more = Math.min(level, wanted[index]! - shares[index]!);
      shares[index]! += more;
      left -= more;
    }
    open = open.filter((index) => shares[index]! < wanted[index]!);
  }
  for (let i = 0; i < open.length && left > 0; i += 1, left -= 1) {
    shares[open[(rotation + i) % open.length]!]! += 1;
  }
  return shares;
};

/**
 * Bounded queues of one assignment, one per partition: an adapter fills them ahead, `take` empties them evenly.
 * A partition is to be fetched from (`wantsMore`) while it holds at most half of the limit.
 */
export class FetchQueues {
  readonly #queues: Map<PartitionId, PartitionQueue>;
  #order: PartitionQueue[];
  #rotation = 0;

  /** @param begin where reading begins; a partition that is missing there is not read */
  constructor(partitions: readonly TopicPartition[], begin: ReadonlyMap<PartitionId, number>, limits: QueueLimits) {
    this.#order = [...partitions].sort(comparePartitions).flatMap((partition) => {
      const offset = begin.get(partitionId(partition));
      return offset === undefined ? [] : [new PartitionQueue({ topic: partition.topic, partition: partition.partition }, offset, limits)];
    });
    this.#queues = new Map(this.#order.map((queue) => [partitionId(queue.id), queue]));
  }

  /** The partitions that are read, in order. */
  get partitions(): readonly TopicPartition[] {
    return this.#order.map((queue) => queue.id);
  }

  has(partition: TopicPartition): boolean {
    return this.#queues.has(partitionId(partition));
  }

  /** Where fetching of this partition goes on; `undefined` if it is not read. */
  next(partition: TopicPartition): number | undefined {
    return this.#queues.get(partitionId(partition))?.next;
  }

  /** Whether this partition is to be fetched from now. */
  wantsMore(partition: TopicPartition): boolean {
    return this.#queues.get(partitionId(partition))?.wantsMore() ?? false;
  }

  /** How many records and bytes fit below the limit; both may be negative after a large fetch. */
  room(partition: TopicPartition): { readonly records: number; readonly bytes: number } {
    const queue = this.#queues.get(partitionId(partition));
    return queue === undefined
      ? { records: 0, bytes: 0 }
      : { records: queue.limits.maxQueuedRecords - queue.records, bytes: queue.limits.maxQueuedBytes - queue.bytes };
  }

  /** What is held over all partitions. */
  held(): { readonly records: number; readonly bytes: number; readonly mostRecords: number } {
    let records = 0;
    let bytes = 0;
    let mostRecords = 0;
    for (const queue of this.#order) {
      records += queue.records;
      bytes += queue.bytes;
      mostRecords = Math.max(mostRecords, queue.records);
    }
    return { records, bytes, mostRecords };
  }

  /** Ignores partitions that are not read (any more). @throws RefoldError `internal.invariant` if the batch does not join the one before */
  offer(batch: LogBatch | FetchedRange): void {
    this.#queues.get(partitionId(batch))?.offer(batch);
  }

  /** At most one batch per partition and `maxRecords` records in all; a range without records costs nothing. */
  take(maxRecords: number, except: ReadonlySet<PartitionId> = NONE): LogBatch[] {
    const order = except.size === 0 ? this.#order : this.#order.filter((queue) => !except.has(partitionId(queue.id)));
    const shares = shareEvenly(
      order.map((queue) => queue.records),
      maxRecords,
      this.#rotation,
    );
    this.#rotation += 1;
    return order.flatMap((queue, index) => {
      const share = shares[index]!;
      return queue.isEmpty || (share === 0 && queue.records > 0) ? [] : [queue.take(share)];
    });
  }

  /** Throws away what is held of these partitions; they are not read any more. */
  drop(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      this.#queues.delete(partitionId(partition));
    }
    this.#order = this.#order.filter((queue) => this.has(queue.id));
  }

  get isEmpty(): boolean {
    return this.#order.every((queue) => queue.isEmpty);
  }
}
