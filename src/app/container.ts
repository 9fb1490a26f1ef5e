import 'reflect-metadata';
import { hostname, userInfo } from 'node:os';
import { container as root, instanceCachingFactory, type DependencyContainer, type InjectionToken } from 'tsyringe';
import { systemClock, type Clock } from '../kernel/clock';
import { durationMs } from '../kernel/duration';
import { silentLogger, type Logger } from '../kernel/logger';
import { ClickHouse } from '../platform/clickhouse/client';
import { PostgresPool } from '../platform/postgres/pool';
import { AvroSerde } from '../events/adapters/avro/serde';
import { ConfluentSchemaRegistry } from '../events/adapters/confluent/schema-registry';
import { KafkaEventLog } from '../events/adapters/kafka/kafka-event-log';
import { PostgresErrata } from '../events/adapters/postgres/errata';
import { PostgresEventLog } from '../events/adapters/postgres/postgres-event-log';
import { PostgresSchemaPins } from '../events/adapters/postgres/schema-pins';
import { PostgresSchemaRegistry } from '../events/adapters/postgres/schema-registry';
import type { ErrataBook } from '../events/errata';
import type { EventLog } from '../events/event-log';
import type { EventSerde } from '../events/event-serde';
import { ForeignSerde } from '../events/foreign-serde';
import { PinnedSchemaRegistry } from '../events/schema-pins';
import type { SchemaRegistry } from '../events/schema-registry';
import { PostgresJournal } from '../commands/adapters/postgres/journal';
import { FencedOutbox } from '../commands/adapters/postgres/fenced-outbox';
import { PostgresOutbox } from '../commands/adapters/postgres/outbox';
import type { CommandMiddleware } from '../commands/command-bus';
import type { CommandJournal, Outbox } from '../commands/journal';
import { RefoldError } from '../kernel/errors';
import { columnType } from '../projections/adapters/clickhouse/columns';
import { ClickHouseReadModelStore } from '../projections/adapters/clickhouse/store';
import { PostgresCatalog } from '../projections/adapters/postgres/catalog';
import { catalogType } from '../projections/adapters/postgres/columns';
import { PostgresModelIndexes } from '../projections/adapters/postgres/indexes';
import { PostgresCheckpointControl } from '../projections/adapters/postgres/checkpoint-control';
import { PostgresDeadLetters } from '../projections/adapters/postgres/dead-letters';
import { PostgresPartitionDecisions } from '../projections/adapters/postgres/partition-decisions';
import { PostgresLateBook } from '../projections/adapters/postgres/late-book';
import { PostgresParkingLot } from '../projections/adapters/postgres/parking-lot';
import { PostgresPauses } from '../projections/adapters/postgres/pauses';
import { PostgresReadModelStore } from '../projections/adapters/postgres/store';
import type { DeadLetters } from '../projections/dead-letters';
import type { GenerationCatalog, StoreKind } from '../projections/generations';
import type { PartitionDecisions } from '../projections/partition-decisions';
import type { LateBook } from '../projections/late';
import type { ParkingLot } from '../projections/parking';
import type { Pauses } from '../projections/pauses';
import type { ReadModelStore } from '../projections/read-model-store';
import { PostgresParkedBook } from '../reactors/adapters/postgres/parked-book';
import { PostgresReactorPositions } from '../reactors/adapters/postgres/positions';
import type { ParkedBook, ReactorPositions } from '../reactors/positions';
import { ClickHouseSwitch } from '../replay/adapters/clickhouse/switch';
import { PostgresSwitchControl } from '../replay/adapters/postgres/control';
import { PostgresHolds } from '../replay/adapters/postgres/holds';
import { ClickHouseProbe } from '../replay/adapters/clickhouse/probe';
import { PostgresReplayPaces } from '../replay/adapters/postgres/paces';
import { PostgresProbe } from '../replay/adapters/postgres/probe';
import { PostgresReplayJournal } from '../replay/adapters/postgres/journal';
import { PostgresRetirements } from '../replay/adapters/postgres/retirements';
import { PostgresSwitch } from '../replay/adapters/postgres/switch';
import { PostgresVerifications } from '../replay/adapters/postgres/verifications';
import type { ReplayCoordinator } from '../replay/coordinator';
import type { ReplayParts } from '../replay/parts';
import type { StoreProbe, StoreSwitch } from '../replay/ports';
import type { ResolvedConfiguration } from './configuration';
import { kafkaConnection } from './kafka-settings';
import type { App } from './define-app';
import { silentTelemetry, type Telemetry } from './telemetry/telemetry';
import { activeTrace } from './telemetry/trace-context';
import { TracedCoordinator } from './telemetry/traced-coordinator';
import { countSwitch, spanOfStep } from './telemetry/tracing';

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
  /** Told what happens, for metrics and traces. */
  telemetry: token<Telemetry>('telemetry'),
  pool: token<PostgresPool>('pool'),
  /** Only where an address of ClickHouse is known. */
  clickhouse: token<ClickHouse>('clickhouse'),
  log: token<EventLog>('log'),
  registry: token<SchemaRegistry>('registry'),
  serde: token<EventSerde>('serde'),
  errata: token<ErrataBook>('errata'),
  journal: token<CommandJournal>('journal'),
  outbox: token<Outbox>('outbox'),
  /** Wraps every command, the first outermost. */
  middleware: token<readonly CommandMiddleware[]>('middleware'),
  catalog: token<GenerationCatalog>('catalog'),
  parking: token<ParkingLot>('parking'),
  lateBook: token<LateBook>('lateBook'),
  partitionDecisions: token<PartitionDecisions>('partition-decisions'),
  deadLetters: token<DeadLetters>('dead-letters'),
  pauses: token<Pauses>('pauses'),
  reactorPositions: token<ReactorPositions>('reactor-positions'),
  parkedBook: token<ParkedBook>('parked-book'),
  /** Of read models in Postgres, beside those that they declare. */
  indexes: token<PostgresModelIndexes>('indexes'),
  stores: token<ReadonlyMap<StoreKind, ReadModelStore>>('stores'),
  switches: token<ReadonlyMap<StoreKind, StoreSwitch>>('switches'),
  /** What each store is asked before a replay is begun. */
  probes: token<ReadonlyMap<StoreKind, StoreProbe>>('probes'),
  replayObserver: token<NonNullable<ReplayParts['observe']>>('replay-observer'),
  coordinator: token<ReplayCoordinator>('coordinator'),
} as const;

/** One child container per connected application: parts are made when first asked for, each once. */
export const createContainer = (app: App, configuration: ResolvedConfiguration, addresses: Addresses): DependencyContainer => {
  const container = root.createChildContainer();
  const part = <T>(name: InjectionToken<T>, make: (c: DependencyContainer) => T): void => {
    container.register(name, { useFactory: instanceCachingFactory(make) });
  };
  part(TOKENS.clock, () => systemClock);
  part(TOKENS.logger, () => silentLogger);
  part(TOKENS.telemetry, () => silentTelemetry);
  part(TOKENS.pool, () => new PostgresPool({ url: addresses.postgresUrl, max: 16, applicationName: `refold ${app.name}` }));
  part(TOKENS.clickhouse, () => new ClickHouse({ url: addresses.clickhouseUrl, applicationName: `refold ${app.name}`, topology: configuration.clickhouse }));
  part(TOKENS.log, (c): EventLog => {
    const shared = { clock: c.resolve(TOKENS.clock), logger: c.resolve(TOKENS.logger) };
    return configuration.log === 'kafka'
      ? new KafkaEventLog({
          ...shared,
          ...kafkaConnection(configuration.kafka),
          brokers: addresses.kafkaBrokers,
          clientId: configuration.kafka.clientId || app.name,
        })
      : new PostgresEventLog({ ...shared, pool: c.resolve(TOKENS.pool), app: app.name });
  });
  part(TOKENS.registry, (c) => registryOf(app, configuration, c.resolve(TOKENS.pool)));
  part(TOKENS.serde, (c) => {
    const serde = new AvroSerde({
      types: app.events,
      registry: c.resolve(TOKENS.registry),
      source: app.name,
      clock: c.resolve(TOKENS.clock),
      trace: activeTrace,
    });
    return app.foreign.size === 0 ? serde : new ForeignSerde(serde, app.foreign, app.events);
  });
  part(TOKENS.errata, (c) => new PostgresErrata({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(TOKENS.journal, (c) => new PostgresJournal({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(TOKENS.outbox, (c) => outboxOf(app, c));
  part(TOKENS.middleware, () => []);
  part(TOKENS.catalog, (c) => new PostgresCatalog({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(TOKENS.lateBook, (c) => new PostgresLateBook({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(TOKENS.parking, (c) => new PostgresParkingLot({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(TOKENS.partitionDecisions, (c) => new PostgresPartitionDecisions({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(TOKENS.deadLetters, (c) => new PostgresDeadLetters({ pool: c.resolve(TOKENS.pool), app: app.name, catalog: c.resolve(TOKENS.catalog) }));
  part(TOKENS.pauses, (c) => new PostgresPauses({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(TOKENS.reactorPositions, (c) => new PostgresReactorPositions({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(TOKENS.parkedBook, (c) => new PostgresParkedBook({ pool: c.resolve(TOKENS.pool), app: app.name }));
  part(TOKENS.indexes, (c) => indexesOf(app, c));
  part(TOKENS.stores, (c) => storesOf(configuration, addresses, c));
  part(TOKENS.switches, (c) => switchesOf(app, addresses, c));
  part(TOKENS.probes, (c) => probesOf(configuration, addresses, c));
  part(TOKENS.replayObserver, () => () => undefined);
  part(TOKENS.coordinator, (c) => coordinatorOf(app, configuration, c));
  return container;
};

const indexesOf = (app: App, c: DependencyContainer): PostgresModelIndexes => {
  const models = app.projections.filter(({ stores }) => stores.includes('postgres')).map(({ model }) => model);
  return new PostgresModelIndexes({ pool: c.resolve(TOKENS.pool), app: app.name, catalog: c.resolve(TOKENS.catalog), models });
};

/** In the order in which they switch: the one with transactions first, where more can be refused. */
const storesOf = (configuration: ResolvedConfiguration, addresses: Addresses, c: DependencyContainer): ReadonlyMap<StoreKind, ReadModelStore> => {
  const pool = c.resolve(TOKENS.pool);
  const stores = new Map<StoreKind, ReadModelStore>([['postgres', new PostgresReadModelStore({ pool, viewSchema: configuration.viewSchema })]]);
  return addresses.clickhouseUrl === '' ? stores : stores.set('clickhouse', clickHouseStore(c));
};

const switchesOf = (app: App, addresses: Addresses, c: DependencyContainer): ReadonlyMap<StoreKind, StoreSwitch> => {
  const of = { pool: c.resolve(TOKENS.pool), app: app.name };
  const switches = new Map<StoreKind, StoreSwitch>([['postgres', new PostgresSwitch(of)]]);
  if (addresses.clickhouseUrl === '') {
    return switches;
  }
  const clickhouse = c.resolve(TOKENS.clickhouse);
  return switches.set('clickhouse', new ClickHouseSwitch({ clickhouse, control: new PostgresSwitchControl(of), copies: clickHouseStore(c), app: app.name }));
};

const probesOf = (configuration: ResolvedConfiguration, addresses: Addresses, c: DependencyContainer): ReadonlyMap<StoreKind, StoreProbe> => {
  const probes = new Map<StoreKind, StoreProbe>([
    ['postgres', new PostgresProbe({ pool: c.resolve(TOKENS.pool), diskBytes: configuration.postgresDiskBytes, typeOf: catalogType })],
  ]);
  return addresses.clickhouseUrl === ''
    ? probes
    : probes.set('clickhouse', new ClickHouseProbe({ clickhouse: c.resolve(TOKENS.clickhouse), typeOf: columnType }));
};

const clickHouseStore = (c: DependencyContainer): ClickHouseReadModelStore =>
  new ClickHouseReadModelStore({ clickhouse: c.resolve(TOKENS.clickhouse), control: new PostgresCheckpointControl(c.resolve(TOKENS.pool)) });

/** The registry of the configuration; what its ids mean in the records of this log is held in the control schema. */
const registryOf = (app: App, configuration: ResolvedConfiguration, pool: PostgresPool): SchemaRegistry => {
  const { registryUrl: url, registryUser: user, registryPassword: password, registryToken: token, autoRegister } = configuration;
  const registry =
    url === ''
      ? new PostgresSchemaRegistry({ pool, app: app.name })
      : new ConfluentSchemaRegistry({
          url,
          ...(user === '' ? {} : { user }),
          ...(password === '' ? {} : { password }),
          ...(token === '' ? {} : { token }),
          autoRegister,
        });
  return new PinnedSchemaRegistry(registry, new PostgresSchemaPins({ pool, app: app.name, log: configuration.log }));
};

/** @throws RefoldError `config.invalid` where the log was replaced and the outbox was not */
const outboxOf = (app: App, c: DependencyContainer): Outbox => {
  const log = c.resolve(TOKENS.log);
  const shared = { pool: c.resolve(TOKENS.pool), app: app.name };
  if (log instanceof PostgresEventLog) {
    return new PostgresOutbox({ ...shared, append: (sql, records) => log.appendWithin(sql, records) });
  }
  if (log instanceof KafkaEventLog) {
    return new FencedOutbox({ ...shared, log, publisher: (incarnation) => log.fencedPublisher(`refold.${app.name}.${incarnation}`) });
  }
  throw new RefoldError('config.invalid', `no outbox publishes to a log of the kind ${log.kind}`, {
    remedy: 'Register an outbox in the container too where you replace the log.',
  });
};

/** Who decides, where nobody is named. */
export const OPERATOR = `${userInfo().username}@${hostname()}`;

const coordinatorOf = (app: App, configuration: ResolvedConfiguration, c: DependencyContainer): ReplayCoordinator => {
  const pool = c.resolve(TOKENS.pool);
  const observe = c.resolve(TOKENS.replayObserver);
  const telemetry = c.resolve(TOKENS.telemetry);
  return new TracedCoordinator({
    app: app.name,
    catalog: c.resolve(TOKENS.catalog),
    journal: new PostgresReplayJournal(pool, app.name),
    holds: new PostgresHolds(pool),
    retirements: new PostgresRetirements({ pool, app: app.name }),
    verifications: new PostgresVerifications(pool, app.name),
    checks: app.checks,
    stores: c.resolve(TOKENS.stores),
    switches: c.resolve(TOKENS.switches),
    log: c.resolve(TOKENS.log),
    definitions: app.projections,
    clock: c.resolve(TOKENS.clock),
    errata: c.resolve(TOKENS.errata),
    paces: new PostgresReplayPaces({ pool, app: app.name }),
    probes: c.resolve(TOKENS.probes),
    serde: c.resolve(TOKENS.serde),
    by: OPERATOR,
    observe: (observation) => {
      spanOfStep(observation);
      countSwitch(telemetry, observation);
      return observe(observation);
    },
    options: { retireDelayMs: durationMs(configuration.retireDelay) },
  });
};
