import type { DependencyContainer } from 'tsyringe';
import { Releasers } from '../kernel/lifecycle';
import type { Logger } from '../kernel/logger';
import { assertMigrated, migrate } from '../platform/postgres/migrate';
import type { EventLog } from '../events/event-log';
import type { EventMetadata } from '../events/event-serde';
import type { Position } from '../events/position';
import { CommandBus } from '../commands/command-bus';
import { Relay, type RelayOptions } from '../commands/relay';
import type { RunnerEvent } from '../projections/engine/runner-parts';
import type { Checkpoint, Generation } from '../projections/generations';
import type { AnyProjection } from '../projections/projection';
import { openReader, readView, type Database, type ReadOnly } from '../projections/adapters/postgres/reader';
import type { ReplayCoordinator } from '../replay/coordinator';
import { RefoldError } from '../kernel/errors';
import { resolveConfiguration, WORKER_DEFAULTS, type Configuration, type WorkerOptions } from './configuration';
import { createContainer, TOKENS } from './container';
import type { App } from './define-app';
import { acquireServices } from './services/services';
import { Worker } from './worker';

export type { Database, ReadOnly };

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
}

/** A running connection of an application to its log and stores. Close it to release everything. */
export interface ConnectedApp<P extends readonly AnyProjection[] = readonly AnyProjection[]> extends AsyncDisposable {
  readonly app: App<P>;
  readonly configuration: Configuration;
  /** Reads the active views, typed; before the first activation queries reject with `projection.not-active`. */
  readonly db: ReadOnly<Database<P>>;
  /** All rows of a read model, by key, in exact values. @throws RefoldError `projection.not-active`, `projection.unknown` */
  query<N extends keyof Database<P> & string>(model: N): Promise<readonly Database<P>[N][]>;
  /** Creates or upgrades the control schema, creates the topics, registers the schemas. Idempotent. Answers the names of the migrations applied. */
  migrate(): Promise<readonly string[]>;
  /** Appends events to the log, in the order given per key. @throws RefoldError `event.invalid`, `event.not-registered`, `log.*` */
  emit(events: readonly object[], metadata?: EventMetadata): Promise<readonly Position[]>;
  /** Takes commands to their aggregates. Their events are in the journal at once, and in the log as soon as a relay runs. */
  readonly commands: CommandBus;
  /** A relay that takes events from the journal to the log once its `run` is called. @throws RefoldError `relay.log-unsupported` */
  relay(options?: Partial<RelayOptions>): Relay;
  /** The event log itself, to look at its topics and heads. */
  readonly log: EventLog;
  /** A worker that follows generations once its `run` is called. */
  worker(settings?: WorkerSettings): Worker;
  /** Replays, cutovers, rollbacks. */
  readonly replays: ReplayCoordinator;
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
        kafka: configuration.log === 'kafka' && configuration.kafkaBrokers.length === 0,
        clickhouse: configuration.clickhouseUrl === '' && app.projections.some(({ stores }) => stores.includes('clickhouse')),
      },
      environment: {},
    });
    releasers.push(() => services.release());
    const postgresUrl = services.postgresUrl ?? configuration.postgresUrl;
    const kafkaBrokers = services.kafkaBrokers ?? configuration.kafkaBrokers;
    const clickhouseUrl = services.clickhouseUrl ?? configuration.clickhouseUrl;
    const container = createContainer(app, configuration, { postgresUrl, kafkaBrokers, clickhouseUrl });
    if (options.logger !== undefined) {
      container.registerInstance(TOKENS.logger, options.logger);
    }
    options.configure?.(container);
    return assemble(app, configuration, postgresUrl, container, releasers);
  } catch (error) {
    await releasers.close();
    throw error;
  }
};

const assemble = <P extends readonly AnyProjection[]>(
  app: App<P>,
  configuration: Configuration,
  postgresUrl: string,
  container: DependencyContainer,
  releasers: Releasers,
): ConnectedApp<P> => {
  const pool = container.resolve(TOKENS.pool);
  releasers.push(() => pool.close());
  const reader = openReader<Database<P>>({ url: postgresUrl, viewSchema: configuration.viewSchema, models: app.projections.map(({ model }) => model.name) });
  releasers.push(() => reader.close());
  const log = container.resolve(TOKENS.log);
  releasers.push(() => log.close());
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
  const relays = new Set<Relay>();
  return {
    app,
    configuration,
    db: reader.db,
    log,
    commands: commandsOf(app, container, ready, () => relays.forEach((relay) => relay.wake())),
    relay: (given) => {
      const relay = relayOf(container, given);
      relays.add(relay);
      return relay;
    },
    container,
    replays: container.resolve(TOKENS.coordinator),
    query: (model) => queryModel(app, configuration, container, model),
    migrate: async () => {
      const applied = await migrate(pool);
      await log.createTopics(app.topics);
      await ready();
      return applied.map(({ number, name }) => `${String(number).padStart(4, '0')}_${name}`);
    },
    emit: async (events, metadata) => {
      await ready();
      return log.append(events.map((event) => serde.encode(event, metadata)));
    },
    worker: (settings = {}) => workerOf(app, configuration, container, settings),
    generations: async () => {
      const catalog = container.resolve(TOKENS.catalog);
      const generations = await catalog.list();
      return Promise.all(generations.map(async (generation) => ({ generation, checkpoints: await catalog.checkpoints(generation.id) })));
    },
    close: () => releasers.close(),
    [Symbol.asyncDispose]: () => releasers.close(),
  };
};

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

const relayOf = (container: DependencyContainer, options: Partial<RelayOptions> | undefined): Relay =>
  new Relay({
    outbox: container.resolve(TOKENS.outbox),
    clock: container.resolve(TOKENS.clock),
    logger: container.resolve(TOKENS.logger),
    ...(options === undefined ? {} : { options }),
  });

const queryModel = async <P extends readonly AnyProjection[], N extends keyof Database<P> & string>(
  app: App<P>,
  configuration: Configuration,
  container: DependencyContainer,
  name: N,
): Promise<readonly Database<P>[N][]> => {
  const model = app.projections.filter((definition) => definition.model.name === name).at(-1)?.model;
  if (model === undefined) {
    throw new RefoldError('projection.unknown', `no projection fills a read model named ${name}`);
  }
  return (await readView(container.resolve(TOKENS.pool), configuration.viewSchema, model)) as unknown as readonly Database<P>[N][];
};

const workerOf = (app: App, configuration: Configuration, container: DependencyContainer, settings: WorkerSettings): Worker => {
  const coordinator = container.resolve(TOKENS.coordinator);
  return new Worker({
    ready: () => assertMigrated(container.resolve(TOKENS.pool)),
    definitions: app.projections,
    catalog: container.resolve(TOKENS.catalog),
    stores: container.resolve(TOKENS.stores),
    log: container.resolve(TOKENS.log),
    serde: container.resolve(TOKENS.serde),
    first: {
      ensure: async () => void (await coordinator.ensureFirstGenerations()),
      activate: async (generation) => void (await coordinator.activateFirst(generation)),
    },
    clock: container.resolve(TOKENS.clock),
    logger: container.resolve(TOKENS.logger),
    options: { ...WORKER_DEFAULTS, ...configuration.worker, ...settings.options },
    name: settings.name,
    observe: settings.observe,
  });
};
