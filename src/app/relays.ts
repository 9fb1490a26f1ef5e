import type { DependencyContainer } from 'tsyringe';
import type { Releasers } from '../kernel/lifecycle';
import { CommandBus } from '../commands/command-bus';
import { Relay, type RelayOptions } from '../commands/relay';
import type { ResolvedConfiguration } from './configuration';
import { TOKENS } from './container';
import type { App } from './define-app';
import { tracedCommands } from './telemetry/tracing';

/** Takes commands to the aggregates of an application. */
export const commandBusOf = (app: App, container: DependencyContainer, ready: () => Promise<void>, committed: () => void): CommandBus =>
  new CommandBus({
    aggregates: app.aggregates,
    journal: container.resolve(TOKENS.journal),
    serde: container.resolve(TOKENS.serde),
    clock: container.resolve(TOKENS.clock),
    middleware: [tracedCommands(app.name), ...container.resolve(TOKENS.middleware)],
    ready,
    committed,
  });

/** The relays of a connection: woken by its commands, stopped with it. */
export const relaysOf = (app: App, configuration: ResolvedConfiguration, container: DependencyContainer, releasers: Releasers) => {
  const relays = new Set<Relay>();
  releasers.push(async () => void (await Promise.all([...relays].map((relay) => relay.close()))));
  const make = (given?: Partial<RelayOptions>): Relay => {
    const relay = new Relay({
      outbox: container.resolve(TOKENS.outbox),
      clock: container.resolve(TOKENS.clock),
      logger: container.resolve(TOKENS.logger),
      observe: container.resolve(TOKENS.telemetry).relay,
      options: { ...(configuration.relay === false ? {} : configuration.relay), ...given },
    });
    relays.add(relay);
    return relay;
  };
  const hosted = (wanted = configuration.relay !== false && (app.aggregates.length > 0 || app.reactors.length > 0)): Relay | undefined =>
    wanted ? make() : undefined;
  return { make, hosted, wake: () => relays.forEach((relay) => relay.wake()) };
};
