import { RefoldError } from '../kernel/errors';
import { resolveOptions } from '../kernel/options';
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
  /** `http://user:password@host:8123` or `https://…` of ClickHouse; empty: an embedded one is started if a projection is stored there. */
  readonly clickhouseUrl: string;
  /** Schema of views and tables. */
  readonly viewSchema: string;
  /** Working folder of embedded services. */
  readonly servicesFolder: string;
  readonly worker: Partial<WorkerOptions>;
}

export const CONFIGURATION_DEFAULTS: Configuration = {
  postgresUrl: '',
  log: '',
  kafkaBrokers: [],
  clickhouseUrl: '',
  viewSchema: 'public',
  servicesFolder: '.refold',
  worker: {},
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
    ...(environment['REFOLD_CLICKHOUSE_URL'] ? { clickhouseUrl: environment['REFOLD_CLICKHOUSE_URL'] } : {}),
    ...(log ? { log: log as Configuration['log'] } : {}),
  };
};

/** Zero would fold nothing. */
const AT_LEAST_ONE: readonly string[] = ['replayBatch', 'liveBatch', 'sessionTimeoutMs'] satisfies readonly (keyof WorkerOptions)[];

const checkedWorker = (given: Partial<WorkerOptions>): WorkerOptions => {
  const worker = resolveOptions('worker', WORKER_DEFAULTS, given);
  const wrong = Object.entries<unknown>({ ...worker }).find(([name, value]) => {
    const least = AT_LEAST_ONE.includes(name) ? 1 : 0;
    return typeof value !== 'number' || !Number.isFinite(value) || value < least;
  });
  if (wrong !== undefined) {
    const [name, value] = wrong;
    throw new RefoldError(
      'config.invalid',
      `worker: ${name} is ${JSON.stringify(value)}; it has to be a number from ${AT_LEAST_ONE.includes(name) ? '1' : '0'}`,
    );
  }
  return worker;
};

const checked = (configuration: Configuration): Configuration => {
  const log = configuration.log || (configuration.kafkaBrokers.length > 0 ? 'kafka' : 'postgres');
  if (log !== 'postgres' && log !== 'kafka') {
    throw new RefoldError('config.invalid', `log is ${JSON.stringify(log)}; it can be 'postgres' or 'kafka'`);
  }
  if (configuration.postgresUrl !== '' && !/^postgres(ql)?:\/\//.test(configuration.postgresUrl)) {
    throw new RefoldError('config.invalid', 'the address of Postgres must begin with postgres://');
  }
  if (configuration.clickhouseUrl !== '' && !/^https?:\/\//.test(configuration.clickhouseUrl)) {
    throw new RefoldError('config.invalid', 'the address of ClickHouse must begin with http:// or https://');
  }
  return { ...configuration, log, worker: checkedWorker(configuration.worker) };
};

/**
 * One configuration: defaults < file < environment < flags. Unknown keys are refused.
 * @throws RefoldError `config.invalid`
 */
export const resolveConfiguration = (file: Partial<Configuration> = {}, environment: Environment = {}, flags: Partial<Configuration> = {}): Configuration => {
  const given = resolveOptions('configuration', CONFIGURATION_DEFAULTS, file);
  return checked(resolveOptions('configuration', { ...given, ...fromEnvironment(environment) }, flags));
};
