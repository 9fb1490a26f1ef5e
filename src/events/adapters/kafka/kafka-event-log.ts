import type { Kafka, RetryOptions } from 'kafkajs';
import { systemClock, type Clock } from '../../../kernel/clock';
import { silentLogger, type Logger } from '../../../kernel/logger';
import type { EventLog, LogBatch, LogRecord, NewRecord, PartitionHead, SubscribeOptions } from '../../event-log';
import { groupByPartition } from '../../new-records';
import { comparePartitions, partitionId, type Position, type TopicPartition } from '../../position';
import { checkPositions } from '../../subscription-inbox';
import type { FencedPublisher } from '../../fenced-publisher';
import { appendError } from './append-error';
import { PATIENT, PROMPT, asLogError, createKafka, type KafkaConnection } from './client';
import { toBatch } from './fetched';
import { KafkaFencedPublisher } from './fenced-publisher';
import { KafkaSubscription } from './kafka-subscription';
import { PartitionReader } from './partition-reader';
import { PartitionWriter, WRITER_DEFAULTS, type WriterOptions } from './partition-writer';
import { untilSettled } from './settling';
import { Topics } from './topics';
import type { TopicAdmin, TopicSpec } from '../../topic';

export interface KafkaEventLogOptions extends KafkaConnection {
  /** @defaultValue the system's clock */
  readonly clock?: Clock;
  /** @defaultValue silent */
  readonly logger?: Logger;
  /** How records are written. @defaultValue WRITER_DEFAULTS */
  readonly writer?: Partial<WriterOptions>;
  /** Readers notice partitions that were added to a topic within this time, in milliseconds. @defaultValue 30 seconds */
  readonly metadataMaxAgeMs?: number;
}

const READ_WAIT_MS = 100;
const METADATA_MAX_AGE_MS = 30_000;
/** One transaction after the other is refused for a few milliseconds, so the first pause is short; gives up after about ten seconds. */
const PUBLISHING: RetryOptions = { initialRetryTime: 5, maxRetryTime: 2_000, retries: 13 };

/** The event log in Kafka. One writer per partition and process appends at a time; readers see committed records only. */
export class KafkaEventLog implements EventLog {
  readonly kind = 'kafka';
  readonly #brokers: readonly string[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #createKafka: (retry: RetryOptions) => Kafka;
  readonly #topics: Topics;
  readonly #writing: WriterOptions;
  readonly #writer: PartitionWriter;
  readonly #metadataMaxAgeMs: number;
  readonly #subscriptions = new Set<KafkaSubscription>();
  #reader: PartitionReader | undefined;

  constructor(options: KafkaEventLogOptions) {
    this.#brokers = options.brokers;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#createKafka = (retry) => createKafka(options, this.#logger, retry);
    this.#topics = new Topics(this.#createKafka(PROMPT), options.brokers, this.#clock);
    this.#writing = { ...WRITER_DEFAULTS, ...options.writer };
    this.#writer = new PartitionWriter(this.#createKafka(PROMPT), this.#clock, this.#logger, this.#writing);
    this.#metadataMaxAgeMs = options.metadataMaxAgeMs ?? METADATA_MAX_AGE_MS;
  }

  createTopics(specs: readonly TopicSpec[]): Promise<void> {
    return this.#topics.create(specs);
  }

  async partitions(topics: readonly string[]): Promise<readonly TopicPartition[]> {
    await this.#topics.learnAgain([...new Set(topics)]); // they may have grown
    return [...new Set(topics)]
      .flatMap((topic) => Array.from({ length: this.#topics.count(topic) ?? 0 }, (_, partition) => ({ topic, partition })))
      .sort(comparePartitions);
  }

  get topicAdmin(): TopicAdmin {
    return this.#topics;
  }

  async append(records: readonly NewRecord[]): Promise<readonly Position[]> {
    await this.#topics.learn(records.map(({ topic }) => topic));
    await this.#learnGrown(records);
    const groups = groupByPartition(records, (topic) => this.#topics.count(topic));
    const appended = await Promise.all(groups.map((group) => this.#writer.append(group, group.records)));
    if (appended.some(({ failure }) => failure !== undefined)) {
      throw appendError(groups, appended, this.#brokers);
    }
    const positions = new Array<Position>(records.length);
    groups.forEach(({ topic, partition, indexes }, at) => {
      indexes.forEach((index, place) => (positions[index] = { topic, partition, offset: appended[at]!.offsets[place]! }));
    });
    return positions;
  }

  async subscribe(options: SubscribeOptions): Promise<KafkaSubscription> {
    await this.#topics.heads(options.topics); // says soon and clearly that a topic or the broker is not there
    const source = {
      createKafka: () => this.#createKafka(PATIENT),
      brokers: this.#brokers,
      topics: this.#topics,
      metadataMaxAgeMs: this.#metadataMaxAgeMs,
      clock: this.#clock,
      logger: this.#logger,
    };
    const subscription = new KafkaSubscription(options, source, () => void this.#subscriptions.delete(subscription));
    await subscription.start();
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async read(from: Position, { maxRecords }: { readonly maxRecords: number }): Promise<LogBatch> {
    const { topic, partition, offset } = from;
    const head = (await this.#topics.heads([topic])).find((one) => one.partition === partition);
    checkPositions([from], head === undefined ? [] : [head]);
    const records: LogRecord[] = [];
    let next = offset;
    while (head !== undefined && next < head.stable && records.length < maxRecords) {
      const batch = await this.#readOnce({ topic, partition, offset: next }, maxRecords - records.length);
      records.push(...batch.records);
      next = batch.next;
    }
    return { topic, partition, from: offset, next, records };
  }

  heads(topics: readonly string[]): Promise<readonly PartitionHead[]> {
    return this.#topics.heads(topics);
  }

  offsetsForTime(topic: string, timestampMs: number): Promise<readonly Position[]> {
    return this.#topics.offsetsForTime(topic, timestampMs);
  }

  /** What a group committed, as outside tools see it. */
  committed(group: string, topics: readonly string[]): Promise<readonly Position[]> {
    return this.#topics.committed(group, topics);
  }

  /** A publisher that shuts out every other one of the same name; the name is the transactional id. Belongs to the caller. */
  fencedPublisher(name: string): FencedPublisher {
    return new KafkaFencedPublisher(name, {
      createKafka: () => this.#createKafka(PUBLISHING),
      compression: this.#writing.compression,
      brokers: this.#brokers,
      clock: this.#clock,
      logger: this.#logger,
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#writer.close();
    await this.#reader?.close();
    await this.#topics.close();
  }

  async #readOnce(from: Position, maxRecords: number): Promise<LogBatch> {
    this.#reader ??= new PartitionReader(this.#createKafka(PROMPT), this.#logger);
    const reader = this.#reader;
    try {
      const fetched = (await untilSettled(() => reader.fetch([from], READ_WAIT_MS), { clock: this.#clock })).get(partitionId(from));
      return toBatch(from, fetched ?? { batches: [], aborted: [] }, { records: maxRecords, bytes: Infinity });
    } catch (error) {
      throw asLogError(error, this.#brokers);
    }
  }

  /** A partition beyond those known may have been added. */
  async #learnGrown(records: readonly NewRecord[]): Promise<void> {
    const grown = records.filter(({ topic, partition }) => (partition ?? 0) >= this.#topics.count(topic)!).map(({ topic }) => topic);
    if (grown.length > 0) {
      await this.#topics.learnAgain([...new Set(grown)]);
    }
  }
}
