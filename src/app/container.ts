import 'reflect-metadata';
import { hostname, userInfo } from 'node:os';
import { container as root, instanceCachingFactory, type DependencyContainer, type InjectionToken } from 'tsyringe';
import { systemClock, type Clock } from '../kernel/clock';
import { silentLogger, type Logger } from '../kernel/logger';
import { PostgresPool } from '../platform/postgres/pool';
import { AvroSerde } from '../events/adapters/avro/serde';
import { KafkaEventLog } from '../events/adapters/kafka/kafka-event-log';
import { PostgresEventLog } from '../events/adapters/postgres/postgres-event-log';
import { PostgresSchemaRegistry } from '../events/adapters/postgres/schema-registry';
import type { EventLog } from '../events/event-log';
import type { EventSerde } from '../events/event-serde';
import type { SchemaRegistry } from '../events/schema-registry';
import { PostgresJournal } from '../commands/adapters/postgres/journal';
import { PostgresOutbox } from '../commands/adapters/postgres/outbox';
import type { CommandMiddleware } from '../commands/command-bus';
import type { CommandJournal, Outbox } from '../commands/journal';
import { RefoldError } from '../kernel/errors';
import { PostgresCatalog } from '../projections/adapters/postgres/catalog';
import { PostgresReadModelStore } from '../projections/adapters/postgres/store';
import type { GenerationCatalog, StoreKind } from '../projections/generations';
import type { ReadModelStore } from '../projections/read-model-store';
import { PostgresHolds } from '../replay/adapters/postgres/holds';
import { PostgresReplayJournal } from '../replay/adapters/postgres/journal';
import { PostgresSwitch } from '../replay/adapters/postgres/switch';
import { ReplayCoordinator } from '../replay/coordinator';
import type { ReplayParts } from '../replay/parts';
import type { StoreSwitch } from '../replay/ports';
import type { Configuration } from './configuration';
import type { App } from './define-app';

/** A configuration whose addresses are known. */
export interface Addresses {
  readonly postgresUrl: string;
  readonly kafkaBrokers: readonly string[];
  /** Empty where no projection is stored in ClickHouse and no address is configured. */
  readonly clickhouseUrl: string;
}

const token = <T>(name: string): InjectionToken<T> => Symbol(`refold:${name}`);

/** What an application is made of; register another value in the container to replace a part. */
export const TOKENS = {
  clock: token<Clock>('clock'),
  logger: token<Logger>('logger'),
  pool: token<PostgresPool>('pool'),
  log: token<EventLog>('log'),
  registry: token<SchemaRegistry>('registry'),
  serde: token<EventSerde>('serde'),
  journal: token<CommandJournal>('journal'),
  outbox: token<Outbox>('outbox'),
  /** Wraps every command, the first outermost. */
  middleware: token<readonly CommandMiddleware[]>('middleware'),
  catalog: token<GenerationCatalog>('catalog'),
  stores: token<ReadonlyMap<StoreKind, ReadModelStore>>('stores'),
  switches: token<ReadonlyMap<StoreKind, StoreSwitch>>('switches'),
  replayObserver: token<NonNullable<ReplayParts['observe']>>('replay-observer'),
  coordinator: token<ReplayCoordinator>('coordinator'),
} as const;

/** One child container per connected application: parts are made when first asked for, each once. */
export const createContainer = (app: App, configuration: Configuration, addresses: Addresses): DependencyContainer => {
  const container = root.createChildContainer();
  const part = <T>(name: InjectionToken<T>, make: (c: DependencyContainer) => T): void => {
    container.register(name, { useFactory: instanceCachingFactory(make) });
  };
  part(TOKENS.clock, () => systemClock);
  part(TOKENS.logger, () => silentLogger);
  part(TOKENS.pool, () => new PostgresPool({ url: addresses.postgresUrl, max: 16, applicationName: `refold ${app.name}` }));
  part(TOKENS.log, (c): EventLog => {
    const shared = { clock: c.resolve(TOKENS.clock), logger: c.resolve(TOKENS.logger) };
    return configuration.log === 'kafka'
      ? new KafkaEventLog({ ...shared, brokers: addresses.kafkaBrokers, clientId: app.name })
      : new PostgresEventLog({ ...shared, pool: c.resolve(TOKENS.pool), app: app.name });
  });
  part(TOKENS.registry, (c) => new PostgresSchemaRegistry({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(TOKENS.serde, (c) => new AvroSerde({ types: app.events, registry: c.resolve(TOKENS.registry), source: app.name, clock: c.resolve(TOKENS.clock) }));
  part(TOKENS.journal, (c) => new PostgresJournal({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(TOKENS.outbox, (c) => outboxOf(app, c));
  part(TOKENS.middleware, () => []);
  part(TOKENS.catalog, (c) => new PostgresCatalog({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(
    TOKENS.stores,
    (c) =>
      new Map<StoreKind, ReadModelStore>([['postgres', new PostgresReadModelStore({ pool: c.resolve(TOKENS.pool), viewSchema: configuration.viewSchema })]]),
  );
  part(TOKENS.switches, (c) => new Map<StoreKind, StoreSwitch>([['postgres', new PostgresSwitch({ pool: c.resolve(TOKENS.pool), app: app.name })]]));
  part(TOKENS.replayObserver, () => () => undefined);
  part(TOKENS.coordinator, (c) => coordinatorOf(app, c));
  return container;
};

/** @throws RefoldError `relay.log-unsupported` where journal and log do not share a database */
const outboxOf = (app: App, c: DependencyContainer): Outbox => {
  const log = c.resolve(TOKENS.log);
  if (!(log instanceof PostgresEventLog)) {
    throw new RefoldError('relay.log-unsupported', `the journal cannot be relayed to a log of the kind ${log.kind}`, { facts: { log: log.kind } });
  }
  return new PostgresOutbox({ pool: c.resolve(TOKENS.pool), app: app.name, append: (sql, records) => log.appendWithin(sql, records) });
};

const coordinatorOf = (app: App, c: DependencyContainer): ReplayCoordinator => {
  const pool = c.resolve(TOKENS.pool);
  return new ReplayCoordinator({
    app: app.name,
    catalog: c.resolve(TOKENS.catalog),
    journal: new PostgresReplayJournal(pool, app.name),
    holds: new PostgresHolds(pool),
    stores: c.resolve(TOKENS.stores),
    switches: c.resolve(TOKENS.switches),
    log: c.resolve(TOKENS.log),
    definitions: app.projections,
    clock: c.resolve(TOKENS.clock),
    by: `${userInfo().username}@${hostname()}`,
    observe: c.resolve(TOKENS.replayObserver),
  });
};
