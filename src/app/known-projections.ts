import type { DependencyContainer } from 'tsyringe';
import { RefoldError } from '../kernel/errors';
import { TOKENS } from './container';
import type { App } from './define-app';

/** Names of the projections in code, and of those that older code has built. */
export const knownProjections = async (app: App, container: DependencyContainer): Promise<readonly string[]> => {
  const built = await container.resolve(TOKENS.catalog).list();
  return [...new Set([...app.projections.map(({ name }) => name), ...built.map(({ projection }) => projection)])];
};

/** Whoever mistypes a name is not told that nothing is there. @throws RefoldError `projection.unknown` */
export const requireKnownProjection = async (app: App, container: DependencyContainer, projection: string | undefined): Promise<void> => {
  if (projection === undefined) {
    return;
  }
  const known = await knownProjections(app, container);
  if (!known.includes(projection)) {
    throw new RefoldError('projection.unknown', `there is no projection named ${projection}`, { facts: { projection, known } });
  }
};
