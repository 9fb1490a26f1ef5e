import { RefoldError } from '../kernel/errors';
import type { ProjectionDefinition } from '../projections/definition';
import { failureRules } from '../projections/failure-rules';
import type { Configuration } from './configuration';
import type { App } from './define-app';

/** @throws RefoldError `config.invalid` if settings name a projection that is not there */
export const requireKnownProjections = ({ projections }: Pick<App, 'projections'>, { failures }: Pick<Configuration, 'failures'>): void => {
  const known = projections.map(({ name }) => name);
  const unknown = Object.keys(failures).filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new RefoldError('config.invalid', `failures: there is no projection named ${unknown.join(', ')}`, { facts: { unknown, known } });
  }
};

/** The configuration counts more than the code, so that limits can be raised without a deployment. */
export const withFailures = (definitions: readonly ProjectionDefinition[], { failures }: Pick<Configuration, 'failures'>): readonly ProjectionDefinition[] =>
  definitions.map((definition) => ({ ...definition, failures: { ...definition.failures, ...failureRules(failures[definition.name]) } }));
