import { durationMs, type Duration } from '../kernel/duration';
import { RefoldError, isRefoldError } from '../kernel/errors';
import { resolveOptions } from '../kernel/options';
import { ONE_SERVER, type Topology } from '../platform/clickhouse/topology';
import { checkedKafka, kafkaFromEnvironment, type KafkaSettings } from './kafka-settings';
import { RELAY_DEFAULTS, type RelayOptions } from '../commands/relay';
import type { HandlerChecks } from '../projections/engine/watched-handlers';
import { choiceFaults, failureFaults, type Failures } from '../projections/failure-rules';
import { RUNNER_DEFAULTS, type RunnerOptions } from '../projections/engine/runner-parts';
import { requireDelay } from '../replay/retire';

export interface WorkerOptions extends RunnerOptions {
  /** What becomes of handlers that ask a clock or chance, or change what they are given; `off` costs nothing. @defaultValue `warn` where NODE_ENV is development or test */
  readonly checkHandlers: HandlerChecks;
  /** How often the desired state is looked at, in milliseconds. */
  readonly pollMs: number;
  /** How often the worker says that it lives, in milliseconds. */
  readonly announceMs: number;
  /** How long a worker that starts waits for a database that cannot be reached or is starting up, in milliseconds. */
  readonly startMs: number;
  /** How often records older than the retention of their topic are deleted, in milliseconds; Kafka does so by itself. */
  readonly retainEveryMs: number;
  /** After so long without a record, in milliseconds, a partition does not hold back final windows any more; 0: it does for ever. */
  readonly idlePartitionMs: number;
  /** How often in a row a failed runner is started again before the worker gives up. */
  readonly restarts: number;
  /** A worker that heard nothing of log or database for so long, in milliseconds, does not count as alive. */
  readonly silenceMs: number;
  /** How often the log is asked for its heads, which tell the lag, in milliseconds. */
  readonly headsEveryMs: number;
  /** Records that what readers see may lie behind the log for the worker to count as ready. */
  readonly readyLag: number;
}

export const WORKER_DEFAULTS: WorkerOptions = {
  ...RUNNER_DEFAULTS,
  checkHandlers: 'off',
  pollMs: 250,
  announceMs: 1_000,
  startMs: 60_000,
  retainEveryMs: 60_000,
  idlePartitionMs: 0,
  restarts: 8,
  silenceMs: 120_000,
  headsEveryMs: 2_000,
  readyLag: 1_000,
};

export interface Configuration {
  /** `postgres://…` of the database with control schema and read models; empty: an embedded one is started. */
  readonly postgresUrl: string;
  /** `postgres://…` of the same database as a role that may only read the views; for `db` alone. Empty: as `postgresUrl`. */
  readonly readerUrl: string;
  /** Where events lie; default `kafka` if brokers are given, else `postgres`. */
  readonly log: 'postgres' | 'kafka' | '';
  /** How to reach Kafka. */
  readonly kafka: Partial<KafkaSettings>;
  /** `http://user:password@host:8123/database` or `https://…` of ClickHouse, where the database exists; empty: an embedded one is started if a projection is stored there. */
  readonly clickhouseUrl: string;
  /** Whether tables in ClickHouse are replicated, and on the servers of which cluster they are made. */
  readonly clickhouse: Partial<Topology>;
  /** `http(s)://…` of a registry with the Confluent API, with its path; may carry user and password. Empty: schemas lie in Postgres. */
  readonly registryUrl: string;
  /** Counts more than what the URL says; so does the password. */
  readonly registryUser: string;
  readonly registryPassword: string;
  /** Sent as `Bearer` instead of user and password; a function is asked before every request, since tokens expire. */
  readonly registryToken: string | (() => string | Promise<string>);
  /** Whether applications register their schemas there when they start, and not by command alone. The one in Postgres is registered in by itself. */
  readonly autoRegister: boolean;
  /** Schema of views and tables. */
  readonly viewSchema: string;
  /** Working folder of embedded services. */
  readonly servicesFolder: string;
  /** How long the tables of a retired generation stay, e.g. `'1 day'` or milliseconds. */
  readonly retireDelay: Duration;
  /** Size of the disk that holds the database, in bytes: Postgres does not tell, and a replay is refused where it would not fit. 0: unknown. */
  readonly postgresDiskBytes: number;
  readonly worker: Partial<WorkerOptions>;
  /** What becomes of events that cannot be folded, by name of a projection; counts more than what projection and worker say. */
  readonly failures: Readonly<Record<string, Failures>>;
  /** Topic for parked events beyond the limits where they overflow to a topic; empty: `<app>.overflow`. It is made when it is needed first. */
  readonly overflowTopic: string;
  /** Topic to which workers write what is parked, for tools that read such topics; empty: none. It is made when it is needed first. */
  readonly deadLetterTopic: string;
  /** Settings of relays; `false`: workers host none. */
  readonly relay: Partial<RelayOptions> | false;
}

export const CONFIGURATION_DEFAULTS: Configuration = {
  postgresUrl: '',
  readerUrl: '',
  log: '',
  kafka: {},
  clickhouseUrl: '',
  clickhouse: {},
  registryUrl: '',
  registryUser: '',
  registryPassword: '',
  registryToken: '',
  autoRegister: false,
  viewSchema: 'public',
  servicesFolder: '.refold',
  retireDelay: '1 day',
  postgresDiskBytes: 0,
  worker: {},
  failures: {},
  overflowTopic: '',
  deadLetterTopic: '',
  relay: {},
};

/** A configuration with every default filled in. */
export interface ResolvedConfiguration extends Configuration {
  readonly kafka: KafkaSettings;
  readonly clickhouse: Topology;
}

type Environment = Readonly<Record<string, string | undefined>>;

const fromEnvironment = (environment: Environment): Partial<Configuration> => {
  const log = environment['REFOLD_LOG'];
  return {
    ...(environment['REFOLD_POSTGRES_URL'] ? { postgresUrl: environment['REFOLD_POSTGRES_URL'] } : {}),
    ...(environment['REFOLD_READER_URL'] ? { readerUrl: environment['REFOLD_READER_URL'] } : {}),
    ...(environment['REFOLD_CLICKHOUSE_URL'] ? { clickhouseUrl: environment['REFOLD_CLICKHOUSE_URL'] } : {}),
    ...(log ? { log: log as Configuration['log'] } : {}),
    ...(environment['REFOLD_REGISTRY_URL'] ? { registryUrl: environment['REFOLD_REGISTRY_URL'] } : {}),
    ...(environment['REFOLD_REGISTRY_USER'] ? { registryUser: environment['REFOLD_REGISTRY_USER'] } : {}),
    ...(environment['REFOLD_REGISTRY_PASSWORD'] ? { registryPassword: environment['REFOLD_REGISTRY_PASSWORD'] } : {}),
    ...(environment['REFOLD_REGISTRY_TOKEN'] ? { registryToken: environment['REFOLD_REGISTRY_TOKEN'] } : {}),
  };
};

/** Zero would fold nothing. */
const AT_LEAST_ONE: readonly string[] = [
  'replayBatch',
  'liveBatch',
  'sessionTimeoutMs',
  'batch',
  'leaseMs',
  'retainEveryMs',
  'headsEveryMs',
] satisfies readonly (keyof WorkerOptions | keyof RelayOptions)[];

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

/** Whoever writes handlers hears of it; whoever runs them pays nothing. */
const checksFor = ({ NODE_ENV }: Environment): HandlerChecks => (NODE_ENV === 'development' || NODE_ENV === 'test' ? 'warn' : WORKER_DEFAULTS.checkHandlers);

const HANDLER_CHECKS: readonly string[] = ['off', 'warn', 'refuse'];

const checkedWorker = (worker: Partial<WorkerOptions>, environment: Environment): WorkerOptions => {
  const { failures = WORKER_DEFAULTS.failures, overflow = WORKER_DEFAULTS.overflow, checkHandlers = checksFor(environment), ...given } = worker;
  const checks = HANDLER_CHECKS.includes(checkHandlers) ? [] : [`checkHandlers is ${JSON.stringify(checkHandlers)}; it can be ${HANDLER_CHECKS.join(', ')}`];
  const [wrong] = [...choiceFaults({ failures, overflow }), ...checks];
  if (wrong !== undefined) {
    throw new RefoldError('config.invalid', `worker: ${wrong}`);
  }
  const { failures: _, overflow: __, checkHandlers: ___, ...numbers } = WORKER_DEFAULTS;
  return { ...checkedNumbers<Omit<WorkerOptions, 'failures' | 'overflow' | 'checkHandlers'>>('worker', numbers, given), failures, overflow, checkHandlers };
};

const requireFailures = (failures: Configuration['failures']): void => {
  for (const [name, given] of Object.entries(failures)) {
    const [wrong] = failureFaults(given);
    if (wrong !== undefined) {
      throw new RefoldError('config.invalid', `failures of ${name}: ${wrong}`);
    }
  }
};

const requireRetireDelay = (delay: Duration): void => {
  try {
    requireDelay(durationMs(delay));
  } catch (error) {
    throw isRefoldError(error, 'duration.invalid') ? new RefoldError('config.invalid', `retireDelay: ${error.message}`, { cause: error }) : error;
  }
};

const checkedTopology = ({ clickhouse, clickhouseUrl }: Configuration): Topology => {
  const topology = resolveOptions('clickhouse', ONE_SERVER, clickhouse);
  if (typeof topology.cluster !== 'string' || typeof topology.replicated !== 'boolean') {
    throw new RefoldError('config.invalid', 'clickhouse: cluster has to be the name of a cluster, replicated true or false');
  }
  if (topology.cluster !== '' && !topology.replicated) {
    throw new RefoldError(
      'config.invalid',
      'clickhouse: on the servers of a cluster tables have to be replicated, else each would hold what was inserted there',
    );
  }
  if (topology.replicated && clickhouseUrl === '') {
    throw new RefoldError('config.invalid', 'clickhouse: replicated is given and no address; an embedded one has nobody to replicate to');
  }
  return topology;
};

const checked = (configuration: Configuration, environment: Environment): ResolvedConfiguration => {
  const kafka = checkedKafka(configuration.kafka);
  const log = configuration.log || (kafka.brokers.length > 0 ? 'kafka' : 'postgres');
  if (log !== 'postgres' && log !== 'kafka') {
    throw new RefoldError('config.invalid', `log is ${JSON.stringify(log)}; it can be 'postgres' or 'kafka'`);
  }
  if (log === 'kafka' && kafka.brokers.length === 0 && (kafka.ssl !== false || kafka.sasl !== null)) {
    throw new RefoldError('config.invalid', 'kafka: ssl and sasl are given and no brokers; an embedded broker has neither');
  }
  if (configuration.postgresUrl !== '' && !/^postgres(ql)?:\/\//.test(configuration.postgresUrl)) {
    throw new RefoldError('config.invalid', 'the address of Postgres must begin with postgres://');
  }
  if (configuration.readerUrl !== '' && !/^postgres(ql)?:\/\//.test(configuration.readerUrl)) {
    throw new RefoldError('config.invalid', 'the address of the reader must begin with postgres://');
  }
  if (configuration.clickhouseUrl !== '' && !(/^https?:\/\//.test(configuration.clickhouseUrl) && URL.canParse(configuration.clickhouseUrl))) {
    throw new RefoldError('config.invalid', 'the address of ClickHouse must be a URL that begins with http:// or https://');
  }
  const clickhouse = checkedTopology(configuration);
  requireRetireDelay(configuration.retireDelay);
  if (!Number.isSafeInteger(configuration.postgresDiskBytes) || configuration.postgresDiskBytes < 0) {
    throw new RefoldError(
      'config.invalid',
      `postgresDiskBytes is ${JSON.stringify(configuration.postgresDiskBytes)}; it has to be a number of bytes, 0: unknown`,
    );
  }
  requireFailures(configuration.failures);
  if (configuration.registryToken !== '' && (configuration.registryUser !== '' || configuration.registryPassword !== '')) {
    throw new RefoldError('config.invalid', 'the schema registry is given a token and a user or password; it can be one of both');
  }
  if (typeof configuration.autoRegister !== 'boolean') {
    throw new RefoldError('config.invalid', `autoRegister is ${JSON.stringify(configuration.autoRegister)}; it can be true or false`);
  }
  if (configuration.registryUrl !== '' && (!/^https?:\/\//.test(configuration.registryUrl) || !URL.canParse(configuration.registryUrl))) {
    throw new RefoldError('config.invalid', 'the address of the schema registry must be a URL that begins with http:// or https://');
  }
  return {
    ...configuration,
    log,
    kafka,
    clickhouse,
    worker: checkedWorker(configuration.worker, environment),
    relay: configuration.relay !== false && checkedNumbers('relay', RELAY_DEFAULTS, configuration.relay),
  };
};

/**
 * One configuration: defaults < file < environment < flags. Unknown keys are refused.
 * @throws RefoldError `config.invalid`
 */
export const resolveConfiguration = (
  file: Partial<Configuration> = {},
  environment: Environment = {},
  flags: Partial<Configuration> = {},
): ResolvedConfiguration => {
  const given = resolveOptions('configuration', CONFIGURATION_DEFAULTS, file);
  const kafka = { ...kafkaFromEnvironment(given.kafka, environment), ...flags.kafka };
  return checked({ ...resolveOptions('configuration', { ...given, ...fromEnvironment(environment) }, flags), kafka }, environment);
};
