import { RefoldError, isRefoldError } from '../../../kernel/errors';
import type { LogBatch, LogRecord } from '../../event-log';
import { recordBytes, type FetchedRange, type QueuedRecords } from '../../fetch-queues';
import type { Position, TopicPartition } from '../../position';
import { BatchReader, type FetchedBatch } from './batch-reader';
import { batchUnreadable } from './codecs';
import type { AbortedTransaction } from './fetch';

/** What was fetched of one partition. */
export interface FetchedPartition {
  readonly batches: readonly FetchedBatch[];
  readonly aborted: readonly AbortedTransaction[];
}

export interface FetchLimits {
  readonly records: number;
  readonly bytes: number;
}

/** Key of a control record: version, then type, each two bytes; type 0 ends an aborted transaction. */
const endsInNothing = (batch: FetchedBatch): boolean => {
  const { key } = new BatchReader(batch).next();
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0;
};

/**
 * The batches that readers may see: no control records, nothing of aborted transactions. The broker names aborted
 * transactions in the order of their ends; here they are taken in the order of their beginnings, as Java's client does.
 */
export const committedBatches = ({ batches, aborted }: FetchedPartition): FetchedBatch[] => {
  const byBeginning = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<bigint>();
  let begun = 0;
  return batches.filter((batch) => {
    for (; begun < byBeginning.length && byBeginning[begun]!.firstOffset < batch.next; begun += 1) {
      open.add(byBeginning[begun]!.producerId);
    }
    if (batch.isControl) {
      if (endsInNothing(batch)) {
        open.delete(batch.producerId);
      }
      return false;
    }
    return !(batch.isTransactional && open.has(batch.producerId));
  });
};

/** Says where the batch lies. */
export const unreadableAt = ({ topic, partition }: TopicPartition, offset: number, { code, summary, facts, cause }: RefoldError): RefoldError =>
  new RefoldError(code, summary, { facts: { topic, partition, offset, ...facts }, cause });

/**
 * What was fetched from a position, cut where a limit falls (one record always fits). Markers, aborted and compacted
 * records are counted by the range. An empty answer is the empty range: it may only mean that the answer was full.
 * @throws RefoldError `log.batch-unreadable` where the first batch cannot be read; the range ends before a later one
 */
export const toBatch = (position: Position, fetched: FetchedPartition, limits: FetchLimits): LogBatch => {
  const { topic, partition, offset: from } = position;
  const records: LogRecord[] = [];
  let bytes = 0;
  for (const batch of committedBatches(fetched)) {
    const start = records.length;
    try {
      const reader = new BatchReader(batch);
      for (let left = batch.count; left > 0; left -= 1) {
        const { offset, timestamp, key, value, headers } = reader.next();
        if (offset < from) {
          continue; // a batch is answered whole, also what lies before the position
        }
        if (records.length > 0 && (records.length >= limits.records || bytes >= limits.bytes)) {
          return { topic, partition, from, next: offset, records };
        }
        const record: LogRecord = { topic, partition, offset, timestamp, key, value, headers };
        records.push(record);
        bytes += recordBytes(record);
      }
    } catch (error) {
      if (!isRefoldError(error, 'log.batch-unreadable') || batch.first <= from) {
        throw isRefoldError(error) ? unreadableAt(position, Math.max(from, batch.first), error) : error;
      }
      return { topic, partition, from, next: batch.first, records: records.slice(0, start) };
    }
  }
  return { topic, partition, from, next: Math.max(from, fetched.batches.at(-1)?.next ?? from), records };
};

/** The records of one batch from some byte on, kept as they were fetched: what is queued costs no more memory than that. */
class BatchRecords implements QueuedRecords {
  readonly bytes: number;

  constructor(
    private readonly id: TopicPartition,
    private readonly batch: FetchedBatch,
    private readonly part: { readonly at: number; readonly end: number; readonly count: number; readonly next: number },
  ) {
    this.bytes = part.end - part.at;
  }

  get count(): number {
    return this.part.count;
  }

  get next(): number {
    return this.part.next;
  }

  /** @throws RefoldError `log.batch-unreadable` */
  read(): readonly LogRecord[] {
    const { topic, partition } = this.id;
    const records: LogRecord[] = [];
    this.#reading((reader) => {
      for (let left = this.part.count; left > 0; left -= 1) {
        const { offset, timestamp, key, value, headers } = reader.next();
        records.push({ topic, partition, offset, timestamp, key, value, headers });
      }
    });
    return records;
  }

  split(count: number): readonly [QueuedRecords, QueuedRecords] {
    return this.#reading((reader) => {
      reader.skip(count);
      const [at, offset] = [reader.at, reader.peek()];
      const head = { ...this.part, end: at, count, next: offset };
      return [new BatchRecords(this.id, this.batch, head), new BatchRecords(this.id, this.batch, { ...this.part, at, count: this.part.count - count })];
    });
  }

  /** Whether the batch ends where its records do. @throws RefoldError `log.batch-unreadable` */
  check(): void {
    const { count, end } = this.part;
    this.#reading((reader) => {
      reader.skip(count);
      if (reader.at !== end) {
        throw batchUnreadable(`its ${String(count)} records do not end where it does`, { bytes: end });
      }
    });
  }

  /** Without the records below an offset. */
  from(offset: number): BatchRecords {
    let { count } = this.part;
    return this.#reading((reader) => {
      for (; count > 0 && reader.peek() < offset; count -= 1) {
        reader.skip(1);
      }
      return new BatchRecords(this.id, this.batch, { ...this.part, at: reader.at, count });
    });
  }

  #reading<T>(read: (reader: BatchReader) => T): T {
    try {
      return read(new BatchReader(this.batch, this.part.at));
    } catch (error) {
      throw isRefoldError(error) ? unreadableAt(this.id, this.batch.first, error) : error;
    }
  }
}

/**
 * As {@link toBatch}, but nothing is taken apart yet. Bytes are counted by batch: it ends with the one that reaches their
 * limit, since that is in memory whole.
 * @throws RefoldError `log.batch-unreadable` where the first batch cannot be read; the range ends before a later one
 */
export const toRange = (position: Position, fetched: FetchedPartition, limits: FetchLimits): FetchedRange => {
  const { topic, partition, offset: from } = position;
  const parts: QueuedRecords[] = [];
  let [records, bytes] = [0, 0];
  const endingAt = (next: number): FetchedRange => ({ topic, partition, from, next, parts });
  for (const batch of committedBatches(fetched)) {
    const room = limits.records - records;
    if (parts.length > 0 && (room <= 0 || bytes >= limits.bytes)) {
      return endingAt(parts.at(-1)!.next);
    }
    const part = checked(position, batch);
    if (part === 'unreadable') {
      return endingAt(batch.first);
    }
    if (part.count > Math.max(1, room)) {
      parts.push(part.split(Math.max(1, room))[0]);
      return endingAt(parts.at(-1)!.next);
    }
    parts.push(...(part.count > 0 ? [part] : []));
    records += part.count;
    bytes += part.bytes;
  }
  return endingAt(Math.max(from, fetched.batches.at(-1)?.next ?? from));
};

/** The records of a batch from the position on, if it holds as many as it says. */
const checked = ({ topic, partition, offset }: Position, batch: FetchedBatch): BatchRecords | 'unreadable' => {
  const whole = new BatchRecords({ topic, partition }, batch, { at: 0, end: batch.records.length, count: batch.count, next: batch.next });
  try {
    whole.check();
    return batch.first < offset ? whole.from(offset) : whole;
  } catch (error) {
    if (!isRefoldError(error, 'log.batch-unreadable') || batch.first <= offset) {
      throw error;
    }
    return 'unreadable';
  }
};
