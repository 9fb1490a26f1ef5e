import type { DependencyContainer } from 'tsyringe';
import { Corrections } from '../events/corrections';
import { OPERATOR, TOKENS } from './container';
import type { App } from './define-app';

/** The errata of a connected application. */
export const correctionsOf = (app: App, container: DependencyContainer, ready: () => Promise<void>): Corrections => {
  const serde = container.resolve(TOKENS.serde);
  return new Corrections({
    log: container.resolve(TOKENS.log),
    serde,
    ready,
    decoder: serde.decoder(app.events.all().map((type) => type.class)),
    book: container.resolve(TOKENS.errata),
    topics: app.events.topics(),
    foreign: new Set(app.foreign.keys()),
    by: OPERATOR,
  });
};
