import type { RefoldError } from '../../../kernel/errors';
import { isRefoldError, messageOf } from '../../../kernel/errors';
import type { Headers } from '../../event-log';
import { batchUnreadable, decompressed } from './codecs';
import { crc32c } from './crc32c';

/** A batch as it was fetched, its records decompressed but not taken apart. */
export interface FetchedBatch {
  readonly first: number;
  /** The offset behind it, also where compaction took its last record. */
  readonly next: number;
  readonly producerId: bigint;
  readonly isTransactional: boolean;
  /** Its record ends a transaction. */
  readonly isControl: boolean;
  /** Milliseconds since the epoch. */
  readonly firstTimestamp: number;
  /** For all its records, where the topic keeps the time of appending. */
  readonly appendedAt: number | undefined;
  readonly count: number;
  readonly records: Buffer;
}

/** Offset, length, epoch and magic byte, checksum: https://kafka.apache.org/documentation/#recordbatch */
const LENGTH_COUNTS_FROM = 12;
const CHECKED_FROM = 21;
const HEADER_BYTES = 61;
const MAGIC_AT = 16;
const MAGIC = 2;
const CODEC_MASK = 0x07;
const APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

const readBatch = async (bytes: Buffer): Promise<FetchedBatch> => {
  if (bytes[MAGIC_AT] !== MAGIC) {
    throw batchUnreadable(`it is of format ${String(bytes[MAGIC_AT])}, which Kafka wrote before version 0.11`, { bytes: bytes.length });
  }
  if (bytes.length < HEADER_BYTES || crc32c(bytes, CHECKED_FROM) !== bytes.readUInt32BE(17)) {
    throw batchUnreadable('its checksum is wrong', { bytes: bytes.length });
  }
  const first = Number(bytes.readBigInt64BE(0));
  const attributes = bytes.readInt16BE(CHECKED_FROM);
  const records = bytes.subarray(HEADER_BYTES);
  return {
    first,
    next: first + bytes.readInt32BE(23) + 1,
    firstTimestamp: Number(bytes.readBigInt64BE(27)),
    appendedAt: (attributes & APPEND_TIME) === 0 ? undefined : Number(bytes.readBigInt64BE(35)),
    producerId: bytes.readBigInt64BE(43),
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    count: bytes.readInt32BE(57),
    records: (attributes & CODEC_MASK) === 0 ? records : await decompressed(attributes & CODEC_MASK, records),
  };
};

export interface FetchedBatches {
  readonly batches: readonly FetchedBatch[];
  /** Of the batch behind them, which cannot be read. */
  readonly fault?: RefoldError;
}

/** The batches of an answer up to one that is cut off or cannot be read. @throws RefoldError `log.codec-missing` */
export const readBatches = async (bytes: Buffer): Promise<FetchedBatches> => {
  const batches: FetchedBatch[] = [];
  for (let at = 0; at + MAGIC_AT < bytes.length;) {
    const end = at + LENGTH_COUNTS_FROM + bytes.readInt32BE(at + 8);
    if (end > bytes.length || end <= at) {
      break;
    }
    try {
      batches.push(await readBatch(bytes.subarray(at, end)));
    } catch (error) {
      if (!isRefoldError(error, 'log.batch-unreadable')) {
        throw error;
      }
      return { batches, fault: error };
    }
    at = end;
  }
  return { batches };
};

export interface FetchedRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
}

const NO_HEADERS: Headers = Object.freeze({});

/** A text and where it lay, because the records of a batch mostly say the same. */
interface Seen {
  from: number;
  to: number;
  text: string;
}

/** Takes the records of one batch apart, one after the other; keys and values share the memory of the batch. */
export class BatchReader {
  readonly #bytes: Buffer;
  readonly #names: Seen[] = [];
  readonly #values: Seen[] = [];
  #at = 0;

  /** @param at byte at which a record begins */
  constructor(
    private readonly batch: FetchedBatch,
    at = 0,
  ) {
    this.#bytes = batch.records;
    this.#at = at;
  }

  /** The byte at which the next record begins. */
  get at(): number {
    return this.#at;
  }

  /** The offset of the next record; it stays the next one. @throws RefoldError `log.batch-unreadable` */
  peek(): number {
    const { at } = this;
    return this.#reading(() => {
      this.#varint();
      this.#at += 1;
      this.#varint();
      const offset = this.batch.first + this.#varint();
      this.#at = at;
      return offset;
    });
  }

  /** Passes over the next records. @throws RefoldError `log.batch-unreadable` */
  skip(count: number): void {
    this.#reading(() => {
      for (let left = count; left > 0; left -= 1) {
        const length = this.#varint();
        this.#at += length;
      }
    });
  }

  /** @throws RefoldError `log.batch-unreadable` where the bytes do not hold what they should */
  next(): FetchedRecord {
    return this.#reading(() => this.#next());
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw batchUnreadable(`its records do not end where they should: ${messageOf(error)}`, { bytes: this.#bytes.length }, error);
    }
  }

  #next(): FetchedRecord {
    const { first, firstTimestamp, appendedAt } = this.batch;
    const length = this.#varint();
    const end = this.#at + length;
    this.#at += 1; // attributes, of which there are none
    const timestamp = firstTimestamp + this.#varint();
    const offset = first + this.#varint();
    const key = this.#slice();
    const value = this.#slice();
    const headers = this.#headers();
    if (this.#at !== end || end > this.#bytes.length) {
      throw new RangeError(`a record of ${String(length)} bytes ends elsewhere`);
    }
    return { offset, timestamp: appendedAt ?? timestamp, key, value, headers };
  }

  /** Seven bits a byte, the lowest first, zigzag. */
  #varint(): number {
    let byte = this.#byte();
    if (byte < 0x80) {
      return (byte >>> 1) ^ -(byte & 1);
    }
    let value = byte & 0x7f;
    for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
      byte = this.#byte();
      value += (byte & 0x7f) * scale;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) {
      throw new RangeError('a number is cut off');
    }
    return byte;
  }

  #slice(): Buffer | null {
    const length = this.#varint();
    if (length < 0) {
      return null;
    }
    const from = this.#at;
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }

  /** As text; of several values of one name the last, and none where that is null. */
  #headers(): Headers {
    const count = this.#varint();
    if (count === 0) {
      return NO_HEADERS;
    }
    const headers: Record<string, string> = {};
    for (let place = 0; place < count; place += 1) {
      const name = this.#text(this.#names, place, this.#varint());
      const length = this.#varint();
      if (length >= 0) {
        headers[name] = this.#text(this.#values, place, length);
      } else {
        Reflect.deleteProperty(headers, name);
      }
    }
    return headers;
  }

  #text(seen: Seen[], place: number, length: number): string {
    const from = this.#at;
    const to = from + length;
    this.#at = to;
    const before = seen[place];
    if (before === undefined) {
      const text = this.#bytes.toString('utf8', from, to);
      seen[place] = { from, to, text };
      return text;
    }
    if (!this.#isSame(before, from, length)) {
      before.text = this.#bytes.toString('utf8', from, to);
      before.from = from;
      before.to = to;
    }
    return before.text;
  }

  #isSame(before: Seen, from: number, length: number): boolean {
    if (before.to - before.from !== length) {
      return false;
    }
    for (let at = length - 1; at >= 0; at -= 1) {
      if (this.#bytes[before.from + at] !== this.#bytes[from + at]) {
        return false; // from the end, where ids and times differ
      }
    }
    return true;
  }
}
