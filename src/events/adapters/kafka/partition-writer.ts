import type { Kafka } from 'kafkajs';
import type { Clock } from '../../../kernel/clock';
import type { Logger } from '../../../kernel/logger';
import type { NewRecord } from '../../event-log';
import { partitionId, type PartitionId, type TopicPartition } from '../../position';
import { partitionMissing } from './client';
import type { Broker } from './kafkajs-internals';
import { Leaders } from './leaders';
import { PartitionLane, type Appended, type Batching } from './partition-lane';
import { PartitionProducer, type DeliveryOptions, type ProducerId, type ProducerSource } from './partition-producer';
import { sizeOf } from './record-batch';
import { Room } from './room';

export interface WriterOptions extends Batching, DeliveryOptions {
  /** Bytes of records that may wait or be under way; appends beyond them wait before they get in line. */
  readonly bufferBytes: number;
}

export const WRITER_DEFAULTS: WriterOptions = {
  batchBytes: 700_000, // the broker's limit is 1 MiB by default, with what the encoding adds
  lingerMs: 0,
  bufferBytes: 32 * 1024 * 1024,
  compression: 'none',
  deliveryTimeoutMs: 30_000,
};

/**
 * Appends to partitions, each by a producer of its own and one request at a time, in batches of what waits. The library's
 * producer is not used: it does not tell what became of each try, and can leave records out of a request that it calls
 * successful.
 */
export class PartitionWriter {
  readonly #leaders: Leaders;
  readonly #source: ProducerSource;
  readonly #lanes = new Map<PartitionId, PartitionLane>();
  readonly #room: Room;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    kafka: Kafka,
    private readonly clock: Clock,
    logger: Logger,
    private readonly options: WriterOptions,
  ) {
    this.#leaders = new Leaders(kafka, logger);
    this.#room = new Room(options.bufferBytes);
    this.#source = {
      leader: (partition) => this.#inTurn(() => this.#leader(partition)),
      newProducerId: () => this.#inTurn(() => this.#newProducerId()),
      recover: (error) => this.#inTurn(() => this.#leaders.recover(error)),
      clock,
    };
  }

  /** Never rejects. Errors told are the library's, or `log.append-failed` where an answer does not account for the records. */
  async append(partition: TopicPartition, records: readonly NewRecord[]): Promise<Appended> {
    const sizes = records.map(sizeOf);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    await this.#room.take(bytes);
    try {
      return await this.#lane(partition).append(records, sizes);
    } finally {
      this.#room.give(bytes);
    }
  }

  /** Ends when everything appended has an answer. */
  async close(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map((lane) => lane.idle()));
    await this.#turn;
    await this.#leaders.close();
  }

  #lane(partition: TopicPartition): PartitionLane {
    const id = partitionId(partition);
    let lane = this.#lanes.get(id);
    if (lane === undefined) {
      const producer = new PartitionProducer(partition, this.#source, this.options);
      lane = new PartitionLane(this.options, this.clock, (records, sizes) => producer.deliver(records, sizes));
      this.#lanes.set(id, lane);
    }
    return lane;
  }

  async #leader({ topic, partition }: TopicPartition): Promise<Broker> {
    await this.#leaders.know([topic]);
    const nodeId = this.#leaders.leaderOf({ topic, partition });
    if (nodeId === undefined) {
      throw partitionMissing({ topic, partition });
    }
    return this.#leaders.broker(nodeId);
  }

  async #newProducerId(): Promise<ProducerId> {
    const broker = await this.#leaders.controller();
    const { producerId, producerEpoch } = await broker.initProducerId({ transactionTimeout: 0 });
    return { producerId: BigInt(String(producerId)), producerEpoch };
  }

  /** Metadata and connections are asked for by one caller at a time: two at once make the library open connections of which it closes only one. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const answer = this.#turn.then(work);
    this.#turn = answer.catch(() => undefined); // its caller hears of the failure
    return answer;
  }
}
