import { KafkaJSError, type ICustomPartitioner, type Kafka, type Message, type Producer, type RecordMetadata } from 'kafkajs';
import { RefoldError, messageOf } from '../../../kernel/errors';
import type { Logger } from '../../../kernel/logger';
import type { NewRecord } from '../../event-log';
import { partitionId, type PartitionId, type TopicPartition } from '../../position';
import { isRefusal } from './client';
import { compressionType, type KafkaCompression } from './codecs';

/** Below the broker's default limit of a batch (1 MiB), with room for what the encoding adds. */
const BATCH_BYTES = 700_000;
/** Framing of a record and of a header, generously. */
const RECORD_OVERHEAD = 40;
const HEADER_OVERHEAD = 10;

const sizeOf = ({ key, value, headers }: NewRecord): number => {
  let size = RECORD_OVERHEAD + key.length + (value?.length ?? 0);
  for (const name in headers) {
    size += HEADER_OVERHEAD + Buffer.byteLength(name) + Buffer.byteLength(headers[name]!);
  }
  return size;
};

/** Splits records so that each part fits into one batch; a record that is too large is the broker's to refuse. */
export const splitBySize = (records: readonly NewRecord[], limit = BATCH_BYTES): NewRecord[][] => {
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

/** What became of the records of one partition: the first were written, then come those that may have been, the others were not. */
export interface Appended {
  /** Of the records that were written for certain. */
  readonly offsets: readonly number[];
  readonly failure?: {
    readonly error: unknown;
    /** How many records after those of `offsets` may have been written, or may be yet. */
    readonly uncertain: number;
  };
}

interface Connected {
  readonly producer: Producer;
  users: number;
  broken: boolean;
}

export const toMessages = ({ partition }: TopicPartition, records: readonly NewRecord[], now: number): Message[] =>
  records.map(({ key, value, headers, timestamp }) => ({ key, value, headers, partition, timestamp: String(timestamp ?? now) }));

/** How often a request left or was about to, by its first message. The library tells only of its last try. */
const tries = new WeakMap<Message, number>();

/** The library asks for the metadata again after an error of this name. */
const METADATA_MISSING = 'KafkaJSMetadataNotLoaded';

/**
 * Where every message says its partition. The library would answer `[]` for a partition that it has not heard of, and
 * send nothing; this error makes it ask for the metadata and try again.
 */
export const toKnownPartition: ICustomPartitioner = () => {
  return ({ topic, message, partitionMetadata }) => {
    const { partition } = message;
    if (partition === undefined || !partitionMetadata.some(({ partitionId: known }) => known === partition)) {
      throw Object.assign(new KafkaJSError(`partition ${String(partition)} of topic ${topic} is not known`), { name: METADATA_MISSING });
    }
    const before = tries.get(message);
    if (before !== undefined) {
      tries.set(message, before + 1);
    }
    return partition;
  };
};

const isUnsent = (message: Message, error: unknown): boolean => {
  const count = tries.get(message) ?? 0;
  return count === 0 || (count === 1 && isRefusal(error));
};

/** The offset of the first record of a request to one partition. @throws RefoldError `log.append-failed` where the answer does not account for the records */
export const firstOffset = (answers: readonly RecordMetadata[], { topic, partition }: TopicPartition, records: number): number => {
  const [answer] = answers;
  const first = Number(answer?.baseOffset ?? -1);
  if (answers.length !== 1 || answer?.topicName !== topic || answer.partition !== partition || answer.errorCode !== 0 || !(first >= 0)) {
    throw new RefoldError('log.append-failed', 'the answer of the broker does not account for the records', {
      facts: { topic, partition, records, answers: answers.length },
    });
  }
  return first;
};

/**
 * Appends to one partition per request: a request over several can lose records when a leader moves. After a failed
 * request the sequence number is used again and the next one may be swallowed, so the producer is thrown away, and
 * appends to one partition wait for each other.
 */
export class PartitionProducer {
  readonly #last = new Map<PartitionId, Promise<unknown>>();
  #connected: Promise<Connected> | undefined;

  constructor(
    private readonly createKafka: () => Kafka,
    private readonly logger: Logger,
    private readonly compression: KafkaCompression,
  ) {}

  /** Never rejects. Errors told are the library's, or `log.append-failed` where the answer does not account for the records. */
  append(partition: TopicPartition, records: readonly NewRecord[], now: number): Promise<Appended> {
    const id = partitionId(partition);
    const before = this.#last.get(id) ?? Promise.resolve();
    const appended = before
      .then(() => this.#appendParts(partition, records, now))
      .catch((error: unknown) => ({ offsets: [], failure: { error, uncertain: records.length } }));
    this.#last.set(id, appended);
    void appended.then(() => {
      if (this.#last.get(id) === appended) {
        this.#last.delete(id);
      }
    });
    return appended;
  }

  async close(): Promise<void> {
    await Promise.all(this.#last.values());
    const connected = this.#connected;
    this.#connected = undefined;
    if (connected !== undefined) {
      await this.#disconnect((await connected).producer);
    }
  }

  async #appendParts(partition: TopicPartition, records: readonly NewRecord[], now: number): Promise<Appended> {
    const offsets: number[] = [];
    for (const part of splitBySize(records)) {
      const messages = toMessages(partition, part, now);
      tries.set(messages[0]!, 0);
      try {
        const first = await this.#send(partition, messages);
        part.forEach((_, place) => offsets.push(first + place));
      } catch (error) {
        return { offsets, failure: { error, uncertain: isUnsent(messages[0]!, error) ? 0 : part.length } };
      }
    }
    return { offsets };
  }

  async #send({ topic, partition }: TopicPartition, messages: Message[]): Promise<number> {
    let connected = await this.#connect();
    while (connected.broken) {
      connected = await this.#connect(); // it failed for somebody else in the meantime
    }
    connected.users += 1;
    try {
      const answers = await connected.producer.send({ topic, acks: -1, compression: compressionType(this.compression), messages });
      return firstOffset(answers, { topic, partition }, messages.length);
    } catch (error) {
      if (!connected.broken) {
        connected.broken = true;
        this.#connected = undefined;
      }
      throw error;
    } finally {
      connected.users -= 1;
      if (connected.broken && connected.users === 0) {
        void this.#disconnect(connected.producer);
      }
    }
  }

  #connect(): Promise<Connected> {
    if (this.#connected === undefined) {
      const producer = this.createKafka().producer({
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: false,
        metadataMaxAge: 30_000,
        createPartitioner: toKnownPartition,
      });
      const connecting = producer.connect().then(() => ({ producer, users: 0, broken: false }));
      this.#connected = connecting;
      connecting.catch(() => {
        this.#connected = this.#connected === connecting ? undefined : this.#connected; // whoever waits sees the error
      });
    }
    return this.#connected;
  }

  async #disconnect(producer: Producer): Promise<void> {
    try {
      await producer.disconnect();
    } catch (error) {
      this.logger.log('debug', 'kafka: a producer did not disconnect', { error: messageOf(error) });
    }
  }
}
