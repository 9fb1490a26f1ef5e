import type { NewRecord } from '../../event-log';
import { CODECS, compressionType, type KafkaCompression } from './codecs';
import { crc32c } from './crc32c';

/** Framing of a record and of a header, generously. */
const RECORD_OVERHEAD = 40;
const HEADER_OVERHEAD = 10;

/** Upper bound of the bytes that a record takes in a batch that is not compressed. */
export const sizeOf = ({ key, value, headers, binaryHeaders = {} }: NewRecord): number => {
  let size = RECORD_OVERHEAD + key.length + (value?.length ?? 0);
  for (const name in headers) {
    size += HEADER_OVERHEAD + Buffer.byteLength(name) + Buffer.byteLength(headers[name]!);
  }
  for (const name in binaryHeaders) {
    size += HEADER_OVERHEAD + Buffer.byteLength(name) + binaryHeaders[name]!.length;
  }
  return size;
};

/** Splits records so that each part takes no more than `limit` bytes; a record that is too large is the broker's to refuse. */
export const splitBySize = (records: readonly NewRecord[], limit: number): NewRecord[][] => {
  const parts: NewRecord[][] = [];
  let part: NewRecord[] = [];
  let size = 0;
  for (const record of records) {
    const own = sizeOf(record);
    if (part.length > 0 && size + own > limit) {
      parts.push(part);
      part = [];
      size = 0;
    }
    part.push(record);
    size += own;
  }
  return part.length > 0 ? [...parts, part] : parts;
};

/** Bytes of a number of seven bits a byte, zigzag: what stands before a record, key, value or header. */
const varintBytes = (value: number): number => {
  let left = value >= 0 ? value * 2 : -value * 2 - 1;
  let bytes = 1;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) {
    bytes += 1;
  }
  return bytes;
};

/** Writes records one after the other into one buffer. */
class RecordWriter {
  readonly bytes: Buffer;
  at: number;

  constructor(size: number, from: number) {
    this.bytes = Buffer.allocUnsafe(size);
    this.at = from;
  }

  record({ key, value, headers, binaryHeaders }: NewRecord, timestampDelta: number, offsetDelta: number, sizeAtMost: number): void {
    const start = this.at;
    const guessed = varintBytes(sizeAtMost);
    this.at += guessed;
    this.bytes[this.at++] = 0; // no attributes
    this.#varint(timestampDelta);
    this.#varint(offsetDelta);
    this.#bytes(key);
    this.#bytes(value);
    const names = Object.keys(headers);
    const binaryNames = binaryHeaders === undefined ? [] : Object.keys(binaryHeaders);
    this.#varint(names.length + binaryNames.length);
    for (const name of names) {
      this.#text(name);
      this.#text(headers[name]!);
    }
    for (const name of binaryNames) {
      this.#text(name);
      this.#bytes(binaryHeaders![name]!);
    }
    this.#prepend(start, guessed);
  }

  /** The length before the body, which was written where it lies if the length takes as many bytes as guessed. */
  #prepend(start: number, guessed: number): void {
    const length = this.at - start - guessed;
    const needed = varintBytes(length);
    if (needed !== guessed) {
      this.bytes.copyWithin(start + needed, start + guessed, this.at);
    }
    this.at = start;
    this.#varint(length);
    this.at += length;
  }

  #varint(value: number): void {
    let left = value >= 0 ? value * 2 : -value * 2 - 1;
    for (; left >= 0x80; left = Math.floor(left / 0x80)) {
      this.bytes[this.at++] = (left % 0x80) | 0x80;
    }
    this.bytes[this.at++] = left;
  }

  #bytes(value: Buffer | null): void {
    if (value === null) {
      this.#varint(-1);
      return;
    }
    this.#varint(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }

  #text(text: string): void {
    this.#varint(Buffer.byteLength(text));
    this.at += this.bytes.write(text, this.at);
  }
}

/** Whose batch it is, and which one of its partition. */
export interface BatchOrigin {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** How many records the producer has written to the partition before, modulo 2³¹. */
  readonly sequence: number;
}

const HEADER_BYTES = 61;
const MAGIC = 2;
/** What the checksum covers begins behind it. */
const CHECKED_FROM = 21;
/** The length of a batch counts what follows it. */
const LENGTH_COUNTS_FROM = 12;

/**
 * A batch of records as it goes over the wire: https://kafka.apache.org/documentation/#recordbatch
 * @param sizes of the records, by `sizeOf`
 * @param now milliseconds since the epoch, for records without a timestamp
 * @throws RefoldError `log.codec-missing`
 */
export const encodeBatch = async (
  records: readonly NewRecord[],
  sizes: readonly number[],
  now: number,
  origin: BatchOrigin,
  compression: KafkaCompression,
): Promise<Buffer> => {
  const writer = new RecordWriter(
    sizes.reduce((sum, size) => sum + size, HEADER_BYTES),
    HEADER_BYTES,
  );
  const first = records[0]!.timestamp ?? now;
  let last = first;
  records.forEach((record, at) => {
    const timestamp = record.timestamp ?? now;
    last = Math.max(last, timestamp);
    writer.record(record, timestamp - first, at, sizes[at]!);
  });
  let batch = writer.bytes.subarray(0, writer.at);
  if (compression !== 'none') {
    batch = Buffer.concat([batch.subarray(0, HEADER_BYTES), await CODECS[compression].compress(batch.subarray(HEADER_BYTES))]);
  }
  batch.writeBigInt64BE(0n, 0); // the broker gives the offset
  batch.writeInt32BE(batch.length - LENGTH_COUNTS_FROM, 8);
  batch.writeInt32BE(-1, LENGTH_COUNTS_FROM); // the broker knows the epoch of its leadership
  batch[16] = MAGIC;
  batch.writeInt16BE(compressionType(compression), CHECKED_FROM);
  batch.writeInt32BE(records.length - 1, 23);
  batch.writeBigInt64BE(BigInt(first), 27);
  batch.writeBigInt64BE(BigInt(last), 35);
  batch.writeBigInt64BE(origin.producerId, 43);
  batch.writeInt16BE(origin.producerEpoch, 51);
  batch.writeInt32BE(origin.sequence, 53);
  batch.writeInt32BE(records.length, 57);
  batch.writeUInt32BE(crc32c(batch, CHECKED_FROM), 17);
  return batch;
};
