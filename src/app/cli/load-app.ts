import { existsSync } from 'node:fs';
import path from 'node:path';
import { types } from 'node:util';
import { createJiti } from 'jiti';
import { RefoldError, isRefoldError, messageOf } from '../../kernel/errors';
import type { Configuration } from '../configuration';
import type { App } from '../define-app';

/** Looked for in this order where --app is not given. */
export const APP_FILES: readonly string[] = ['refold.config.ts', 'refold.config.js'];

export interface LoadedApp {
  readonly app: App;
  /** What the module says beside `app`. */
  readonly configuration: Partial<Configuration>;
  readonly file: string;
}

/**
 * The package as the application imports it must be the one that runs the command, else classes like Decimal exist twice.
 * The same two folders up in `src` and in `dist`.
 */
const ours = (entry: string): string => path.join(__dirname, '..', '..', `${entry}${path.extname(__filename)}`);
const OURSELVES = { refold: ours('index'), 'refold/testing': ours('testing') };

const findFile = (given: string | undefined, cwd: string): string => {
  const candidates = given === undefined ? APP_FILES : [given];
  const found = candidates.map((file) => path.resolve(cwd, file)).find((file) => existsSync(file));
  if (found === undefined) {
    throw new RefoldError('config.app-not-found', given === undefined ? 'there is no application module here' : 'the application module does not exist', {
      facts: { folder: cwd, file: candidates },
    });
  }
  return found;
};

/** The line of the user's code that threw, where the stack has one. */
const placeOf = (error: unknown): string | undefined => {
  const frames = types.isNativeError(error) ? (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)) : [];
  return frames
    .find((line) => !/node_modules|node:|\(<anonymous>\)/.test(line))
    ?.trim()
    .replace(/^at /, '');
};

const importDefault = async (file: string): Promise<unknown> => {
  const jiti = createJiti(file, { alias: OURSELVES });
  try {
    return await jiti.import(file, { default: true });
  } catch (error) {
    if (isRefoldError(error)) {
      throw error;
    }
    const message = types.isNativeError(error) ? error.message : messageOf(error); // also of another realm, where instanceof says no
    throw new RefoldError('config.app-failed', `the application module threw: ${message.split('\nRequire stack')[0] ?? ''}`, {
      facts: { file, at: placeOf(error) },
      cause: error,
    });
  }
};

const isApp = (value: unknown): value is App =>
  typeof value === 'object' && value !== null && 'name' in value && 'events' in value && 'projections' in value && 'topics' in value;

/**
 * Loads the module of an application, TypeScript with decorators included: default export `{ app, ...configuration }`.
 * @throws RefoldError `config.app-not-found`, `config.app-failed`, and what `defineApp` says
 */
export const loadApp = async (given: string | undefined, cwd: string): Promise<LoadedApp> => {
  const file = findFile(given, cwd);
  const exported = await importDefault(file);
  const { app, ...configuration } = (typeof exported === 'object' && exported !== null ? exported : {}) as { readonly app?: unknown };
  if (!isApp(app)) {
    throw new RefoldError('config.app-not-found', 'the module does not export an application: its default export has to be { app: defineApp(...) }', {
      facts: { file },
    });
  }
  return { app, configuration, file };
};
