import type { Kafka } from 'kafkajs';
import type { Clock } from '../../../kernel/clock';
import { isRefoldError, messageOf } from '../../../kernel/errors';
import type { Logger } from '../../../kernel/logger';
import { SUBSCRIBE_DEFAULTS, type SubscribeOptions } from '../../event-log';
import { rotated, type FetchQueues } from '../../fetch-queues';
import { InboxSubscription } from '../../inbox-subscription';
import { partitionId, type Position } from '../../position';
import { checkPositions } from '../../subscription-inbox';
import { Wakeup } from '../../wakeup';
import { asLogError } from './client';
import { toBatch } from './fetched';
import { GroupMembership } from './group-membership';
import { PartitionReader, isOutOfRange } from './partition-reader';
import type { Topics } from './topics';

export interface KafkaSource {
  /** Makes a client of its own. */
  readonly createKafka: () => Kafka;
  readonly brokers: readonly string[];
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long a fetch waits at the broker for new records; short while another partition may get room meanwhile. */
const WAIT_MS = 100;
const BUSY_WAIT_MS = 5;
const RETRY_MS = 200;
/** Reading survives the restart of a broker; a broker that is away for longer ends the subscription. */
const OUTAGE_MS = 60_000;
/** A head may lag for a moment after its leader moved, so a position beyond it is looked at so often, so far apart. */
const LOOKS = 4;
const LOOK_AGAIN_MS = 500;

/** A membership in a group of Kafka: the library keeps the membership, one loop fetches ahead into the queues. */
export class KafkaSubscription extends InboxSubscription {
  readonly #membership: GroupMembership;
  readonly #reader: PartitionReader;
  readonly #fetchAgain: Wakeup;
  #rounds = 0;
  #loop: Promise<void> = Promise.resolve();

  constructor(
    options: SubscribeOptions,
    private readonly source: KafkaSource,
    private readonly onStopped: () => void,
  ) {
    const { clock, logger, brokers } = source;
    super(options, clock);
    this.#fetchAgain = new Wakeup(clock);
    this.#reader = new PartitionReader(source.createKafka(), logger);
    this.#membership = new GroupMembership({
      kafka: source.createKafka(),
      brokers,
      group: options.group,
      topics: options.topics,
      sessionTimeoutMs: options.sessionTimeoutMs ?? SUBSCRIBE_DEFAULTS.sessionTimeoutMs,
      clock,
      logger,
      onAssigned: (partitions) => this.assigned(partitions),
      onCrashed: (error) => this.inbox.fail(error),
    });
  }

  /** @internal Joins the group and begins to fetch. @throws RefoldError `log.unreachable` */
  async start(): Promise<void> {
    this.#loop = this.#fetchLoop();
    try {
      await this.#membership.join();
    } catch (error) {
      await this.close();
      throw asLogError(error, this.source.brokers);
    }
  }

  commit(positions: readonly Position[]): Promise<void> {
    return this.#membership.commit(positions);
  }

  async close(): Promise<void> {
    if (this.stopped) {
      return;
    }
    this.stop();
    this.onStopped();
    this.#fetchAgain.wake();
    await this.#membership.leave();
    await this.#loop;
    try {
      await this.#reader.close();
    } catch (error) {
      this.source.logger.log('debug', 'kafka: a reader did not disconnect', { error: messageOf(error) });
    }
  }

  protected onRoom(): void {
    this.#fetchAgain.wake();
  }

  /** @throws RefoldError `log.truncated`, `log.unreachable` */
  protected async verify(positions: readonly Position[]): Promise<void> {
    for (let look = 1; ; look += 1) {
      const heads = await this.source.topics.heads(positions.map(({ topic }) => topic));
      try {
        checkPositions(positions, heads);
        return;
      } catch (error) {
        const beyond = isRefoldError(error) && Number(error.facts['offset']) > Number(error.facts['stable']);
        if (!beyond || look === LOOKS || this.stopped) {
          throw error;
        }
        await this.source.clock.sleep(LOOK_AGAIN_MS);
      }
    }
  }

  async #fetchLoop(): Promise<void> {
    let answered = this.source.clock.now();
    while (!this.stopped && !this.inbox.failed) {
      const { queues } = this.inbox;
      try {
        await this.#fetchRound(queues);
        answered = this.source.clock.now();
      } catch (error) {
        if (queues !== this.inbox.queues || this.stopped) {
          continue; // it concerns an assignment that is over
        }
        const gone = this.source.clock.now() - answered > OUTAGE_MS;
        if (gone || (isRefoldError(error) && !error.retryable)) {
          this.inbox.fail(asLogError(error, this.source.brokers));
          return;
        }
        this.source.logger.log('warn', 'kafka: fetching failed; trying again', { error: messageOf(error) });
        await this.source.clock.sleep(RETRY_MS);
      }
    }
  }

  async #fetchRound(queues: FetchQueues): Promise<void> {
    const all = queues.partitions;
    // The broker fills its answer in this order: each round begins with another partition, so that none is left out for ever.
    const hungry = rotated(
      all.filter((partition) => queues.wantsMore(partition)),
      this.#rounds,
    ).map((partition) => ({ ...partition, offset: queues.next(partition)! }));
    this.#rounds += 1;
    if (hungry.length === 0) {
      await this.#fetchAgain.wait(WAIT_MS);
      return;
    }
    try {
      const fetched = await this.#reader.fetch(hungry, hungry.length < all.length ? BUSY_WAIT_MS : WAIT_MS);
      for (const position of hungry) {
        const answer = fetched.get(partitionId(position));
        if (answer !== undefined) {
          queues.offer(toBatch(position, answer, queues.room(position)));
        }
      }
      this.inbox.wake();
    } catch (error) {
      if (isOutOfRange(error)) {
        await this.verify(hungry); // names the position; the broker names none
      }
      throw error;
    }
  }
}
