import type { Kafka } from 'kafkajs';
import type { Clock } from '../../../kernel/clock';
import { errorFacts, isRefoldError, RefoldError } from '../../../kernel/errors';
import type { Logger } from '../../../kernel/logger';
import { SUBSCRIBE_DEFAULTS, type Delivery, type PollOptions, type SubscribeOptions } from '../../event-log';
import { rotated, type FetchQueues } from '../../fetch-queues';
import { InboxSubscription } from '../../inbox-subscription';
import { partitionId, type Position } from '../../position';
import { checkPositions } from '../../subscription-inbox';
import { Wakeup } from '../../wakeup';
import { Watchdog } from '../../watchdog';
import { asLogError } from './client';
import { toRange } from './fetched';
import { GroupMembership, LEAVE_MS } from './group-membership';
import { PartitionReader, isOutOfRange } from './partition-reader';
import type { Topics } from './topics';

export interface KafkaSource {
  /** Makes a client of its own. */
  readonly createKafka: () => Kafka;
  readonly brokers: readonly string[];
  readonly topics: Topics;
  readonly metadataMaxAgeMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * How long a fetch waits at the broker for new records; short while another partition may get room meanwhile, longer the
 * longer there is nothing new: each question costs something, and a new assignment waits for the answer to the last one.
 */
const WAIT_MS = 100;
const LONGEST_WAIT_MS = 1_000;
const BUSY_WAIT_MS = 5;
const RETRY_MS = 200;
/** Reading survives the restart of a broker; a broker that is away for longer ends the subscription. */
const OUTAGE_MS = 60_000;
/** The library joins again by itself for about a minute; a coordinator that stays silent for longer ends the subscription. */
const SILENCE_MS = 90_000;
/** A head may lag for a moment after its leader moved, so a position beyond it is looked at so often, so far apart. */
const LOOKS = 4;
const LOOK_AGAIN_MS = 500;

const stalled = (group: string, silentMs: number): RefoldError =>
  new RefoldError('log.consumer-stalled', `nothing was taken from the subscription of ${group} for ${String(Math.round(silentMs))} ms`, { facts: { group } });

const silent = (group: string, silentMs: number): RefoldError =>
  new RefoldError('log.unreachable', `the coordinator of ${group} was not heard of for ${String(Math.round(silentMs))} ms`, { facts: { group } });

/** A membership in a group of Kafka: the library keeps the membership, one loop fetches ahead into the queues. */
export class KafkaSubscription extends InboxSubscription {
  readonly #membership: GroupMembership;
  readonly #reader: PartitionReader;
  readonly #fetchAgain: Wakeup;
  readonly #watchdog: Watchdog;
  readonly #over = new AbortController();
  readonly #unconfirmed: (() => void)[] = [];
  #watching: Promise<void> = Promise.resolve();
  #heardAt: number;
  #rounds = 0;
  /** In a row, that brought nothing. */
  #quietRounds = 0;
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
    this.#heardAt = clock.now();
    this.#watchdog = new Watchdog(clock, [
      { sign: 'poll', limitMs: options.pollTimeoutMs ?? SUBSCRIBE_DEFAULTS.pollTimeoutMs, onSilent: (ms) => this.#giveUp(stalled(options.group, ms)) },
      { sign: 'beat', limitMs: SILENCE_MS, onSilent: (ms) => this.#giveUp(silent(options.group, ms)) },
    ]);
    this.#membership = new GroupMembership({
      kafka: source.createKafka(),
      brokers,
      group: options.group,
      topics: options.topics,
      sessionTimeoutMs: options.sessionTimeoutMs ?? SUBSCRIBE_DEFAULTS.sessionTimeoutMs,
      metadataMaxAgeMs: source.metadataMaxAgeMs,
      clock,
      logger,
      onAssigned: (partitions) => {
        this.#quietRounds = 0;
        this.assigned(partitions);
      },
      onCrashed: (error) => this.inbox.fail(error),
      onHeard: () => {
        this.#heardAt = clock.now();
        this.#watchdog.sign('beat');
        this.#unconfirmed.splice(0).forEach((confirm) => {
          confirm();
        });
      },
    });
  }

  get heardAt(): number {
    return this.#heardAt;
  }

  override async poll(options: PollOptions): Promise<Delivery> {
    this.#watchdog.sign('poll');
    try {
      return await super.poll(options);
    } finally {
      this.#watchdog.sign('poll');
    }
  }

  /** @internal Joins the group and begins to fetch. @throws RefoldError `log.unreachable` */
  async start(): Promise<void> {
    this.#loop = this.#fetchLoop();
    try {
      await this.#membership.join();
      this.#watching = this.#watchdog.run(this.#over.signal);
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
    this.#over.abort();
    this.onStopped();
    this.#fetchAgain.wake();
    await this.#membership.leave();
    await this.#asked(); // whoever says where to begin may read the log for that
    await Promise.all([this.#loop, this.#watching]);
    try {
      await this.#reader.close();
    } catch (error) {
      this.source.logger.log('debug', 'kafka: a reader did not disconnect', errorFacts(error));
    }
  }

  async #asked(): Promise<void> {
    const timer = new AbortController();
    await Promise.race([this.inbox.settled(), this.source.clock.sleep(LEAVE_MS, timer.signal)]);
    timer.abort();
  }

  /** By the next heartbeat: a member that was thrown out, or that others wait for, gets a new assignment instead. */
  protected confirmed(): Promise<void> {
    return new Promise((resolve) => this.#unconfirmed.push(resolve));
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
        const added = isRefoldError(error, 'log.unknown-partition'); // the group may know of a partition earlier than the broker asked here
        if (!(beyond || added) || look === LOOKS || this.stopped) {
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
        if (await this.#fetchRound(queues)) {
          this.#heardAt = this.source.clock.now();
        }
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
        this.source.logger.log('warn', 'kafka: fetching failed; trying again', errorFacts(error));
        await this.source.clock.sleep(RETRY_MS);
      }
    }
  }

  /** Leaves the group, so that others take over at once; the next `poll` says why. */
  #giveUp(error: RefoldError): void {
    this.inbox.fail(error);
    void this.#membership.leave(); // never rejects
  }

  /** Answers whether a broker was asked. */
  async #fetchRound(queues: FetchQueues): Promise<boolean> {
    const all = queues.partitions;
    // The broker fills its answer in this order: each round begins with another partition, so that none is left out for ever.
    const hungry = rotated(
      all.filter((partition) => queues.wantsMore(partition)),
      this.#rounds,
    ).map((partition) => ({ ...partition, offset: queues.next(partition)! }));
    this.#rounds += 1;
    if (hungry.length === 0) {
      await this.#fetchAgain.wait(WAIT_MS);
      return false;
    }
    try {
      const waitMs = hungry.length < all.length ? BUSY_WAIT_MS : Math.min(LONGEST_WAIT_MS, WAIT_MS * (1 + this.#quietRounds));
      const fetched = await this.#reader.fetch(hungry, waitMs);
      this.#quietRounds = [...fetched.values()].some(({ batches }) => batches.length > 0) ? 0 : this.#quietRounds + 1;
      for (const position of hungry) {
        const answer = fetched.get(partitionId(position));
        if (answer !== undefined) {
          queues.offer(toRange(position, answer, queues.room(position)));
        }
      }
      this.inbox.wake();
      return true;
    } catch (error) {
      if (isOutOfRange(error)) {
        await this.verify(hungry); // names the position; the broker names none
      }
      throw error;
    }
  }
}
