import type { Clock } from '../../../kernel/clock';
import { messageOf } from '../../../kernel/errors';
import type { Logger } from '../../../kernel/logger';
import type { PostgresPool } from '../../../platform/postgres/pool';
import { SUBSCRIBE_DEFAULTS, type Delivery, type PollOptions, type SubscribeOptions, type Subscription } from '../../event-log';
import { partitionId, type Position, type TopicPartition } from '../../position';
import { SubscriptionInbox, checkPositions } from '../../subscription-inbox';
import { Fetcher } from './fetcher';
import { readHeads } from './heads';
import { asLogError, inLogTerms } from './log-errors';
import { Membership, groupPayload, type OwnedPartition } from './membership';
import { Wakeup } from '../../wakeup';
import type { Notifications } from './notifications';

export interface PostgresSource {
  readonly pool: PostgresPool;
  readonly app: string;
  readonly channel: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly notifications: Notifications;
}

/** Readers look for themselves so often (milliseconds), in case a notification was lost. */
const LOOK_MS = 250;
const LONGEST_BEAT_MS = 1_000;
const RETRY_MS = 100;

const claimsOf = (owned: readonly OwnedPartition[]): string => owned.map((claim) => `${partitionId(claim)}@${claim.since}`).join();

/** A membership in a group of the Postgres log: one loop fetches ahead, one keeps the membership alive. */
export class PostgresSubscription implements Subscription {
  readonly #inbox: SubscriptionInbox;
  readonly #membership: Membership;
  readonly #fetcher: Fetcher;
  readonly #sessionTimeoutMs: number;
  readonly #fetchAgain: Wakeup;
  readonly #beatAgain: Wakeup;
  #owned: readonly TopicPartition[] = [];
  #claims: string | undefined;
  #stopped = false;
  #loops: Promise<unknown> = Promise.resolve();
  #unlisten: () => void = () => undefined;

  constructor(
    private readonly options: SubscribeOptions,
    private readonly source: PostgresSource,
    private readonly onStopped: () => void,
  ) {
    const { pool, app, clock, channel } = source;
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? SUBSCRIBE_DEFAULTS.sessionTimeoutMs;
    this.#fetchAgain = new Wakeup(clock);
    this.#beatAgain = new Wakeup(clock);
    this.#fetcher = new Fetcher(pool, app);
    this.#membership = new Membership({ pool, app, channel, group: options.group, topics: options.topics, sessionTimeoutMs: this.#sessionTimeoutMs });
    this.#inbox = new SubscriptionInbox({
      clock,
      limits: {
        maxQueuedRecords: options.maxQueuedRecords ?? SUBSCRIBE_DEFAULTS.maxQueuedRecords,
        maxQueuedBytes: options.maxQueuedBytes ?? SUBSCRIBE_DEFAULTS.maxQueuedBytes,
      },
      positions: options.positions,
      verify: async (positions) => {
        const topics = [...new Set(positions.map(({ topic }) => topic))];
        checkPositions(positions, await inLogTerms(() => readHeads(pool, app, topics)));
      },
      onRoom: () => this.#fetchAgain.wake(),
    });
  }

  /** @internal Joins the group and begins to fetch. @throws RefoldError `log.unreachable`, `store.not-migrated` */
  async start(): Promise<void> {
    await inLogTerms(() => this.#beat());
    this.#unlisten = this.source.notifications.listen((payload) => {
      if (payload === '') {
        this.#fetchAgain.wake();
      }
      if (payload === '' || payload === groupPayload(this.options.group)) {
        this.#beatAgain.wake();
      }
    });
    this.#loops = Promise.all([this.#fetchLoop(), this.#beatLoop()]);
  }

  poll(options: PollOptions): Promise<Delivery> {
    return this.#inbox.poll(options);
  }

  drop(partitions: readonly TopicPartition[]): void {
    this.#inbox.drop(partitions);
  }

  restart(): void {
    if (!this.#stopped) {
      void this.#inbox.assign(this.#owned);
    }
  }

  commit(positions: readonly Position[]): Promise<void> {
    return inLogTerms(() => this.#membership.commit(positions));
  }

  async close(): Promise<void> {
    if (this.#stopped) {
      return;
    }
    await this.die();
    try {
      await this.#membership.leave();
    } catch (error) {
      this.source.logger.log('warn', 'could not leave the group; its members wait for the session to time out', { error: messageOf(error) });
    }
  }

  /** Stops without leaving, as a killed process does: the others take over after the session's time. */
  async die(): Promise<void> {
    this.#stopped = true;
    this.onStopped();
    this.#unlisten();
    this.#inbox.close();
    this.#fetchAgain.wake();
    this.#beatAgain.wake();
    await this.#loops;
  }

  /** What is held, for tests of the limits. */
  held(): { readonly records: number; readonly bytes: number; readonly mostRecords: number } {
    return this.#inbox.queues.held();
  }

  async #fetchLoop(): Promise<void> {
    await this.#untilStopped(async () => {
      const { queues } = this.#inbox;
      try {
        if (!(await this.#fetcher.round(queues, () => this.#inbox.wake()))) {
          await this.#fetchAgain.wait(LOOK_MS);
        }
      } catch (error) {
        if (queues === this.#inbox.queues) {
          throw error; // else it concerns an assignment that is over
        }
      }
    });
  }

  async #beatLoop(): Promise<void> {
    const pause = Math.min(LONGEST_BEAT_MS, this.#sessionTimeoutMs / 4);
    await this.#untilStopped(async () => {
      await this.#beatAgain.wait(pause);
      if (!this.#stopped) {
        await this.#beat();
      }
    });
  }

  async #beat(): Promise<void> {
    const owned = await this.#membership.beat();
    const claims = claimsOf(owned);
    if (claims !== this.#claims && !this.#stopped) {
      this.#claims = claims;
      this.#owned = owned.map(({ topic, partition }) => ({ topic, partition }));
      void this.#inbox.assign(this.#owned);
    }
  }

  /** Repeats a step; a database that does not answer is borne with for the session's time. */
  async #untilStopped(step: () => Promise<void>): Promise<void> {
    let answered = this.source.clock.now();
    while (!this.#stopped && !this.#inbox.failed) {
      try {
        await step();
        answered = this.source.clock.now();
      } catch (thrown) {
        const error = asLogError(thrown);
        if (!error.retryable || this.source.clock.now() - answered > this.#sessionTimeoutMs) {
          this.#inbox.fail(error);
          return;
        }
        this.source.logger.log('warn', 'the event log did not answer; trying again', { group: this.options.group, error: error.message });
        await this.source.clock.sleep(RETRY_MS);
      }
    }
  }
}
