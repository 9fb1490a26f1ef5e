import 'reflect-metadata';
import { appendFileSync } from 'node:fs';
import type { DependencyContainer } from 'tsyringe';
import type { App } from '../../../src/app/define-app';
import { connect } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { givenArguments } from '../../../src/app/services/launch';
import { FencedOutbox } from '../../../src/commands/adapters/postgres/fenced-outbox';
import { PostgresOutbox } from '../../../src/commands/adapters/postgres/outbox';
import type { Outbox } from '../../../src/commands/journal';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';
import type { PostgresEventLog } from '../../../src/events/adapters/postgres/postgres-event-log';
import { Refused } from '../../support/counter';
import { acknowledgedIn, commandOf, countersOn, planOf, type PlannedCommand } from './command-plan';

// Clients and a relay in a process of their own: command-process.ts JSON. It kills itself, as kill -9 does.

/**
 * `relay`: at that batch: when it has its numbers, so many milliseconds after its publishing began, or when it is in the
 * log and not marked. `client`: so many milliseconds after that many commands.
 */
export type Kill =
  | { readonly at: 'numbered' | 'published'; readonly after: number }
  | { readonly at: 'publishing' | 'client'; readonly after: number; readonly delayMs: number };

export interface CommandOrder {
  readonly postgresUrl: string;
  readonly kafkaBrokers: readonly string[];
  readonly topic: string;
  readonly acknowledgements: string;
  readonly seed: number;
  readonly commands: number;
  readonly streams: number;
  readonly clients: number;
  /** Events that the relay publishes at once. */
  readonly batch: number;
  readonly kill: Kill | undefined;
  /** A process that is to die gives at most so many commands and then waits for its end: a slow relay must not find everything done. */
  readonly most: number;
}

const dieNow = (): void => void process.kill(process.pid, 'SIGKILL');

/** The outbox of the application with a death in the middle of publishing. */
const fatalOutbox = (app: App, container: DependencyContainer, kill: Kill | undefined): Outbox => {
  const shared = { pool: container.resolve(TOKENS.pool), app: app.name };
  const log = container.resolve(TOKENS.log);
  let batches = 0;
  const publishing = async <T>(publish: () => Promise<T>): Promise<T> => {
    batches += 1;
    const due = batches === kill?.after;
    if (due && kill?.at === 'numbered') {
      dieNow();
    }
    if (due && kill?.at === 'publishing') {
      setTimeout(dieNow, kill.delayMs);
    }
    const answer = await publish();
    if (due && kill?.at === 'published') {
      dieNow();
    }
    return answer;
  };
  if (log instanceof KafkaEventLog) {
    const publisher = (incarnation: string) => {
      const real = log.fencedPublisher(`refold.${app.name}.${incarnation}`);
      const publish: typeof real.publish = (records) => publishing(() => real.publish(records));
      return { fence: () => real.fence(), publish, readToEnd: real.readToEnd.bind(real), close: () => real.close() };
    };
    return new FencedOutbox({ ...shared, log, publisher });
  }
  return new PostgresOutbox({ ...shared, append: (sql, records) => publishing(() => (log as PostgresEventLog).appendWithin(sql, records)) });
};

const main = async (): Promise<void> => {
  const order = JSON.parse(givenArguments()[0]!) as CommandOrder;
  const { kill, postgresUrl, kafkaBrokers, batch } = order;
  const app = countersOn(order.topic);
  let told = 0;
  const connection = await connect(app, {
    configuration: { postgresUrl, kafka: { brokers: kafkaBrokers }, log: kafkaBrokers.length > 0 ? 'kafka' : 'postgres' },
    environment: {},
    configure: (container) => void container.registerInstance(TOKENS.outbox, fatalOutbox(app, container, kill)),
  });
  const relay = connection.relay({ pollMs: 10, leaseMs: 300, batch, maxPauseMs: 100 });
  const relaying = relay.run();

  const execute = async (planned: PlannedCommand): Promise<void> => {
    const { index, id } = planned;
    const total = await connection.commands.execute(commandOf(planned), { id }).then(
      (result) => result.total,
      (error: unknown) => {
        if (error instanceof Refused) {
          return 'refused' as const;
        }
        throw error;
      },
    );
    appendFileSync(order.acknowledgements, `${JSON.stringify({ index, id, total })}\n`);
    told += 1;
    if (kill?.at === 'client' && told === kill.after) {
      setTimeout(dieNow, kill.delayMs);
    }
  };
  const done = new Set(acknowledgedIn(order.acknowledgements).map(({ index }) => index));
  const left = planOf(order.seed, order.commands, order.streams)
    .filter(({ index }) => !done.has(index))
    .slice(0, kill === undefined ? Infinity : order.most);
  const client = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      await execute(next);
    }
  };
  await Promise.all(Array.from({ length: order.clients }, client));
  if (kill === undefined) {
    relay.stop();
  }
  await relaying;
  await connection.close();
};

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
