import type { DependencyContainer } from 'tsyringe';
import { assertMigrated } from '../platform/postgres/migrate';
import type { Relay } from '../commands/relay';
import { overflowTopicOf } from '../projections/engine/overflow';
import type { RunnerEvent } from '../projections/engine/runner-parts';
import { generationFacts, type Generation } from '../projections/generations';
import type { ReactorEffects } from '../reactors/effects';
import type { ReactorEvent } from '../reactors/observation';
import { PostgresCorrections } from '../replay/adapters/postgres/corrections';
import { WORKER_DEFAULTS, type ResolvedConfiguration, type WorkerOptions } from './configuration';
import { TOKENS } from './container';
import type { App } from './define-app';
import { mirroring } from './dead-letters';
import { RetiredGroups } from './retired-groups';
import { withFailures } from './failure-settings';
import { selecting } from './selection';
import { appTopics, warnOfLoss } from './topics';
import { Worker } from './worker';

export interface WorkerSettings {
  readonly name?: string;
  /** Names of projections and reactors to work on. @defaultValue all, unless `tags` says some */
  readonly only?: readonly string[];
  /** Work on what has one of these tags, too. */
  readonly tags?: readonly string[];
  readonly options?: Partial<WorkerOptions>;
  readonly observe?: (generation: Generation, event: RunnerEvent) => void;
  readonly observeReactor?: (reactor: string, event: ReactorEvent) => void;
  /** Whether it relays the journal too; one of all processes does, the others stand by. @defaultValue unless the configuration says `relay: false`, where the application has aggregates or reactors */
  readonly relay?: boolean;
}

/** A worker over the parts of a connected application. @throws RefoldError `config.invalid` */
export const workerOf = (
  app: App,
  configuration: ResolvedConfiguration,
  container: DependencyContainer,
  settings: WorkerSettings,
  relay: Relay | undefined,
  effects: ReactorEffects,
): Worker => {
  const chosen = selecting(settings, [...app.projections, ...app.reactors]);
  const coordinator = container.resolve(TOKENS.coordinator);
  const logger = container.resolve(TOKENS.logger);
  const corrections = new PostgresCorrections({ pool: container.resolve(TOKENS.pool), app: app.name });
  const retiredGroups = new RetiredGroups(app.name, container.resolve(TOKENS.catalog), container.resolve(TOKENS.log), container.resolve(TOKENS.clock));
  return new Worker({
    ready: async () => {
      await assertMigrated(container.resolve(TOKENS.pool));
      await warnOfLoss(container.resolve(TOKENS.log), app.events.topics(), container.resolve(TOKENS.logger));
    },
    definitions: withFailures(app.projections.filter(chosen), configuration),
    catalog: container.resolve(TOKENS.catalog),
    stores: container.resolve(TOKENS.stores),
    log: container.resolve(TOKENS.log),
    serde: container.resolve(TOKENS.serde),
    errata: container.resolve(TOKENS.errata),
    first: {
      ensure: async () => void (await coordinator.ensureFirstGenerations()),
      activate: async (generation) => {
        if ((await coordinator.activateFirst(generation)) === 'activated') {
          logger.log('info', 'built; readers see it', generationFacts(generation));
        }
      },
    },
    reactors: {
      app: app.name,
      definitions: app.reactors.filter(chosen),
      positions: container.resolve(TOKENS.reactorPositions),
      effects,
      pauses: container.resolve(TOKENS.pauses),
      observe: settings.observeReactor,
    },
    overflowTopic: configuration.overflowTopic || overflowTopicOf(app.name),
    mirror: mirroring(configuration, container),
    recoverSwitches: () => coordinator.recoverSwitches(),
    dropRetired: async () => {
      await corrections.sweep();
      const failures = await coordinator.dropRetired();
      await retiredGroups.remove();
      return failures;
    },
    partitionDecisions: container.resolve(TOKENS.partitionDecisions),
    retain: () => appTopics(container.resolve(TOKENS.log), app, container.resolve(TOKENS.clock)).retain(),
    clock: container.resolve(TOKENS.clock),
    logger,
    options: { ...WORKER_DEFAULTS, ...configuration.worker, ...settings.options },
    relay,
    name: settings.name,
    observe: settings.observe,
    telemetry: container.resolve(TOKENS.telemetry),
  });
};
