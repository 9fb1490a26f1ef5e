import type { DependencyContainer } from 'tsyringe';
import { Releasers } from '../kernel/lifecycle';
import type { Logger } from '../kernel/logger';
import { assertMigrated, migrate, planMigrations, type MigrationPlan } from '../platform/postgres/migrate';
import type { PostgresPool } from '../platform/postgres/pool';
import type { Corrections } from '../events/corrections';
import type { EventLog } from '../events/event-log';
import type { EventMetadata, EventSerde } from '../events/event-serde';
import type { Position } from '../events/position';
import type { CommandBus } from '../commands/command-bus';
import type { Relay, RelayOptions } from '../commands/relay';
import type { Checkpoint, Generation, GenerationCatalog } from '../projections/generations';
import type { AnyProjection } from '../projections/projection';
import { openReader, type Database, type Reader, type ReadOnly } from '../projections/adapters/postgres/reader';
import { reactorEffects } from '../reactors/effects';
import type { ReplayCoordinator } from '../replay/coordinator';
import { resolveConfiguration, type Configuration, type ResolvedConfiguration } from './configuration';
import { createContainer, TOKENS, type Addresses } from './container';
import { correctionsOf } from './corrections';
import { requireKnownProjections } from './failure-settings';
import { modelCorrectionsOf, type ModelCorrections } from './model-corrections';
import { lateOf, type LateContributions } from './late';
import { parkedOf, type ParkedEvents } from './parked';
import { partitionsOf, type Partitions } from './partitions';
import { correctionObserver, harmless, type Observers } from './observing';
import { pausingOf, type Pausing } from './pausing';
import { reactorsOf, type Reactors } from './reacting';
import { caughtUp, queryModel, type CaughtUpOptions, type QueryOptions, type Written } from './reading';
import type { App } from './define-app';
import { acquireServices } from './services/services';
import { appTopics, type AppTopics } from './topics';
import { commandBusOf, relaysOf } from './relays';
import type { Worker } from './worker';
import { workerOf, type WorkerSettings } from './hosting';
import type { MetricsRegistry } from './telemetry/instruments';
import { metricsOf } from './telemetry/metrics';
import { telemetryOf } from './telemetry/telemetry';
import { tracedAppend, tracesOf } from './telemetry/tracing';

export type { MigrationPlan, CaughtUpOptions, Database, ReadOnly, WorkerSettings, Written };

export interface ConnectOptions {
  /** Lies over the defaults and under the environment. */
  readonly configuration?: Partial<Configuration>;
  /** Default `process.env`; pass `{}` to leave the environment out. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Default: silent. */
  readonly logger?: Logger;
  /** A registry of prom-client in which to count what workers and relays of this connection do. Default: nothing is counted. */
  readonly metrics?: MetricsRegistry;
  /** Told the steps of replays and corrections that this connection takes. Default: nobody. */
  readonly observe?: Observers;
  /** Replaces parts of the application before any is made; see `TOKENS`. */
  readonly configure?: (container: DependencyContainer) => void;
}

/** One generation with its checkpoints. */
export interface GenerationState {
  readonly generation: Generation;
  readonly checkpoints: readonly Checkpoint[];
}

/** A running connection of an application to its log and stores. Close it to release everything. */
export interface ConnectedApp<P extends readonly AnyProjection[] = readonly AnyProjection[]> extends AsyncDisposable {
  readonly app: App<P>;
  readonly configuration: ResolvedConfiguration;
  /** Reads the active views, typed, as the role of `readerUrl` where that is configured; before the first activation queries reject with `projection.not-active`. */
  readonly db: ReadOnly<Database<P>>;
  /**
   * Rows of a read model in exact values, the same from every store: by key and all of them unless the options say which.
   * @throws RefoldError `projection.not-active`, `projection.unknown`, `config.invalid`
   */
  query<N extends keyof Database<P> & string, K extends keyof Database<P>[N] & string = keyof Database<P>[N] & string>(
    model: N,
    options?: QueryOptions<Database<P>[N], K>,
  ): Promise<readonly Pick<Database<P>[N], K>[]>;
  /**
   * Answers once readers of a read model see what lies at positions of the log: those that `emit` answered, or those of the
   * events of a command (by its id), wherever it is relayed.
   * @throws RefoldError `projection.behind` after the time given, `projection.not-active`, `projection.unknown`
   */
  caughtUp<N extends keyof Database<P> & string>(model: N, written: Written, options?: CaughtUpOptions): Promise<void>;
  /**
   * Creates or upgrades the control schema, creates the topics, registers the schemas. Idempotent. Answers the names of the migrations applied.
   * @throws RefoldError `store.breaking-migration` while workers of before are alive, unless `breaking` is said
   */
  migrate(options?: { readonly breaking?: boolean | undefined }): Promise<readonly string[]>;
  /** What `migrate` would do to the control schema; changes nothing. */
  planMigrations(): Promise<MigrationPlan>;
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
  /** Repairs and audits of read models, and models as of a moment. */
  readonly corrections: ModelCorrections;
  /** What in the log is wrong, and how generations that are built from now on read it instead. */
  readonly errata: Corrections;
  /** Events that could not be folded, with the later ones of their key. */
  readonly parked: ParkedEvents;
  /** Contributions that came when their windows were closed. */
  readonly late: LateContributions;
  /** Decisions about partitions that were added, or have become idle. */
  readonly partitions: Partitions;
  /** Handlers with effects: how far they are, and what they could not handle. */
  readonly reactors: Reactors;
  /** What is paused: projections and reactors that no worker works on. */
  readonly pauses: Pausing;
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
  requireKnownProjections(app, configuration);
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
    const counted = options.metrics === undefined ? [] : [metricsOf(app.name, options.metrics)];
    container.registerInstance(TOKENS.telemetry, telemetryOf(tracesOf(app.name), ...counted));
    if (options.observe?.replay !== undefined) {
      container.registerInstance(TOKENS.replayObserver, harmless(container, options.observe.replay));
    }
    options.configure?.(container);
    return assemble(app, configuration, addresses, container, releasers, options.observe);
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
  const reader = openReader<Database<P>>({
    url: configuration.readerUrl || postgresUrl,
    viewSchema: configuration.viewSchema,
    models: app.projections.map(({ model }) => model.name),
  });
  releasers.push(() => reader.close());
  if (clickhouseUrl !== '') {
    releasers.push(() => container.resolve(TOKENS.clickhouse).close());
  }
  const log = container.resolve(TOKENS.log);
  releasers.push(() => log.close());
  return { pool, reader, log };
};

/** Resolves once events can be written. */
const readiness = (pool: PostgresPool, serde: EventSerde): (() => Promise<void>) => {
  let started: Promise<void> | undefined;
  return () => {
    started ??= assertMigrated(pool)
      .then(() => serde.start())
      .catch((error: unknown) => {
        started = undefined; // the next call asks again: it may have been migrated, or come back, meanwhile
        throw error;
      });
    return started;
  };
};

const assemble = <P extends readonly AnyProjection[]>(
  app: App<P>,
  configuration: ResolvedConfiguration,
  addresses: Addresses,
  container: DependencyContainer,
  releasers: Releasers,
  observe: Observers | undefined,
): ConnectedApp<P> => {
  const { pool, reader, log } = openParts<P>(app, configuration, addresses, container, releasers);
  const [serde, clock] = [container.resolve(TOKENS.serde), container.resolve(TOKENS.clock)];
  const ready = readiness(pool, serde);
  const relays = relaysOf(app, configuration, container, releasers);
  const commands = commandBusOf(app, container, ready, relays.wake);
  const journal = container.resolve(TOKENS.journal);
  const effects = reactorEffects({ commands, ready, committed: relays.wake, journal, serde, clock });
  return {
    app,
    configuration,
    db: reader.db,
    log,
    commands,
    relay: relays.make,
    container,
    schemas: serde,
    topics: appTopics(log, app, clock),
    replays: container.resolve(TOKENS.coordinator),
    corrections: modelCorrectionsOf(app, container, ready, correctionObserver(container, observe)),
    errata: correctionsOf(app, container, ready),
    late: lateOf(app, container, ready),
    parked: parkedOf(app, container, ready),
    partitions: partitionsOf(container, ready),
    pauses: pausingOf(app, container),
    reactors: reactorsOf(app, container),
    query: (model, of) => queryModel(app, configuration, container, model, of as QueryOptions<Database<P>[typeof model]>),
    caughtUp: (model, written, of) => caughtUp(app, container, model, written, of),
    planMigrations: () => planMigrations(pool),
    migrate: async ({ breaking } = {}) => {
      const applied = await migrate(pool, { breaking });
      await log.createTopics(app.topics);
      await serde.register();
      await ready();
      return applied.map(({ number, name }) => `${String(number).padStart(4, '0')}_${name}`);
    },
    emit: async (events, metadata) => {
      await ready();
      return tracedAppend(app.name, events.length, () => log.append(events.map((event) => serde.encode(event, metadata))));
    },
    generations: () => generationStates(container.resolve(TOKENS.catalog)),
    worker: (settings = {}) => {
      const worker = workerOf(app, configuration, container, settings, relays.hosted(settings.relay), effects);
      releasers.push(() => worker.close());
      return worker;
    },
    ...closing(releasers),
  };
};

const closing = (releasers: Releasers): Pick<ConnectedApp, 'close' | typeof Symbol.asyncDispose> => ({
  close: () => releasers.close(),
  [Symbol.asyncDispose]: () => releasers.close(),
});

const generationStates = async (catalog: GenerationCatalog): Promise<readonly GenerationState[]> =>
  Promise.all((await catalog.list()).map(async (generation) => ({ generation, checkpoints: await catalog.checkpoints(generation.id) })));
