import path from 'node:path';
import { RefoldError } from '../../kernel/errors';
import { silentLogger, type Logger, type LogLevel } from '../../kernel/logger';
import { assertMigrated } from '../../platform/postgres/migrate';
import { resolveConfiguration, type Configuration } from '../configuration';
import { connect, type ConnectedApp } from '../connect';
import { TOKENS } from '../container';
import { pinoLogger } from '../pino-logger';
import { processMetrics, type MetricsRegistry } from '../telemetry/instruments';
import type { ExitCode } from './failure';
import { loadApp, type LoadedApp } from './load-app';
import { maskSecrets } from './secrets';
import type { Terminal } from './terminal';

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** The flags that every command takes; none has a default, so that file and environment show through. */
export interface Flags {
  readonly app?: string;
  readonly postgres?: string;
  readonly log?: 'postgres' | 'kafka';
  readonly brokers?: readonly string[];
  readonly clickhouse?: string;
  readonly registry?: string;
  readonly logLevel?: LogLevel;
  readonly json?: true;
}

/** What a command answers; the exit code is 0 unless it says another. */
export interface Outcome {
  readonly json: object;
  readonly text: string;
  readonly exit?: ExitCode;
}

/** A connected application with what a command needs to talk. */
export interface Session {
  readonly connected: ConnectedApp;
  /** The module of the application. */
  readonly file: string;
  readonly terminal: Terminal;
  readonly logger: Logger;
  /** Where the action asks for it. */
  readonly metrics: MetricsRegistry | undefined;
  readonly json: boolean;
}

export interface Action {
  /** Level of log lines where neither flag nor environment says one; `undefined`: none are written. */
  readonly logs?: LogLevel;
  /** False for the command that makes the control schema. Default true. */
  readonly needsSchema?: boolean;
  /** Whether what it does is counted; default false. */
  readonly metrics?: boolean;
  readonly work: (session: Session) => Promise<Outcome>;
}

/** An action that needs neither application nor services. */
export interface OfflineAction {
  readonly answer: () => Outcome;
}

export const configurationFlags = ({ postgres, log, brokers, clickhouse, registry }: Flags): Partial<Configuration> => ({
  ...(postgres === undefined ? {} : { postgresUrl: postgres }),
  ...(log === undefined ? {} : { log }),
  ...(brokers === undefined ? {} : { kafka: { brokers } }),
  ...(clickhouse === undefined ? {} : { clickhouseUrl: clickhouse }),
  ...(registry === undefined ? {} : { registryUrl: registry }),
});

const loggerOf = (flags: Flags, terminal: Terminal, usual: LogLevel | undefined): Logger => {
  const said = flags.logLevel ?? terminal.env['REFOLD_LOG_LEVEL'];
  const level = said === undefined || said === '' ? usual : (said as LogLevel);
  if (level === undefined) {
    return silentLogger;
  }
  if (!LOG_LEVELS.includes(level)) {
    throw new RefoldError('config.invalid', `REFOLD_LOG_LEVEL is ${JSON.stringify(level)}; it can be ${LOG_LEVELS.join(', ')}`);
  }
  return pinoLogger({ level, write: (line) => terminal.stderr(maskSecrets(line)) });
};

/** An action on the application as it stands in code, without services. */
export interface AppAction {
  readonly application: (loaded: LoadedApp, terminal: Terminal) => Promise<Outcome>;
}

/** An action on files alone. */
export interface FileAction {
  readonly files: (terminal: Terminal) => Promise<Outcome>;
}

export type AnyAction = Action | AppAction | FileAction | OfflineAction;

/** Loads the application, connects it, does the work and closes; an error of the work counts more than one of closing. */
export const inSession = async (flags: Flags, terminal: Terminal, action: AnyAction): Promise<Outcome> => {
  if ('answer' in action) {
    return action.answer();
  }
  if ('files' in action) {
    return action.files(terminal);
  }
  if ('application' in action) {
    return action.application(await loadApp(flags.app, terminal.cwd), terminal);
  }
  const { logs, needsSchema = true, work } = action;
  const metrics = action.metrics === true ? processMetrics() : undefined;
  const logger = loggerOf(flags, terminal, logs);
  const { app, file, configuration: fromFile } = await loadApp(flags.app, terminal.cwd);
  const configuration = resolveConfiguration(fromFile, terminal.env, configurationFlags(flags));
  const connected = await connect(app, {
    configuration: { ...configuration, servicesFolder: path.resolve(terminal.cwd, configuration.servicesFolder) },
    environment: {},
    logger,
    ...(metrics === undefined ? {} : { metrics }),
  });
  let outcome: Outcome;
  try {
    if (needsSchema) {
      await assertMigrated(connected.container.resolve(TOKENS.pool));
    }
    outcome = await work({ connected, file, terminal, logger, metrics, json: flags.json === true });
  } catch (error) {
    await connected.close().catch(() => undefined); // what the work threw says more
    throw error;
  }
  await connected.close();
  return outcome;
};
