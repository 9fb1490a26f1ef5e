import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type App, type Configuration, type ConnectedApp } from 'refold';
import { acquireServices } from '../../../src/app/services/services';
import { Releasers } from '../../../src/kernel/lifecycle';
import { app } from '../refold.config';
import type { DemoArguments } from './arguments';
import { deploy, type Deployment } from './deployment';
import { removeTopic, requireNoTopic } from './own-broker';

type Projections = typeof app extends App<infer P> ? P : never;
export type Orders = ConnectedApp<Projections>;

/** Everything the demo runs on; new for each run, and gone when it is closed. */
export interface Stage {
  readonly connected: Orders;
  /** Address of the database, for the independent check. */
  readonly postgresUrl: string;
  /** Starts a worker process with the application of a configuration file. */
  deploy(config: string, worker?: Configuration['worker']): Deployment;
}

/**
 * Starts the services in a folder of their own, which goes when the demo ends, however it ends.
 * @throws RefoldError `service.unavailable`, `log.unreachable`, `log.topic-not-empty`
 */
export const openStage = async ({ log, brokers }: Pick<DemoArguments, 'log' | 'brokers'>, releasers: Releasers): Promise<Stage> => {
  const own = brokers.length > 0;
  if (own) {
    await requireNoTopic(brokers);
  }
  const services = await acquireServices({
    folder: mkdtempSync(path.join(tmpdir(), 'refold-demo-')),
    want: { postgres: true, kafka: log === 'kafka' && !own },
    environment: {},
    ephemeral: true,
  });
  releasers.push(() => services.release());
  const postgresUrl = services.postgresUrl!;
  const configuration = { postgresUrl, log, kafkaBrokers: own ? brokers : (services.kafkaBrokers ?? []) } as const;
  if (own) {
    releasers.push(() => removeTopic(brokers));
  }
  const connected = await connect(app, { configuration, environment: {} });
  releasers.push(() => connected.close());
  await connected.migrate();
  return {
    connected,
    postgresUrl,
    deploy: (config, worker = {}) => {
      const deployment = deploy(config, { ...configuration, worker });
      releasers.push(() => deployment.stop());
      return deployment;
    },
  };
};
