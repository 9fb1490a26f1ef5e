import { groupBy } from '../../../kernel/groups';
import type { Position, TopicPartition } from '../../position';
import { sendTo, type Broker, type ProtocolRequest } from './kafkajs-internals';

/** A transaction that ended in nothing, as far as it lies in what was fetched. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/** What a broker answers for one partition. */
export interface PartitionAnswer extends TopicPartition {
  readonly errorCode: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Whole batches; the last one may be cut off. */
  readonly batches: Buffer;
}

export interface FetchOptions {
  /** How long the broker waits if there is nothing, milliseconds. */
  readonly maxWaitMs: number;
  /** At least one batch of the first partition is answered, however large. */
  readonly partitionBytes: number;
  readonly answerBytes: number;
}

interface Answer {
  readonly partitions: readonly PartitionAnswer[];
  readonly clientSideThrottleTime: number;
}

const API_KEY = 1;
/** Of Kafka 2.3. */
const API_VERSION = 11;
const READ_COMMITTED = 1;
/** What is said where Kafka's own replicas say more: a client, no session, no epoch known. */
const NONE = -1;

const encodeRequest = (positions: readonly Position[], { maxWaitMs, partitionBytes, answerBytes }: FetchOptions): Buffer => {
  const parts: Buffer[] = [];
  const write = (bytes: number, fill: (part: Buffer) => void): void => {
    const part = Buffer.allocUnsafe(bytes);
    fill(part);
    parts.push(part);
  };
  const int32 = (value: number): void => {
    write(4, (part) => part.writeInt32BE(value));
  };
  const text = (value: string): void => {
    const bytes = Buffer.from(value);
    write(2, (part) => part.writeInt16BE(bytes.length));
    parts.push(bytes);
  };
  const topics = groupBy(positions, ({ topic }) => topic); // the broker fills its answer in this order
  [NONE, maxWaitMs, 1, answerBytes].forEach(int32);
  write(1, (part) => part.writeInt8(READ_COMMITTED));
  [0, NONE, topics.size].forEach(int32);
  for (const [topic, own] of topics) {
    text(topic);
    int32(own.length);
    for (const { partition, offset } of own) {
      [partition, NONE].forEach(int32);
      write(16, (part) => part.writeBigInt64BE(BigInt(NONE), part.writeBigInt64BE(BigInt(offset))));
      int32(partitionBytes);
    }
  }
  int32(0); // nothing to forget
  text(''); // no rack
  return Buffer.concat(parts);
};

/** Takes an answer apart; what it holds shares its memory. */
class AnswerReader {
  #at = 0;

  constructor(private readonly data: Buffer) {}

  int16(): number {
    return this.data.readInt16BE((this.#at += 2) - 2);
  }

  int32(): number {
    return this.data.readInt32BE((this.#at += 4) - 4);
  }

  int64(): bigint {
    return this.data.readBigInt64BE((this.#at += 8) - 8);
  }

  bytes(length: number): Buffer {
    const from = this.#at;
    this.#at += Math.max(0, length); // -1: none
    return this.data.subarray(from, this.#at);
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, item);
  }
}

const decodeAnswer = (data: Buffer): Answer => {
  const reader = new AnswerReader(data);
  const clientSideThrottleTime = reader.int32();
  const errorCode = reader.int16();
  reader.int32(); // no session
  const partitions = reader.list(() => {
    const topic = reader.bytes(reader.int16()).toString();
    return reader.list(() => {
      const partition = reader.int32();
      const own = reader.int16();
      reader.bytes(8 + 8 + 8); // high watermark, last stable offset and start of the log
      const aborted = reader.list(() => ({ producerId: reader.int64(), firstOffset: Number(reader.int64()) }));
      reader.int32(); // no replica is preferred
      return { topic, partition, errorCode: errorCode === 0 ? own : errorCode, aborted, batches: reader.bytes(reader.int32()) };
    });
  });
  return { partitions: partitions.flat(), clientSideThrottleTime };
};

const request = (positions: readonly Position[], options: FetchOptions): ProtocolRequest<Answer> => ({
  request: {
    apiKey: API_KEY,
    apiVersion: API_VERSION,
    apiName: 'Fetch',
    expectResponse: () => true,
    encode: async () => {
      const buffer = encodeRequest(positions, options);
      return { buf: buffer, buffer };
    },
  },
  response: { decode: async (data) => decodeAnswer(data), parse: async (answer) => answer },
});

/** Asks one broker for what it holds from given positions on, as far as transactions are over. Errors are the library's. */
export const fetchFrom = async (broker: Broker, positions: readonly Position[], options: FetchOptions): Promise<readonly PartitionAnswer[]> =>
  (await sendTo(broker, request(positions, options))).partitions;
