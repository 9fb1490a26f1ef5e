import type { DependencyContainer } from 'tsyringe';
import { RefoldError } from '../kernel/errors';
import { projectionKey } from '../projections/definition';
import type { RedriveParts } from '../projections/engine/redrive';
import { assertSameDefinition } from '../projections/engine/same-definition';
import { generationLabel, type Generation } from '../projections/generations';
import { TOKENS } from './container';
import type { App } from './define-app';

/** What folds events of a generation beside its worker. @throws RefoldError `projection.unknown`, `generation.definition-changed` */
export const foldingParts = (app: App, container: DependencyContainer, generation: Generation): RedriveParts => {
  const definition = app.projections.find((one) => projectionKey(one) === projectionKey({ name: generation.projection, version: generation.version }));
  const store = container.resolve(TOKENS.stores).get(generation.store);
  if (definition === undefined || store === undefined) {
    throw new RefoldError('projection.unknown', `the code of ${generationLabel(generation)} is not in this application`, {
      facts: { projection: generation.projection, version: generation.version },
    });
  }
  assertSameDefinition(generation, definition);
  const serde = container.resolve(TOKENS.serde);
  return {
    generation,
    definition,
    store,
    log: container.resolve(TOKENS.log),
    decoder: serde.decoder(definition.events, definition.reading),
    errata: container.resolve(TOKENS.errata),
    clock: container.resolve(TOKENS.clock),
  };
};
