import type { DependencyContainer } from 'tsyringe';
import { Releasers } from '../kernel/lifecycle';
import type { Logger } from '../kernel/logger';
import { assertMigrated, migrate } from '../platform/postgres/migrate';
import type { PostgresPool } from '../platform/postgres/pool';
import type { Corrections } from '../events/corrections';
import type { EventLog } from '../events/event-log';
import type { EventMetadata, EventSerde } from '../events/event-serde';
import type { Position } from '../events/position';
import { CommandBus } from '../commands/command-bus';
import { Relay, type RelayOptions } from '../commands/relay';
import type { RunnerEvent } from '../projections/engine/runner-parts';
import { generationLabel, type Checkpoint, type Generation, type GenerationCatalog, type StoreKind } from '../projections/generations';
import type { AnyProjection } from '../projections/projection';
import { openReader, type Database, type Reader, type ReadOnly } from '../projections/adapters/postgres/reader';
import type { ReplayCoordinator } from '../replay/coordinator';
import { resolveConfiguration, WORKER_DEFAULTS, type Configuration, type ResolvedConfiguration, type WorkerOptions } from './configuration';
import { createContainer, TOKENS, type Addresses } from './container';
import { correctionsOf } from './corrections';
import { parkedOf, type ParkedEvents } from './parked';
import { caughtUp, queryModel, type CaughtUpOptions, type Written } from './reading';
import type { App } from './define-app';
import { acquireServices } from './services/services';
import { appTopics, warnOfLoss, type AppTopics } from './topics';
import { Worker } from './worker';

export type { CaughtUpOptions, Database, ReadOnly, Written };

export interface ConnectOptions {
  /** Lies over the defaults and under the environment. */
  readonly configuration?: Partial<Configuration>;
  /** Default `process.env`; pass `{}` to leave the environment out. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Default: silent. */
  readonly logger?: Logger;
  /** Replaces parts of the application before any is made; see `TOKENS`. */
  readonly configure?: (container: DependencyContainer) => void;
}

/** One generation with its checkpoints. */
export interface GenerationState {
  readonly generation: Generation;
  readonly checkpoints: readonly Checkpoint[];
}

export interface WorkerSettings {
  readonly name?: string;
  readonly options?: Partial<WorkerOptions>;
  readonly observe?: (generation: Generation, event: RunnerEvent) => void;
  /** Whether it relays the journal too; one of all processes does, the others stand by. @defaultValue unless the configuration says `relay: false`, where the application has aggregates */
  readonly relay?: boolean;
}

/** A running connection of an application to its log and stores. Close it to release everything. */
export interface ConnectedApp<P extends readonly AnyProjection[] = readonly AnyProjection[]> extends AsyncDisposable {
  readonly app: App<P>;
  readonly configuration: ResolvedConfiguration;
  /** Reads the active views, typed; before the first activation queries reject with `projection.not-active`. */
  readonly db: ReadOnly<Database<P>>;
  /** All rows of a read model, by key, in exact values; from the first store its projection names unless another is said. @throws RefoldError `projection.not-active`, `projection.unknown` */
  query<N extends keyof Database<P> & string>(model: N, options?: { readonly store?: StoreKind }): Promise<readonly Database<P>[N][]>;
  /**
   * Answers once readers of a read model see what lies at positions of the log: those that `emit` answered, or those of the
   * events of a command (by its id), wherever it is relayed.
   * @throws RefoldError `projection.behind` after the time given, `projection.not-active`, `projection.unknown`
   */
  caughtUp<N extends keyof Database<P> & string>(model: N, written: Written, options?: CaughtUpOptions): Promise<void>;
  /** Creates or upgrades the control schema, creates the topics, registers the schemas. Idempotent. Answers the names of the migrations applied. */
  migrate(): Promise<readonly string[]>;
  /** Appends events to the log, in the order given per key. @throws RefoldError `event.invalid`, `event.not-registered`, `log.*` */
  emit(events: readonly object[], metadata?: EventMetadata): Promise<readonly Position[]>;
  /** Takes commands to their aggregates. Their events are in the journal at once, and in the log as soon as a relay runs. */
  readonly commands: CommandBus;
  /** The schemas of the application's event types in its registry. */
  readonly schemas: Pick<EventSerde, 'check' | 'register'>;
  /** The topics as declared, and as they are. */
  readonly topics: AppTopics;
  /** A relay that takes events from the journal to the log once its `run` is called; `refold run` hosts one by itself. Stopped by `close`. @throws RefoldError `config.invalid` */
  relay(options?: Partial<RelayOptions>): Relay;
  /** The event log itself, to look at its topics and heads. */
  readonly log: EventLog;
  /** A worker that follows generations once its `run` is called. Stopped by `close`. */
  worker(settings?: WorkerSettings): Worker;
  /** Replays, cutovers, rollbacks. */
  readonly replays: ReplayCoordinator;
  /** What in the log is wrong, and how generations that are built from now on read it instead. */
  readonly errata: Corrections;
  /** Events that could not be folded, with the later ones of their key. */
  readonly parked: ParkedEvents;
  /** All generations with their checkpoints. */
  generations(): Promise<readonly GenerationState[]>;
  /** The parts, for tools and tests. */
  readonly container: DependencyContainer;
  close(): Promise<void>;
}

/**
 * Connects an application: to the addresses configured, else to embedded services started for it.
 * Touches neither schema nor topics: see `migrate`.
 * @throws RefoldError `config.invalid`, `service.unavailable`
 */
export const connect = async <P extends readonly AnyProjection[]>(app: App<P>, options: ConnectOptions = {}): Promise<ConnectedApp<P>> => {
  const environment = options.environment ?? process.env;
  const configuration = resolveConfiguration(options.configuration, environment);
  const releasers = new Releasers();
  try {
    const services = await acquireServices({
      folder: configuration.servicesFolder,
      want: {
        postgres: configuration.postgresUrl === '',
        kafka: configuration.log === 'kafka' && configuration.kafka.brokers.length === 0,
        clickhouse: configuration.clickhouseUrl === '' && app.projections.some(({ stores }) => stores.includes('clickhouse')),
      },
      environment: {},
    });
    releasers.push(() => services.release());
    const addresses: Addresses = {
      postgresUrl: services.postgresUrl ?? configuration.postgresUrl,
      kafkaBrokers: services.kafkaBrokers ?? configuration.kafka.brokers,
      clickhouseUrl: services.clickhouseUrl ?? configuration.clickhouseUrl,
    };
    const container = createContainer(app, configuration, addresses);
    if (options.logger !== undefined) {
      container.registerInstance(TOKENS.logger, options.logger);
    }
    options.configure?.(container);
    return assemble(app, configuration, addresses, container, releasers);
  } catch (error) {
    await releasers.close();
    throw error;
  }
};

/** What is open from the beginning, to be closed in the opposite order. */
const openParts = <P extends readonly AnyProjection[]>(
  app: App<P>,
  configuration: ResolvedConfiguration,
  { postgresUrl, clickhouseUrl }: Addresses,
  container: DependencyContainer,
  releasers: Releasers,
): { readonly pool: PostgresPool; readonly reader: Reader<Database<P>>; readonly log: EventLog } => {
  const pool = container.resolve(TOKENS.pool);
  releasers.push(() => pool.close());
  const reader = openReader<Database<P>>({ url: postgresUrl, viewSchema: configuration.viewSchema, models: app.projections.map(({ model }) => model.name) });
  releasers.push(() => reader.close());
  if (clickhouseUrl !== '') {
    releasers.push(() => container.resolve(TOKENS.clickhouse).close());
  }
  const log = container.resolve(TOKENS.log);
  releasers.push(() => log.close());
  return { pool, reader, log };
};

const assemble = <P extends readonly AnyProjection[]>(
  app: App<P>,
  configuration: ResolvedConfiguration,
  addresses: Addresses,
  container: DependencyContainer,
  releasers: Releasers,
): ConnectedApp<P> => {
  const { pool, reader, log } = openParts<P>(app, configuration, addresses, container, releasers);
  const serde = container.resolve(TOKENS.serde);
  let started: Promise<void> | undefined;
  const ready = (): Promise<void> => {
    started ??= assertMigrated(pool)
      .then(() => serde.start())
      .catch((error: unknown) => {
        started = undefined; // the next call asks again: it may have been migrated, or come back, meanwhile
        throw error;
      });
    return started;
  };
  const relays = relaysOf(app, configuration, container, releasers);
  return {
    app,
    configuration,
    db: reader.db,
    log,
    commands: commandsOf(app, container, ready, relays.wake),
    relay: relays.make,
    container,
    schemas: serde,
    topics: appTopics(log, app, container.resolve(TOKENS.clock)),
    replays: container.resolve(TOKENS.coordinator),
    errata: correctionsOf(app, container, ready),
    parked: parkedOf(app, container, ready),
    query: (model, of) => queryModel(app, configuration, container, model, of?.store),
    caughtUp: (model, written, of) => caughtUp(app, container, model, written, of),
    migrate: async () => {
      const applied = await migrate(pool);
      await log.createTopics(app.topics);
      await serde.register();
      await ready();
      return applied.map(({ number, name }) => `${String(number).padStart(4, '0')}_${name}`);
    },
    emit: async (events, metadata) => {
      await ready();
      return log.append(events.map((event) => serde.encode(event, metadata)));
    },
    generations: () => generationStates(container.resolve(TOKENS.catalog)),
    worker: (settings = {}) => {
      const worker = workerOf(app, configuration, container, settings, relays.hosted(settings.relay));
      releasers.push(() => worker.close());
      return worker;
    },
    close: () => releasers.close(),
    [Symbol.asyncDispose]: () => releasers.close(),
  };
};

const generationStates = async (catalog: GenerationCatalog): Promise<readonly GenerationState[]> =>
  Promise.all((await catalog.list()).map(async (generation) => ({ generation, checkpoints: await catalog.checkpoints(generation.id) })));

const commandsOf = (app: App, container: DependencyContainer, ready: () => Promise<void>, committed: () => void): CommandBus =>
  new CommandBus({
    aggregates: app.aggregates,
    journal: container.resolve(TOKENS.journal),
    serde: container.resolve(TOKENS.serde),
    clock: container.resolve(TOKENS.clock),
    middleware: container.resolve(TOKENS.middleware),
    ready,
    committed,
  });

/** The relays of a connection: woken by its commands, stopped with it. */
const relaysOf = (app: App, configuration: ResolvedConfiguration, container: DependencyContainer, releasers: Releasers) => {
  const relays = new Set<Relay>();
  releasers.push(async () => void (await Promise.all([...relays].map((relay) => relay.close()))));
  const make = (given?: Partial<RelayOptions>): Relay => {
    const relay = new Relay({
      outbox: container.resolve(TOKENS.outbox),
      clock: container.resolve(TOKENS.clock),
      logger: container.resolve(TOKENS.logger),
      options: { ...(configuration.relay === false ? {} : configuration.relay), ...given },
    });
    relays.add(relay);
    return relay;
  };
  const hosted = (wanted = configuration.relay !== false && app.aggregates.length > 0): Relay | undefined => (wanted ? make() : undefined);
  return { make, hosted, wake: () => relays.forEach((relay) => relay.wake()) };
};

const workerOf = (
  app: App,
  configuration: ResolvedConfiguration,
  container: DependencyContainer,
  settings: WorkerSettings,
  relay: Relay | undefined,
): Worker => {
  const coordinator = container.resolve(TOKENS.coordinator);
  const logger = container.resolve(TOKENS.logger);
  return new Worker({
    ready: async () => {
      await assertMigrated(container.resolve(TOKENS.pool));
      await warnOfLoss(container.resolve(TOKENS.log), app.events.topics(), container.resolve(TOKENS.logger));
    },
    definitions: app.projections,
    catalog: container.resolve(TOKENS.catalog),
    stores: container.resolve(TOKENS.stores),
    log: container.resolve(TOKENS.log),
    serde: container.resolve(TOKENS.serde),
    errata: container.resolve(TOKENS.errata),
    first: {
      ensure: async () => void (await coordinator.ensureFirstGenerations()),
      activate: async (generation) => {
        if ((await coordinator.activateFirst(generation)) === 'activated') {
          logger.log('info', 'built; readers see it', { generation: generationLabel(generation) });
        }
      },
    },
    dropRetired: () => coordinator.dropRetired(),
    retain: () => appTopics(container.resolve(TOKENS.log), app, container.resolve(TOKENS.clock)).retain(),
    clock: container.resolve(TOKENS.clock),
    logger,
    options: { ...WORKER_DEFAULTS, ...configuration.worker, ...settings.options },
    relay,
    name: settings.name,
    observe: settings.observe,
  });
};
