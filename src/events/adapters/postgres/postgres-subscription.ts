import type { Clock } from '../../../kernel/clock';
import { errorFacts } from '../../../kernel/errors';
import type { Logger } from '../../../kernel/logger';
import type { PostgresPool } from '../../../platform/postgres/pool';
import { SUBSCRIBE_DEFAULTS, type SubscribeOptions } from '../../event-log';
import { InboxSubscription } from '../../inbox-subscription';
import { partitionId, type Position } from '../../position';
import { checkPositions } from '../../subscription-inbox';
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
export class PostgresSubscription extends InboxSubscription {
  readonly #membership: Membership;
  readonly #fetcher: Fetcher;
  readonly #sessionTimeoutMs: number;
  readonly #fetchAgain: Wakeup;
  readonly #beatAgain: Wakeup;
  #claims: string | undefined;
  readonly #unconfirmed: (() => void)[] = [];
  #loops: Promise<unknown> = Promise.resolve();
  #unlisten: () => void = () => undefined;

  constructor(
    private readonly options: SubscribeOptions,
    private readonly source: PostgresSource,
    private readonly onStopped: () => void,
  ) {
    const { pool, app, clock, channel } = source;
    super(options, clock);
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? SUBSCRIBE_DEFAULTS.sessionTimeoutMs;
    this.#fetchAgain = new Wakeup(clock);
    this.#beatAgain = new Wakeup(clock);
    this.#fetcher = new Fetcher(pool, app);
    this.#membership = new Membership({ pool, app, channel, group: options.group, topics: options.topics, sessionTimeoutMs: this.#sessionTimeoutMs });
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

  commit(positions: readonly Position[]): Promise<void> {
    return inLogTerms(() => this.#membership.commit(positions));
  }

  async close(): Promise<void> {
    if (this.stopped) {
      return;
    }
    await this.die();
    try {
      await this.#membership.leave();
    } catch (error) {
      this.source.logger.log('warn', 'could not leave the group; its members wait for the session to time out', errorFacts(error));
    }
  }

  /** Stops without leaving, as a killed process does: the others take over after the session's time. */
  async die(): Promise<void> {
    this.stop();
    this.onStopped();
    this.#unlisten();
    this.#fetchAgain.wake();
    this.#beatAgain.wake();
    await this.#loops;
  }

  /** By the next look at the claims. */
  protected confirmed(): Promise<void> {
    const confirmed = new Promise<void>((resolve) => this.#unconfirmed.push(resolve));
    this.#beatAgain.wake();
    return confirmed;
  }

  protected async verify(positions: readonly Position[]): Promise<void> {
    const topics = [...new Set(positions.map(({ topic }) => topic))];
    checkPositions(positions, await inLogTerms(() => readHeads(this.source.pool, this.source.app, topics)));
  }

  protected onRoom(): void {
    this.#fetchAgain.wake();
  }

  async #fetchLoop(): Promise<void> {
    await this.#untilStopped(async () => {
      const { queues } = this.inbox;
      try {
        if (!(await this.#fetcher.round(queues, () => this.inbox.wake()))) {
          await this.#fetchAgain.wait(LOOK_MS);
        }
      } catch (error) {
        if (queues === this.inbox.queues) {
          throw error; // else it concerns an assignment that is over
        }
      }
    });
  }

  async #beatLoop(): Promise<void> {
    const pause = Math.min(LONGEST_BEAT_MS, this.#sessionTimeoutMs / 4);
    await this.#untilStopped(async () => {
      await this.#beatAgain.wait(pause);
      if (!this.stopped) {
        await this.#beat();
      }
    });
  }

  async #beat(): Promise<void> {
    const asked = this.#unconfirmed.length; // later ones wait for the next beat
    const owned = await this.#membership.beat();
    const claims = claimsOf(owned);
    if (claims !== this.#claims) {
      this.#claims = claims;
      this.assigned(owned.map(({ topic, partition }) => ({ topic, partition })));
    }
    this.#unconfirmed.splice(0, asked).forEach((confirm) => {
      confirm();
    });
  }

  /** Repeats a step; a database that does not answer is borne with for the session's time. */
  async #untilStopped(step: () => Promise<void>): Promise<void> {
    let answered = this.source.clock.now();
    while (!this.stopped && !this.inbox.failed) {
      try {
        await step();
        answered = this.source.clock.now();
      } catch (thrown) {
        const error = asLogError(thrown);
        if (!error.retryable || this.source.clock.now() - answered > this.#sessionTimeoutMs) {
          this.inbox.fail(error);
          return;
        }
        this.source.logger.log('warn', 'the event log did not answer; trying again', { group: this.options.group, ...errorFacts(error) });
        await this.source.clock.sleep(RETRY_MS);
      }
    }
  }
}
