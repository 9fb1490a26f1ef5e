import path from 'node:path';
import { resolveOptions } from '../../kernel/options';
import { connectServices } from './connection';

export interface ServiceOptions {
  /** Working folder of the embedded services; default `.refold` in the working directory. */
  readonly folder: string;
  readonly want: { readonly postgres?: boolean; readonly kafka?: boolean; readonly clickhouse?: boolean };
  /** Where `REFOLD_POSTGRES_URL`, `REFOLD_KAFKA_BROKERS` and `REFOLD_CLICKHOUSE_URL` are looked up; default `process.env`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Begin with empty data; refused while another process uses the service. Default false. */
  readonly fresh: boolean;
  /** Remove the whole folder when the services stop; for tests. Default false. */
  readonly ephemeral: boolean;
  /** False trades safety against power failures for speed; for tests. Default true. */
  readonly durable: boolean;
}

export interface AcquiredServices {
  /** Present where it was wanted. Holds the password: not to be logged. */
  readonly postgresUrl?: string;
  /** Present where it was wanted: `host:port` each. */
  readonly kafkaBrokers?: readonly string[];
  /** Present where it was wanted. Holds the password: not to be logged. */
  readonly clickhouseUrl?: string;
  /** `environment` where every address came from there; `local` where at least one service runs embedded. */
  readonly source: 'environment' | 'container' | 'local';
  /** Gives the services back. Embedded ones stop when nobody uses them any more; the last to release them waits for that. */
  release(): Promise<void>;
}

const present = (text: string | undefined): string | undefined => (text === undefined || text.trim() === '' ? undefined : text.trim());

/** Broker addresses out of a list with commas. */
export const brokersOf = (text: string | undefined): readonly string[] | undefined => {
  const brokers = (text ?? '')
    .split(',')
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '');
  return brokers.length === 0 ? undefined : brokers;
};

/**
 * The services an application needs: those whose address is in the environment as they are, the others started on this
 * machine and shared by all processes that use the same folder. They stop when the last of these processes has ended,
 * however it ended.
 * @throws RefoldError `service.unavailable`; `config.invalid` for an unknown option
 */
export const acquireServices = async (given: Partial<ServiceOptions> & Pick<ServiceOptions, 'want'>): Promise<AcquiredServices> => {
  const defaults: ServiceOptions = { folder: '.refold', want: {}, environment: process.env, fresh: false, ephemeral: false, durable: true };
  const { folder, want, environment, ...data } = resolveOptions<ServiceOptions>('services', defaults, given);
  const fromEnvironment = {
    postgresUrl: want.postgres === true ? present(environment['REFOLD_POSTGRES_URL']) : undefined,
    kafkaBrokers: want.kafka === true ? brokersOf(environment['REFOLD_KAFKA_BROKERS']) : undefined,
    clickhouseUrl: want.clickhouse === true ? present(environment['REFOLD_CLICKHOUSE_URL']) : undefined,
  };
  const local = {
    postgres: want.postgres === true && fromEnvironment.postgresUrl === undefined,
    kafka: want.kafka === true && fromEnvironment.kafkaBrokers === undefined,
    clickhouse: want.clickhouse === true && fromEnvironment.clickhouseUrl === undefined,
  };
  const connection = Object.values(local).includes(true) ? await connectServices(path.resolve(folder), { ...local, ...data }) : undefined;
  const postgresUrl = fromEnvironment.postgresUrl ?? (local.postgres ? connection?.addresses.postgresUrl : undefined);
  const kafkaBrokers = fromEnvironment.kafkaBrokers ?? (local.kafka ? connection?.addresses.kafkaBrokers : undefined);
  const clickhouseUrl = fromEnvironment.clickhouseUrl ?? (local.clickhouse ? connection?.addresses.clickhouseUrl : undefined);
  return {
    ...(postgresUrl === undefined ? {} : { postgresUrl }),
    ...(kafkaBrokers === undefined ? {} : { kafkaBrokers }),
    ...(clickhouseUrl === undefined ? {} : { clickhouseUrl }),
    source: connection === undefined ? 'environment' : 'local',
    release: async () => connection?.release(),
  };
};
