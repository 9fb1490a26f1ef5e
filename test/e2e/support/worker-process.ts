import 'reflect-metadata';
import { connect } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import type { ProjectionDefinition } from '../../../src/projections/definition';
import type { Generation, StoreKind } from '../../../src/projections/generations';
import type { BatchCommit, GenerationStore, ReadModelStore } from '../../../src/projections/read-model-store';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { givenArguments } from '../../../src/app/services/launch';
import { ledger } from './ledger';

// A worker in a process of its own: worker-process.ts JSON. It kills itself, as kill -9 does, a while after so many commits.

export interface WorkerOrder {
  readonly topic: string;
  readonly postgresUrl: string;
  readonly kafkaBrokers: readonly string[];
  /** Empty: rows are kept in Postgres alone. */
  readonly clickhouseUrl: string;
  readonly batch: number;
  readonly killAfterCommits: number | undefined;
  /** Milliseconds after that commit; the next transaction is then somewhere in its middle. */
  readonly killDelayMs: number;
  /** Right before its next commit after so many it stops, as SIGSTOP does, with a folded batch in its hands. */
  readonly stopAfterCommits?: number;
  /** @defaultValue 1500 */
  readonly sessionTimeoutMs?: number;
}

/** The stores as they are, with something done before each commit. */
const beforeCommits = (stores: ReadonlyMap<StoreKind, ReadModelStore>, act: () => void): ReadonlyMap<StoreKind, ReadModelStore> => {
  const watched = <T extends object>(target: T, name: keyof T & string, wrap: (given: unknown[]) => Promise<unknown>): T =>
    new Proxy(target, {
      get: (_, key) => {
        const value: unknown = Reflect.get(target, key, target);
        return key === name ? (...given: unknown[]) => wrap(given) : typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  const opened = (store: GenerationStore): GenerationStore =>
    watched(store, 'commit', ([batch]) => {
      act();
      return store.commit(batch as BatchCommit);
    });
  return new Map(
    [...stores].map(([kind, store]) => [
      kind,
      watched(store, 'open', async ([generation, definition]) => opened(await store.open(generation as Generation, definition as ProjectionDefinition))),
    ]),
  );
};

const main = async (): Promise<void> => {
  const order = JSON.parse(givenArguments()[0]!) as WorkerOrder;
  const { postgresUrl, clickhouseUrl, kafkaBrokers } = order;
  const app = ledger(order.topic, clickhouseUrl === '' ? ['postgres'] : ['postgres', 'clickhouse']);
  let commits = 0;
  const connection = await connect(app, {
    configuration: { postgresUrl, clickhouseUrl, kafka: { brokers: kafkaBrokers }, log: kafkaBrokers.length > 0 ? 'kafka' : 'postgres' },
    environment: {},
    configure: (container) => {
      // Transactions of a process that is stopped hold their locks for so long.
      container.registerInstance(TOKENS.pool, new PostgresPool({ url: postgresUrl, max: 16, idleInTransactionMs: 3_000 }));
      const stores = container.resolve(TOKENS.stores);
      let isStopped = false;
      const stopOnce = (): void => {
        if (!isStopped && order.stopAfterCommits !== undefined && commits >= order.stopAfterCommits) {
          isStopped = true;
          process.kill(process.pid, 'SIGSTOP');
        }
      };
      container.registerInstance(TOKENS.stores, beforeCommits(stores, stopOnce));
    },
  });
  const worker = connection.worker({
    options: { pollMs: 50, replayBatch: order.batch, liveBatch: order.batch, sessionTimeoutMs: order.sessionTimeoutMs ?? 1_500 },
    observe: (_, event) => {
      commits += event.kind === 'committed' ? 1 : 0;
      if (event.kind === 'fenced') {
        process.send?.('fenced');
      }
      if (commits === order.killAfterCommits) {
        setTimeout(() => process.kill(process.pid, 'SIGKILL'), order.killDelayMs);
      }
    },
  });
  process.on('SIGTERM', () => {
    worker.stop();
  });
  try {
    await worker.run();
  } finally {
    await connection.close();
  }
};

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
