import { RefoldError } from './errors';

/**
 * Lays what a user gave over the defaults. Unknown keys are refused, `undefined` counts as not given.
 * @throws RefoldError `config.invalid` with the unknown keys and the known ones.
 */
export const resolveOptions = <T extends object>(what: string, defaults: T, given: Partial<T> = {}): T => {
  const unknown = Object.keys(given).filter((key) => !Object.hasOwn(defaults, key));
  if (unknown.length > 0) {
    throw new RefoldError('config.invalid', `${what}: unknown option ${unknown.join(', ')}; known are ${Object.keys(defaults).join(', ')}`);
  }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { ...defaults, ...set };
};
