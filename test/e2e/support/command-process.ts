import 'reflect-metadata';
import { appendFileSync } from 'node:fs';
import { connect } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { givenArguments } from '../../../src/app/services/launch';
import { PostgresOutbox } from '../../../src/commands/adapters/postgres/outbox';
import type { PostgresEventLog } from '../../../src/events/adapters/postgres/postgres-event-log';
import { Refused } from '../../support/counter';
import { acknowledgedIn, commandOf, counters, planOf, type PlannedCommand } from './command-plan';

// Clients and a relay in a process of their own: command-process.ts JSON. It kills itself, as kill -9 does.

export interface CommandOrder {
  readonly postgresUrl: string;
  readonly acknowledgements: string;
  readonly seed: number;
  readonly commands: number;
  readonly streams: number;
  readonly clients: number;
  /** `relay`: when that many batches are in the log but not marked. `client`: so many milliseconds after that many commands. */
  readonly kill: { readonly at: 'relay'; readonly after: number } | { readonly at: 'client'; readonly after: number; readonly delayMs: number } | undefined;
}

const dieNow = (): void => void process.kill(process.pid, 'SIGKILL');

const main = async (): Promise<void> => {
  const order = JSON.parse(givenArguments()[0]!) as CommandOrder;
  const { kill } = order;
  let [batches, told] = [0, 0];
  const connection = await connect(counters, {
    configuration: { postgresUrl: order.postgresUrl },
    environment: {},
    configure: (container) => {
      const [pool, log] = [container.resolve(TOKENS.pool), container.resolve(TOKENS.log) as PostgresEventLog];
      const append: ConstructorParameters<typeof PostgresOutbox>[0]['append'] = async (sql, records) => {
        const positions = await log.appendWithin(sql, records);
        batches += 1;
        if (kill?.at === 'relay' && batches === kill.after) {
          dieNow();
        }
        return positions;
      };
      container.registerInstance(TOKENS.outbox, new PostgresOutbox({ pool, app: counters.name, append }));
    },
  });
  const relay = connection.relay({ pollMs: 10, leaseMs: 300, batch: 7, maxPauseMs: 100 });
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
  const left = planOf(order.seed, order.commands, order.streams).filter(({ index }) => !done.has(index));
  const client = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      await execute(next);
    }
  };
  await Promise.all(Array.from({ length: order.clients }, client));
  relay.stop();
  await relaying;
  await connection.close();
};

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
