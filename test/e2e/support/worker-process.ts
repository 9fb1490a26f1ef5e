import 'reflect-metadata';
import { connect } from '../../../src/app/connect';
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
}

const main = async (): Promise<void> => {
  const order = JSON.parse(givenArguments()[0]!) as WorkerOrder;
  const { postgresUrl, clickhouseUrl, kafkaBrokers } = order;
  const app = ledger(order.topic, clickhouseUrl === '' ? ['postgres'] : ['postgres', 'clickhouse']);
  const connection = await connect(app, {
    configuration: { postgresUrl, clickhouseUrl, kafka: { brokers: kafkaBrokers }, log: kafkaBrokers.length > 0 ? 'kafka' : 'postgres' },
    environment: {},
  });
  let commits = 0;
  const worker = connection.worker({
    options: { pollMs: 50, replayBatch: order.batch, liveBatch: order.batch, sessionTimeoutMs: 1_500 },
    observe: (_, event) => {
      commits += event.kind === 'committed' ? 1 : 0;
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
