import { encodeBatch, sizeOf } from '../../src/events/adapters/kafka/record-batch';
import { crc32c } from '../../src/events/adapters/kafka/crc32c';
import type { KafkaCompression } from '../../src/events/adapters/kafka/codecs';
import type { NewRecord } from '../../src/events/event-log';

export interface Given {
  readonly first: number;
  readonly records: readonly Partial<NewRecord>[];
  /** Of a producer in a transaction. */
  readonly producerId?: number;
  readonly isControl?: boolean;
  /** Where compaction took the last records. */
  readonly lastOffset?: number;
  readonly appendedAt?: number;
  readonly compression?: KafkaCompression;
}

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const APPEND_TIME = 0x08;

/** A batch as a broker answers it: with an offset, and what only brokers and transactions write. */
export const batchBytes = async ({ first, records, producerId, isControl, lastOffset, appendedAt, compression = 'none' }: Given): Promise<Buffer> => {
  const whole: NewRecord[] = records.map((record) => ({ topic: 't', key: Buffer.from('k'), value: null, headers: {}, timestamp: 5, ...record }));
  const bytes = await encodeBatch(whole, whole.map(sizeOf), 0, { producerId: BigInt(producerId ?? -1), producerEpoch: 0, sequence: 0 }, compression);
  bytes.writeBigInt64BE(BigInt(first), 0);
  const flags = (producerId === undefined ? 0 : TRANSACTIONAL) | (isControl === true ? CONTROL : 0) | (appendedAt === undefined ? 0 : APPEND_TIME);
  bytes.writeInt16BE(bytes.readInt16BE(21) | flags, 21);
  if (lastOffset !== undefined) {
    bytes.writeInt32BE(lastOffset - first, 23);
  }
  if (appendedAt !== undefined) {
    bytes.writeBigInt64BE(BigInt(appendedAt), 35);
  }
  bytes.writeUInt32BE(crc32c(bytes, 21), 17);
  return bytes;
};
