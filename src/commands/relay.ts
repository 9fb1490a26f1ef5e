import { randomUUID } from 'node:crypto';
import type { Clock } from '../kernel/clock';
import { errorFacts, isRefoldError } from '../kernel/errors';
import type { Logger } from '../kernel/logger';
import { resolveOptions } from '../kernel/options';
import { backoffMs } from '../kernel/retry';
import { Wakeup } from '../events/wakeup';
import type { Outbox, RelayLease } from './journal';

export interface RelayOptions {
  /** Most events published at once. */
  readonly batch: number;
  /** How often the outbox is looked at when nobody wakes the relay, in milliseconds. */
  readonly pollMs: number;
  /** After so long without a word another process may relay, in milliseconds. */
  readonly leaseMs: number;
  /** Longest pause after a failure that may pass, in milliseconds. */
  readonly maxPauseMs: number;
  /** How often in a row a failure that may pass is tried again before the relay gives up. */
  readonly restarts: number;
  /** For so long a command id is handled once, in milliseconds; 0: for ever. */
  readonly rememberCommandsMs: number;
}

export const RELAY_DEFAULTS: RelayOptions = { batch: 500, pollMs: 100, leaseMs: 5_000, maxPauseMs: 10_000, restarts: 8, rememberCommandsMs: 30 * 86_400_000 };

/** How often old commands are looked for, and how many are forgotten before publishing goes on. */
const FORGET = { everyMs: 60_000, atOnce: 1_000 };

/** What a relay tells its observer. `leads`: it has the lease; `waits`: another has it, or it ended. */
export type RelayEvent =
  | { readonly kind: 'leads' | 'waits' }
  | { readonly kind: 'published'; readonly events: number; readonly startedAt: number; readonly ms: number }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface RelayParts {
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly options?: Partial<RelayOptions>;
  readonly observe?: (event: RelayEvent) => void;
}

/** Takes what the journal holds to the log. Any number of processes may run one: whoever has the lease works, the others wait. */
export class Relay {
  readonly #parts: RelayParts;
  readonly #options: RelayOptions;
  readonly #lease: RelayLease;
  readonly #wakeup: Wakeup;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #forgot = Number.NEGATIVE_INFINITY;

  /** @throws RefoldError `config.invalid` */
  constructor(parts: RelayParts) {
    this.#parts = parts;
    this.#options = resolveOptions('relay', RELAY_DEFAULTS, parts.options);
    this.#lease = { owner: `relay/${randomUUID()}`, leaseMs: this.#options.leaseMs };
    this.#wakeup = new Wakeup(parts.clock);
  }

  /**
   * Relays until stopped. While another relay has the lease it stands by; a failure that may pass is tried again `restarts` times in a row.
   * @throws RefoldError `store.not-migrated`, `log.unknown-topic`, `relay.partly-published`, and what stayed: `store.*`, `log.*`, `relay.log-unsettled`
   */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Publishes all there is now and gives the lease back; answers the number of events. @throws RefoldError `relay.lease-held` and what `run` throws */
  async drain(): Promise<number> {
    await this.#parts.outbox.acquire(this.#lease);
    try {
      return await this.#publishAll(() => false);
    } finally {
      await this.#letGo();
    }
  }

  /** Lets `run` end after the batch under way. */
  stop(): void {
    this.#abort.abort();
    this.#wakeup.wake();
  }

  /** Stops, and answers when `run` has ended; how it ended is told by `run`. */
  async close(): Promise<void> {
    this.stop();
    await this.#running?.catch(() => undefined);
  }

  /** There is something to publish. */
  wake(): void {
    this.#wakeup.wake();
  }

  async #run(): Promise<void> {
    let failures = 0;
    this.#parts.observe?.({ kind: 'waits' });
    try {
      while (!this.#stopped) {
        try {
          await this.#acquireAndPublish(() => {
            failures = 0;
          });
        } catch (error) {
          failures = await this.#afterFailure(error, failures);
        }
      }
    } finally {
      await this.#letGo();
    }
  }

  async #acquireAndPublish(succeeded: () => void): Promise<void> {
    const { outbox, clock } = this.#parts;
    let renewed = Number.NEGATIVE_INFINITY;
    let told = false;
    while (!this.#stopped) {
      if (clock.now() - renewed >= this.#options.leaseMs / 3) {
        renewed = clock.now();
        await outbox.acquire(this.#lease);
      }
      if (!told) {
        told = true;
        this.#parts.observe?.({ kind: 'leads' });
        this.#parts.logger.log('info', 'this process relays the journal', { relay: this.#lease.owner });
      }
      const published = await this.#publishAll(() => this.#stopped);
      await this.#forget();
      succeeded();
      if (published === 0) {
        await this.#wakeup.wait(this.#options.pollMs);
      }
    }
  }

  async #forget(): Promise<void> {
    const { outbox, clock } = this.#parts;
    const { rememberCommandsMs } = this.#options;
    if (rememberCommandsMs > 0 && clock.now() - this.#forgot >= FORGET.everyMs && (await outbox.forget(rememberCommandsMs, FORGET.atOnce)) < FORGET.atOnce) {
      this.#forgot = clock.now();
    }
  }

  async #publishAll(enough: () => boolean): Promise<number> {
    const { batch } = this.#options;
    let total = 0;
    for (let published = batch; published === batch && !enough(); total += published) {
      const [startedAt, began] = [this.#parts.clock.now(), performance.now()];
      published = await this.#parts.outbox.publish(this.#lease, batch);
      if (published > 0) {
        this.#parts.observe?.({ kind: 'published', events: published, startedAt, ms: performance.now() - began });
      }
    }
    return total;
  }

  /** Waits a while and answers the number of failures in a row; throws what will not pass. */
  async #afterFailure(error: unknown, before: number): Promise<number> {
    const { clock, logger } = this.#parts;
    const { leaseMs, pollMs, maxPauseMs, restarts } = this.#options;
    this.#parts.observe?.({ kind: 'waits' });
    if (isRefoldError(error, 'relay.lease-held')) {
      await clock.sleep(backoffMs(1, leaseMs / 3, leaseMs, Math.random), this.#abort.signal);
      return 0;
    }
    const failures = before + 1;
    this.#parts.observe?.({ kind: 'failed', error });
    if (!isRefoldError(error) || !error.retryable || failures > restarts) {
      throw error;
    }
    logger.log('warn', 'the relay could not publish and tries again', { ...errorFacts(error), failures });
    await clock.sleep(backoffMs(failures, pollMs, maxPauseMs, Math.random), this.#abort.signal);
    return failures;
  }

  get #stopped(): boolean {
    return this.#abort.signal.aborted;
  }

  async #letGo(): Promise<void> {
    this.#parts.observe?.({ kind: 'waits' });
    try {
      await this.#parts.outbox.release(this.#lease);
    } catch (error) {
      // It runs out by itself.
      this.#parts.logger.log('warn', 'the lease of the relay could not be given back', errorFacts(error));
    }
  }
}
