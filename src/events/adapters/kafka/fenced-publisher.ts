import { type ICustomPartitioner, type Kafka, type Message, type Producer, type RecordMetadata, type Transaction } from 'kafkajs';
import type { Clock } from '../../../kernel/clock';
import { errorFacts, isRefoldError, RefoldError } from '../../../kernel/errors';
import type { Logger } from '../../../kernel/logger';
import type { LogRecord, NewRecord } from '../../event-log';
import type { FencedPublisher, PlacedRecord } from '../../fenced-publisher';
import { groupByPartition, type PartitionAppend } from '../../new-records';
import { partitionId, type PartitionId, type Position, type TopicPartition } from '../../position';
import { asLogError, partitionMissing, protocolError } from './client';
import { compressionType, type KafkaCompression } from './codecs';
import { toBatch } from './fetched';
import { isOutOfRange, PartitionReader } from './partition-reader';
import { WRITER_DEFAULTS } from './partition-writer';
import { splitBySize } from './record-batch';

export interface FencedPublisherSource {
  /** Called again after every failure. */
  readonly createKafka: () => Kafka;
  readonly brokers: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly compression: KafkaCompression;
}

/** After so long the broker ends a transaction whose producer is silent; until then readers wait behind it. */
const TRANSACTION_MS = 15_000;
const READ_WAIT_MS = 100;
/** How long the transactions of others may keep the end of a partition from being read. */
const UNSETTLED_MS = 2_000;
const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED']);
/** Never committed: its offset is the end of the partition, acknowledged by every replica in charge. */
const PROBE: Omit<NewRecord, 'topic'> = { key: Buffer.from('refold.probe'), value: null, headers: {} };

/**
 * Publishes in Kafka transactions. The transactional id is the name: the coordinator ends what an earlier producer of that
 * id had begun and lets it do nothing more. A request goes to one partition, and a failed producer is thrown away, for the
 * reasons given in `PartitionProducer`.
 */
export class KafkaFencedPublisher implements FencedPublisher {
  #producer: Producer | undefined;

  constructor(
    private readonly name: string,
    private readonly source: FencedPublisherSource,
  ) {}

  async fence(): Promise<void> {
    await this.close();
    const producer = this.source.createKafka().producer({
      transactionalId: this.name,
      transactionTimeout: TRANSACTION_MS,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      metadataMaxAge: 30_000,
      createPartitioner: toKnownPartition,
    });
    this.#producer = producer;
    await this.#orGiveUp(async () => {
      await producer.connect();
      await (await producer.transaction()).abort(); // the first one asks for the epoch; an empty one costs no more
    });
  }

  publish(records: readonly PlacedRecord[]): Promise<readonly Position[]> {
    return this.#orGiveUp(async () => {
      const groups = groupByPartition(records, () => Number.MAX_SAFE_INTEGER);
      const positions = new Array<Position>(records.length);
      const now = this.source.clock.now();
      const transaction = await this.#begin();
      for (const group of groups) {
        const offsets = await sendAll(transaction, group, now, this.source.compression);
        group.indexes.forEach((index, place) => (positions[index] = { topic: group.topic, partition: group.partition, offset: offsets[place]! }));
      }
      await transaction.commit();
      return positions;
    });
  }

  async readToEnd(from: readonly Position[], tell: (records: readonly LogRecord[]) => Promise<void>): Promise<void> {
    const ends = await this.#orGiveUp(() => this.#ends(from));
    const reader = new PartitionReader(this.source.createKafka(), this.source.logger);
    try {
      await this.#read(reader, from, ends, tell);
    } catch (error) {
      if (isOutOfRange(error)) {
        const facts = { partitions: from.map(({ topic, partition, offset }) => `${partitionId({ topic, partition })}@${String(offset)}`) };
        throw new RefoldError('log.truncated', 'the log does not hold what was published last any more', { facts, cause: error });
      }
      throw asLogError(error, this.source.brokers);
    } finally {
      await reader.close();
    }
  }

  async close(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    try {
      await producer?.disconnect();
    } catch (error) {
      this.source.logger.log('debug', 'kafka: a producer did not disconnect', errorFacts(error));
    }
  }

  async #begin(): Promise<Transaction> {
    if (this.#producer === undefined) {
      throw new RefoldError('internal.invariant', 'a publisher that is not in charge was asked to publish');
    }
    return this.#producer.transaction();
  }

  /** An aborted record in each partition. The high watermark would not do: right after a leader moved it may lie too low. */
  async #ends(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<PartitionId, number>> {
    const transaction = await this.#begin();
    const ends = new Map<PartitionId, number>();
    for (const { topic, partition } of partitions) {
      ends.set(partitionId({ topic, partition }), await send(transaction, { topic, partition }, [{ ...PROBE, topic }], this.source.clock.now(), 'none'));
    }
    await transaction.abort();
    return ends;
  }

  async #read(
    reader: PartitionReader,
    from: readonly Position[],
    ends: ReadonlyMap<PartitionId, number>,
    tell: (records: readonly LogRecord[]) => Promise<void>,
  ): Promise<void> {
    const { clock } = this.source;
    const open = new Map(from.map((position) => [partitionId(position), position]));
    for (let moved = clock.now(); open.size > 0;) {
      const fetched = await reader.fetch([...open.values()], READ_WAIT_MS);
      for (const [id, position] of [...open]) {
        const answer = fetched.get(id);
        const batch = answer === undefined ? undefined : toBatch(position, answer, { records: Infinity, bytes: Infinity });
        if (batch !== undefined && batch.next > position.offset) {
          moved = clock.now();
          await tell(batch.records);
          open.set(id, { ...position, offset: batch.next });
        }
        if ((batch?.next ?? position.offset) >= ends.get(id)!) {
          open.delete(id);
        }
      }
      if (open.size > 0 && clock.now() - moved > UNSETTLED_MS) {
        throw new RefoldError('relay.log-unsettled', 'the end of the log cannot be read', { facts: { partitions: [...open.keys()] } });
      }
    }
  }

  async #orGiveUp<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.close();
      if (!isRefoldError(error) && FENCED.has(protocolError(error) ?? '')) {
        throw new RefoldError('relay.lease-held', 'another process took the publishing over', { facts: { transactionalId: this.name }, cause: error });
      }
      if (isRefoldError(error, 'log.append-failed')) {
        throw new RefoldError('log.unreachable', error.summary, { facts: error.facts, cause: error }); // here the log itself tells what became of it
      }
      throw asLogError(error, this.source.brokers);
    }
  }
}

/**
 * Where every message says its partition. The library would answer `[]` for a partition that it has not heard of, and
 * send nothing; this error makes it ask for the metadata and try again.
 */
const toKnownPartition: ICustomPartitioner = () => {
  return ({ topic, message: { partition }, partitionMetadata }) => {
    if (partition === undefined || !partitionMetadata.some(({ partitionId: known }) => known === partition)) {
      throw partitionMissing({ topic, partition });
    }
    return partition;
  };
};

/** The offset of the first record of a request to one partition. @throws RefoldError `log.append-failed` where the answer does not account for the records */
const firstOffset = (answers: readonly RecordMetadata[], { topic, partition }: TopicPartition, records: number): number => {
  const [answer] = answers;
  const first = Number(answer?.baseOffset ?? -1);
  if (answers.length !== 1 || answer?.topicName !== topic || answer.partition !== partition || answer.errorCode !== 0 || !(first >= 0)) {
    throw new RefoldError('log.append-failed', 'the answer of the broker does not account for the records', {
      facts: { topic, partition, records, answers: answers.length },
    });
  }
  return first;
};

const toMessages = ({ partition }: TopicPartition, records: readonly NewRecord[], now: number): Message[] =>
  records.map(({ key, value, headers, timestamp }) => ({ key, value, headers, partition, timestamp: String(timestamp ?? now) }));

const sendAll = async (transaction: Transaction, group: PartitionAppend, now: number, compression: KafkaCompression): Promise<number[]> => {
  const offsets: number[] = [];
  for (const part of splitBySize(group.records, WRITER_DEFAULTS.batchBytes)) {
    const first = await send(transaction, group, part, now, compression);
    part.forEach((_, place) => offsets.push(first + place));
  }
  return offsets;
};

/** The offset of the first record. */
const send = async (
  transaction: Transaction,
  { topic, partition }: TopicPartition,
  records: readonly NewRecord[],
  now: number,
  compression: KafkaCompression,
): Promise<number> => {
  const messages = toMessages({ topic, partition }, records, now);
  return firstOffset(await transaction.send({ topic, acks: -1, compression: compressionType(compression), messages }), { topic, partition }, records.length);
};
