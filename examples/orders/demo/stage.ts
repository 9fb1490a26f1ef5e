import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type App, type Configuration, type ConnectedApp } from 'refold';
import { acquireServices } from '../../../src/app/services/services';
import type { Releasers } from '../../../src/kernel/lifecycle';
import type { Databases } from '../check';
import { app } from '../refold.config';
import type { DemoArguments } from './arguments';
import { deploy, type Deployment } from './deployment';
import { claimBroker } from './own-broker';

type Projections = typeof app extends App<infer P> ? P : never;
export type Orders = ConnectedApp<Projections>;

/** Everything the demo runs on; new for each run, and gone when it is closed. */
export interface Stage {
  readonly connected: Orders;
  /** Addresses of the databases, for the independent check. */
  readonly databases: Databases;
  /** Starts a worker process with the application of a configuration file. */
  deploy(config: string, worker?: Configuration['worker']): Deployment;
  /** Rejects when a worker ends without being told to; never resolves. */
  readonly failed: Promise<never>;
}

/** Unless ORDERS_STORES says otherwise. */
export const usesClickHouse = app.projections.some(({ stores }) => stores.includes('clickhouse'));

/**
 * Starts the services in a folder of their own, which goes when the demo ends, however it ends.
 * @throws RefoldError `service.unavailable`, `log.unreachable`, `log.topic-not-empty`
 */
export const openStage = async ({ log, brokers }: Pick<DemoArguments, 'log' | 'brokers'>, releasers: Releasers): Promise<Stage> => {
  const own = brokers.length > 0;
  const clearBroker = own ? await claimBroker(brokers) : undefined;
  const acquiring = acquireServices({
    folder: path.join(tmpdir(), `refold-demo-${randomBytes(6).toString('hex')}`),
    want: { postgres: true, kafka: log === 'kafka' && !own, clickhouse: usesClickHouse },
    environment: {},
    ephemeral: true,
    durable: log === 'postgres', // a broker that has to keep nothing ends at once
  });
  // Before they are there: an interruption meanwhile waits for them, else their folder would be left behind.
  releasers.push(() =>
    acquiring.then(
      (services) => services.release(),
      () => undefined,
    ),
  );
  const services = await acquiring;
  const { clickhouseUrl } = services;
  const postgresUrl = services.postgresUrl!;
  const configuration = {
    postgresUrl,
    ...(clickhouseUrl === undefined ? {} : { clickhouseUrl }),
    log,
    kafka: { brokers: own ? brokers : (services.kafkaBrokers ?? []) },
  } as const;
  if (clearBroker !== undefined) {
    releasers.push(clearBroker);
  }
  const connected = await connect(app, { configuration, environment: {} });
  releasers.push(() => connected.close());
  await connected.migrate();
  let fail: (error: unknown) => void;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  failed.catch(() => undefined); // whoever waits for it hears of it
  return {
    connected,
    databases: { postgresUrl, clickhouseUrl },
    failed,
    deploy: (config, worker = {}) => {
      const deployment = deploy(config, { ...configuration, worker });
      deployment.failed.catch((error: unknown) => {
        fail(error);
      });
      releasers.push(() => deployment.stop());
      return deployment;
    },
  };
};
