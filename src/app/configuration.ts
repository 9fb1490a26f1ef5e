import { RefoldError } from '../kernel/errors';
import { resolveOptions } from '../kernel/options';
import { RELAY_DEFAULTS, type RelayOptions } from '../commands/relay';
import { RUNNER_DEFAULTS, type RunnerOptions } from '../projections/engine/runner-parts';

export interface WorkerOptions extends RunnerOptions {
  /** How often the desired state is looked at, in milliseconds. */
  readonly pollMs: number;
  /** How often the worker says that it lives, in milliseconds. */
  readonly announceMs: number;
  /** How often in a row a failed runner is started again before the worker gives up. */
  readonly restarts: number;
}

export const WORKER_DEFAULTS: WorkerOptions = { ...RUNNER_DEFAULTS, pollMs: 250, announceMs: 1_000, restarts: 8 };

export interface Configuration {
  /** `postgres://…` of the database with control schema and read models; empty: an embedded one is started. */
  readonly postgresUrl: string;
  /** Where events lie; default `kafka` if brokers are given, else `postgres`. */
  readonly log: 'postgres' | 'kafka' | '';
  /** `host:port` each; empty with `log: 'kafka'`: an embedded broker is started. */
  readonly kafkaBrokers: readonly string[];
  /** Schema of views and tables. */
  readonly viewSchema: string;
  /** Working folder of embedded services. */
  readonly servicesFolder: string;
  readonly worker: Partial<WorkerOptions>;
  /** Settings of relays; `false`: workers host none. */
  readonly relay: Partial<RelayOptions> | false;
}

export const CONFIGURATION_DEFAULTS: Configuration = {
  postgresUrl: '',
  log: '',
  kafkaBrokers: [],
  viewSchema: 'public',
  servicesFolder: '.refold',
  worker: {},
  relay: {},
};

type Environment = Readonly<Record<string, string | undefined>>;

const fromEnvironment = (environment: Environment): Partial<Configuration> => {
  const brokers = environment['REFOLD_KAFKA_BROKERS']
    ?.split(',')
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '');
  const log = environment['REFOLD_LOG'];
  return {
    ...(environment['REFOLD_POSTGRES_URL'] ? { postgresUrl: environment['REFOLD_POSTGRES_URL'] } : {}),
    ...(brokers !== undefined && brokers.length > 0 ? { kafkaBrokers: brokers } : {}),
    ...(log ? { log: log as Configuration['log'] } : {}),
  };
};

/** Zero would fold nothing. */
const AT_LEAST_ONE: readonly string[] = ['replayBatch', 'liveBatch', 'sessionTimeoutMs', 'batch', 'leaseMs'] satisfies readonly (
  keyof WorkerOptions | keyof RelayOptions
)[];

/** All settings are numbers, from 0 or 1. */
const checkedNumbers = <T extends object>(what: string, defaults: T, given: Partial<T>): T => {
  const settings = resolveOptions(what, defaults, given);
  const least = (name: string): number => (AT_LEAST_ONE.includes(name) ? 1 : 0);
  const wrong = Object.entries(settings as Readonly<Record<string, unknown>>).find(
    ([name, value]) => typeof value !== 'number' || !Number.isFinite(value) || value < least(name),
  );
  if (wrong !== undefined) {
    const [name, value] = wrong;
    throw new RefoldError('config.invalid', `${what}: ${name} is ${JSON.stringify(value)}; it has to be a number from ${String(least(name))}`);
  }
  return settings;
};

const checked = (configuration: Configuration): Configuration => {
  const log = configuration.log || (configuration.kafkaBrokers.length > 0 ? 'kafka' : 'postgres');
  if (log !== 'postgres' && log !== 'kafka') {
    throw new RefoldError('config.invalid', `log is ${JSON.stringify(log)}; it can be 'postgres' or 'kafka'`);
  }
  if (configuration.postgresUrl !== '' && !/^postgres(ql)?:\/\//.test(configuration.postgresUrl)) {
    throw new RefoldError('config.invalid', 'the address of Postgres must begin with postgres://');
  }
  return {
    ...configuration,
    log,
    worker: checkedNumbers('worker', WORKER_DEFAULTS, configuration.worker),
    relay: configuration.relay !== false && checkedNumbers('relay', RELAY_DEFAULTS, configuration.relay),
  };
};

/**
 * One configuration: defaults < file < environment < flags. Unknown keys are refused.
 * @throws RefoldError `config.invalid`
 */
export const resolveConfiguration = (file: Partial<Configuration> = {}, environment: Environment = {}, flags: Partial<Configuration> = {}): Configuration => {
  const given = resolveOptions('configuration', CONFIGURATION_DEFAULTS, file);
  return checked(resolveOptions('configuration', { ...given, ...fromEnvironment(environment) }, flags));
};
