import type { Clock } from '../../kernel/clock';
import type { Assignment, Delivery, EventLog, LogBatch, LogRecord, PollOptions, SubscribeOptions, Subscription } from '../../events/event-log';
import { FetchQueues } from '../../events/fetch-queues';
import { comparePartitions, partitionId, type PartitionId, type TopicPartition } from '../../events/position';
import { cutBatch } from './decoded';

/** What of a log is read apart. */
export interface ApartReading {
  readonly partitions: readonly TopicPartition[];
  /** The offset before which reading ends for now; it may grow. */
  readonly limit: (partition: TopicPartition) => number;
  /** Records that are not wanted are passed over as if they were none. */
  readonly keep?: ((record: LogRecord) => boolean) | undefined;
}

/** Records of one partition read at once. */
const READ = 5_000;
const QUEUED = { maxQueuedRecords: 20_000, maxQueuedBytes: 32 * 1024 * 1024 };
/** How often it is looked whether the limit has grown. */
const LOOK_MS = 10;

/** Reads partitions by position, in nobody's group: nothing of it is left when it is closed. */
class ApartSubscription implements Subscription {
  #assignment: Assignment | undefined;
  #queues: FetchQueues | undefined;
  readonly #reading = new Map<PartitionId, Promise<void>>();
  #failure: unknown;
  #isClosed = false;
  #begun = 0;

  constructor(
    private readonly log: EventLog,
    private readonly reading: ApartReading,
    private readonly options: SubscribeOptions,
    private readonly clock: Clock,
  ) {}

  async poll({ maxRecords, waitMs, signal, except }: PollOptions): Promise<Delivery> {
    const until = this.clock.now() + waitMs;
    for (;;) {
      const { assignment, queues } = await this.#assigned();
      if (this.#failure !== undefined) {
        throw this.#failure as Error;
      }
      this.#fill(queues);
      const batches = queues.take(maxRecords, except);
      if (batches.length > 0 || signal?.aborted === true || this.clock.now() >= until) {
        return { assignment, batches };
      }
      const pause = this.clock.sleep(Math.min(LOOK_MS, waitMs), signal);
      await (this.#reading.size === 0 ? pause : Promise.race([...this.#reading.values(), pause]));
    }
  }

  drop(partitions: readonly TopicPartition[]): void {
    this.#queues?.drop(partitions);
  }

  restart(assignment: number): void {
    if (this.#assignment?.number === assignment) {
      this.#assignment = undefined;
    }
  }

  commit(): Promise<void> {
    return Promise.resolve(); // there is no group
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#reading.values());
  }

  async #assigned(): Promise<{ readonly assignment: Assignment; readonly queues: FetchQueues }> {
    if (this.#assignment === undefined || this.#queues === undefined) {
      this.#begun += 1;
      this.#assignment = { number: this.#begun, partitions: [...this.reading.partitions].sort(comparePartitions) };
      this.#queues = new FetchQueues(this.#assignment.partitions, await this.options.positions(this.#assignment), QUEUED);
    }
    return { assignment: this.#assignment, queues: this.#queues };
  }

  #fill(queues: FetchQueues): void {
    for (const partition of queues.partitions) {
      const id = partitionId(partition);
      const from = queues.next(partition)!;
      if (!this.#reading.has(id) && !this.#isClosed && queues.wantsMore(partition) && from < this.reading.limit(partition)) {
        this.#reading.set(
          id,
          this.#read(queues, partition, from).finally(() => this.#reading.delete(id)),
        );
      }
    }
  }

  /** Never rejects: `poll` does. */
  async #read(queues: FetchQueues, partition: TopicPartition, offset: number): Promise<void> {
    try {
      const batch = await this.log.read({ ...partition, offset }, { maxRecords: READ });
      const { topic, from, next, records } = cutBatch(batch, this.reading.limit(partition));
      const { keep } = this.reading;
      const kept: LogBatch = { topic, partition: partition.partition, from, next, records: keep === undefined ? records : records.filter(keep) };
      if (queues === this.#queues && next > from) {
        queues.offer(kept);
      }
    } catch (error) {
      this.#failure ??= error;
    }
  }
}

/** The log as a runner sees it that folds apart: some of its partitions, up to a limit, in no group. */
export const apartLog = (log: EventLog, reading: ApartReading, clock: Clock): EventLog => {
  const wanted = new Set(reading.partitions.map(partitionId));
  const only = <P extends TopicPartition>(all: readonly P[]): readonly P[] => all.filter((one) => wanted.has(partitionId(one)));
  return {
    kind: log.kind,
    topicAdmin: log.topicAdmin,
    createTopics: (specs) => log.createTopics(specs),
    append: (records) => log.append(records),
    partitions: async (topics) => only(await log.partitions(topics)),
    heads: async (topics) => only(await log.heads(topics)),
    read: (from, options) => log.read(from, options),
    offsetsForTime: (topic, ms) => log.offsetsForTime(topic, ms),
    subscribe: (options) => Promise.resolve(new ApartSubscription(log, reading, options, clock)),
    close: () => Promise.resolve(),
  };
};
