import type { Clock } from '../../../kernel/clock';
import { backoffMs } from '../../../kernel/retry';
import type { NewRecord } from '../../event-log';
import type { TopicPartition } from '../../position';
import { isFinal } from './client';
import type { Broker } from './kafkajs-internals';
import type { KafkaCompression } from './codecs';
import type { Delivered } from './partition-lane';
import { produce } from './produce';
import { meaningOf, type Meaning } from './protocol-errors';
import { encodeBatch, type BatchOrigin } from './record-batch';

export type ProducerId = Omit<BatchOrigin, 'sequence'>;

/** What a producer asks of the cluster. */
export interface ProducerSource {
  readonly leader: (partition: TopicPartition) => Promise<Broker>;
  readonly newProducerId: () => Promise<ProducerId>;
  /** Takes in an error: asks anew who leads. Never rejects. */
  readonly recover: (error: unknown) => Promise<void>;
  readonly clock: Clock;
}

export interface DeliveryOptions {
  readonly compression: KafkaCompression;
  /** How long a batch is tried, milliseconds; a request under way is waited for. */
  readonly deliveryTimeoutMs: number;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
const SEQUENCES = 2 ** 31;

/** The tries of one batch, and what is known from them. */
class Tries {
  count = 0;
  /** The broker does not follow this producer's numbers; nothing of the batch was written, so that another can begin. */
  hasLostTrack = false;
  #isUncertain = false;

  /** Takes in how a try failed; answers what is to be said of the batch if there is nothing more to try. */
  failed(error: unknown, meaning: Meaning, isTimeUp: boolean): Delivered | undefined {
    this.count += 1;
    this.hasLostTrack = meaning === 'lost-track' && !this.#isUncertain;
    this.#isUncertain ||= meaning === 'doubtful' || meaning === 'duplicate';
    const canGoOn = meaning === 'unwritten' || meaning === 'doubtful' || this.hasLostTrack;
    return canGoOn && !isTimeUp ? undefined : { error, isUncertain: this.#isUncertain };
  }
}

/**
 * Writes to one partition, idempotently: a batch is tried again with the same sequence number until its fate is known or
 * time is up. After a failure the producer's number is given up. Its next batch would have the sequence number of the
 * failed one, and would be swallowed if that was written after all.
 */
export class PartitionProducer {
  #id: ProducerId | undefined;
  #sequence = 0;

  constructor(
    private readonly partition: TopicPartition,
    private readonly source: ProducerSource,
    private readonly options: DeliveryOptions,
  ) {}

  /** Never rejects. One call at a time. */
  async deliver(records: readonly NewRecord[], sizes: readonly number[]): Promise<Delivered> {
    const { clock, recover } = this.source;
    const tries = new Tries();
    const started = clock.now();
    for (;;) {
      const tried = await this.#try(records, sizes, started);
      if ('offset' in tried) {
        this.#sequence = (this.#sequence + records.length) % SEQUENCES;
        return tried;
      }
      const over = tries.failed(tried.error, tried.meaning, clock.now() - started >= this.options.deliveryTimeoutMs);
      if (over !== undefined || tries.hasLostTrack) {
        this.#id = undefined;
      }
      if (over !== undefined) {
        return over;
      }
      await recover(tried.error);
      await clock.sleep(backoffMs(tries.count, FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random));
    }
  }

  async #try(
    records: readonly NewRecord[],
    sizes: readonly number[],
    now: number,
  ): Promise<{ readonly offset: number } | { readonly error: unknown; readonly meaning: Meaning }> {
    let broker: Broker;
    try {
      broker = await this.source.leader(this.partition);
      if (this.#id === undefined) {
        this.#id = await this.source.newProducerId();
        this.#sequence = 0;
      }
    } catch (error) {
      return { error, meaning: isFinal(error) ? 'refused' : 'unwritten' };
    }
    let batch: Buffer;
    try {
      batch = await encodeBatch(records, sizes, now, { ...this.#id, sequence: this.#sequence }, this.options.compression);
    } catch (error) {
      return { error, meaning: 'refused' };
    }
    try {
      return { offset: await produce(broker, this.partition, batch) };
    } catch (error) {
      return { error, meaning: meaningOf(error) };
    }
  }
}
