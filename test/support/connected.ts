import { connect, type ConnectedApp, type ConnectOptions } from '../../src/app/connect';
import type { App } from '../../src/app/define-app';
import type { WorkerOptions } from '../../src/app/configuration';
import type { PostgresPool } from '../../src/platform/postgres/pool';
import { TOKENS } from '../../src/app/container';
import type { RunnerEvent } from '../../src/projections/engine/runner-parts';
import type { Checkpoint } from '../../src/projections/generations';
import type { Worker } from '../../src/app/worker';
import { caughtUp, until } from './harness';
import { freshDatabase, type TestDatabase } from './services';

export interface RunningWorker {
  readonly worker: Worker;
  readonly events: RunnerEvent[];
  /** Settles with `run`. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** A database of its own, with connections and workers that end with it. */
export class ConnectedWorld {
  readonly #closing: (() => Promise<void>)[] = [];

  private constructor(readonly database: TestDatabase) {}

  static async open(name: string): Promise<ConnectedWorld> {
    return new ConnectedWorld(await freshDatabase(name));
  }

  async connect(app: App, options: ConnectOptions = {}): Promise<ConnectedApp> {
    const configuration = { postgresUrl: this.database.url, ...options.configuration };
    const connection = await connect(app, { environment: {}, ...options, configuration });
    this.#closing.push(() => connection.close());
    return connection;
  }

  work(connection: ConnectedApp, options: Partial<WorkerOptions> = {}): RunningWorker {
    const events: RunnerEvent[] = [];
    const worker = connection.worker({ options: { pollMs: 20, sessionTimeoutMs: 2_000, ...options }, observe: (_, event) => events.push(event) });
    const ended = worker.run();
    ended.catch(() => undefined); // looked at by the test that cares
    const stop = async (): Promise<void> => {
      worker.stop();
      await ended;
    };
    this.#closing.push(async () => {
      worker.stop();
      await ended.catch(() => undefined);
    });
    return { worker, events, ended, stop };
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) {
      await close();
    }
    await this.database.drop();
  }
}

export const poolOf = (connection: ConnectedApp): PostgresPool => connection.container.resolve(TOKENS.pool);

/** The checkpoints of the only generation. */
export const onlyCheckpoints = async (connection: ConnectedApp): Promise<readonly Checkpoint[]> => {
  const generations = await connection.generations();
  expect(generations.length).toBeLessThanOrEqual(1);
  return generations[0]?.checkpoints ?? [];
};

/** Waits until the only generation has folded everything. */
export const allFolded = (connection: ConnectedApp): Promise<void> =>
  until(async () => {
    const [only] = await connection.generations();
    const isActive = only?.generation.status === 'active'; // a first build becomes so a moment after its last commit
    return isActive && (await caughtUp(connection.container.resolve(TOKENS.catalog), connection.log, only.generation));
  }, 'everything is folded, and readers see it');

/** Every offset read is in exactly one of the other counters, and all offsets before the checkpoint were read. */
export const expectCountersToAddUp = (checkpoints: readonly Checkpoint[]): void => {
  for (const { next, counters } of checkpoints) {
    const { read, ...others } = counters;
    expect(read).toBe(next);
    expect(Object.values(others).reduce((total, count) => total + count, 0)).toBe(read);
  }
};
