import 'reflect-metadata';
import { connect } from '../../../src/app/connect';
import { givenArguments } from '../../../src/app/services/launch';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { reminding } from './reactor-app';

// A worker with a reactor in a process of its own: reactor-process.ts JSON. Its effects are rows of a table without constraints.

export interface ReactorOrder {
  readonly topic: string;
  readonly postgresUrl: string;
  readonly kafkaBrokers: readonly string[];
  /** Right after so many effects, before their position is moved, it kills itself as kill -9 does. */
  readonly killAfterEffects?: number;
  /** Right after so many effects, likewise, it stops as SIGSTOP does. */
  readonly stopAfterEffects?: number;
}

const main = async (): Promise<void> => {
  const { topic, postgresUrl, kafkaBrokers, killAfterEffects, stopAfterEffects } = JSON.parse(givenArguments()[0]!) as ReactorOrder;
  const world = new PostgresPool({ url: postgresUrl });
  let effects = 0;
  const app = reminding(topic, async (id, dedupeKey) => {
    await world.query('INSERT INTO told (id, dedupe_key) VALUES ($1, $2)', [id, dedupeKey]);
    effects += 1;
    if (effects === killAfterEffects) {
      process.kill(process.pid, 'SIGKILL');
    }
    if (effects === stopAfterEffects) {
      process.kill(process.pid, 'SIGSTOP');
    }
  });
  const connection = await connect(app, {
    configuration: { postgresUrl, kafka: { brokers: kafkaBrokers }, log: kafkaBrokers.length > 0 ? 'kafka' : 'postgres' },
    environment: {},
  });
  const worker = connection.worker({
    relay: false,
    options: { pollMs: 50, sessionTimeoutMs: 1_500 },
    observeReactor: (_, { kind }) => {
      if (kind === 'fenced') {
        process.send?.('fenced');
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
    await world.close();
  }
};

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
