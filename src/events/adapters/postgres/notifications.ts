import { createHash } from 'node:crypto';
import { Client } from 'pg';
import type { Clock } from '../../../kernel/clock';
import type { Logger } from '../../../kernel/logger';
import { backoffMs } from '../../../kernel/retry';
import { translatePostgresError } from '../../../platform/postgres/errors';

/** The channel of an application; hashed, because names of channels are short. */
export const channelOf = (app: string): string => `refold_log_${createHash('sha256').update(app).digest('hex').slice(0, 16)}`;

export type OnNotification = (payload: string) => void;

/**
 * One connection of its own that listens and passes on what it hears. It only makes readers quicker: they look for
 * themselves four times a second, so a lost connection is replaced in the background and costs nothing but time.
 */
export class Notifications {
  readonly #listeners = new Set<OnNotification>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #client: Client | undefined;

  constructor(private readonly options: { readonly url: string; readonly channel: string; readonly clock: Clock; readonly logger: Logger }) {}

  /** Begins listening with the first listener; answers how to stop hearing. */
  listen(listener: OnNotification): () => void {
    this.#listeners.add(listener);
    this.#running ??= this.#run();
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#client?.end().catch(() => undefined); // it may be broken already, and is given up anyway
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let attempt = 1; !this.#stop.signal.aborted; attempt += 1) {
      const began = this.options.clock.now();
      try {
        await this.#hear();
      } catch (error) {
        this.options.logger.log('warn', 'the connection for notifications was lost', { error: translatePostgresError(error).message });
      }
      attempt = this.options.clock.now() - began > 10_000 ? 1 : attempt;
      await this.options.clock.sleep(backoffMs(attempt, 100, 5_000, Math.random), this.#stop.signal);
    }
  }

  /** Returns or throws when the connection ends. */
  async #hear(): Promise<void> {
    const client = new Client({
      connectionString: this.options.url,
      application_name: 'refold listen',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000, // else the system's, mostly two hours
    });
    const ended = new Promise<void>((resolve, reject) => {
      client.once('end', resolve);
      client.on('error', reject);
    });
    ended.catch(() => undefined); // reported below, or by connect
    client.on('notification', ({ payload }) => this.#listeners.forEach((listener) => listener(payload ?? '')));
    try {
      await client.connect();
      this.#client = client;
      if (this.#stop.signal.aborted) {
        return;
      }
      await client.query(`LISTEN ${this.options.channel}`);
      this.#listeners.forEach((listener) => listener('')); // something may have been appended before
      await ended;
    } finally {
      this.#client = undefined;
      await client.end().catch(() => undefined);
    }
  }
}
