import type { LogBatch, LogRecord, NewRecord, PartitionHead } from '../../event-log';
import { recordBytes } from '../../fetch-queues';
import { textHeaders } from '../../new-records';
import type { Position, TopicPartition } from '../../position';

/** One partition held in memory. Offsets without a record are allowed: they stand for transaction markers. */
export class MemoryPartition {
  readonly #records: LogRecord[] = [];
  #start = 0;
  #next = 0;

  constructor(readonly id: TopicPartition) {}

  get head(): PartitionHead {
    return { ...this.id, start: this.#start, stable: this.#next, end: this.#next };
  }

  append(record: NewRecord, now: number): Position {
    const offset = this.#next;
    this.#next += 1;
    const { key, value } = record;
    this.#records.push({ ...this.id, offset, timestamp: record.timestamp ?? now, key, value, headers: { ...textHeaders(record) } });
    return { ...this.id, offset };
  }

  /** Offsets that hold no record. */
  skip(count: number): void {
    this.#next += count;
  }

  /** Forgets everything below `offset`, as retention does. */
  truncateBefore(offset: number): void {
    this.#records.splice(0, this.#indexOf(offset));
    this.#start = Math.max(this.#start, offset);
    this.#next = Math.max(this.#next, offset);
  }

  /** Forgets the oldest records up to the first that was appended at `before` or later; answers the new start if there is one. */
  retain(before: number): Position | undefined {
    const young = this.#records.findIndex(({ timestamp }) => timestamp >= before);
    const start = young < 0 ? this.#next : this.#records[young]!.offset;
    if (this.#records.length === 0 || start <= this.#start) {
      return undefined;
    }
    this.truncateBefore(start);
    return { ...this.id, offset: start };
  }

  /** `from` has to lie in the log. At least one record is answered, if there is one, however large it is. */
  read(from: number, maxRecords: number, maxBytes = Infinity): LogBatch {
    const index = this.#indexOf(from);
    let end = index;
    for (let bytes = 0; end < this.#records.length && end - index < maxRecords && bytes < maxBytes; end += 1) {
      bytes += recordBytes(this.#records[end]!);
    }
    const records = this.#records.slice(index, end);
    const more = this.#records.length > end;
    const next = !more ? this.#next : records.length === 0 ? from : records[records.length - 1]!.offset + 1;
    return { ...this.id, from, next, records };
  }

  offsetForTime(timestamp: number): number {
    return this.#records.find((record) => record.timestamp >= timestamp)?.offset ?? this.#next;
  }

  /** Index of the first record at `offset` or above. */
  #indexOf(offset: number): number {
    let low = 0;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#records[middle]!.offset < offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
