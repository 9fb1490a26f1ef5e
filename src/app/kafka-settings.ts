import { readFileSync } from 'node:fs';
import { RefoldError, messageOf } from '../kernel/errors';
import { resolveOptions } from '../kernel/options';
import { COMPRESSIONS, type KafkaCompression } from '../events/adapters/kafka/codecs';
import { WRITER_DEFAULTS } from '../events/adapters/kafka/partition-writer';
import { brokersOf } from './services/services';

export interface KafkaTls {
  /** Certificates of the authorities to trust, PEM. @defaultValue those of Node */
  readonly ca?: string;
  /** Certificate and key of this client, PEM, where the brokers ask for them. */
  readonly cert?: string;
  readonly key?: string;
  /** Name to expect in the certificate. @defaultValue the host */
  readonly servername?: string;
}

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  /** Belongs into the environment: REFOLD_KAFKA_PASSWORD. Never logged. */
  readonly password: string;
}

export interface KafkaWriting {
  /** Largest batch in bytes before compression; a record above it goes alone. */
  readonly batchBytes: number;
  /** How long a record waits for others of its partition, milliseconds; with 0 those come together that are appended at the same time. */
  readonly lingerMs: number;
  /** Bytes of records that may wait or be under way; appends beyond them wait. */
  readonly bufferBytes: number;
  /** How long a batch is tried, milliseconds. */
  readonly deliveryTimeoutMs: number;
}

export interface KafkaSettings {
  /** `host:port` each; empty with `log: 'kafka'`: an embedded broker is started. */
  readonly brokers: readonly string[];
  /** Whether to connect with TLS, and by which certificates. */
  readonly ssl: boolean | KafkaTls;
  /** How to sign in; `null`: not at all. */
  readonly sasl: KafkaSasl | null;
  /** How batches are compressed that this process writes; what others wrote is read in every codec. */
  readonly compression: KafkaCompression;
  readonly writer: KafkaWriting;
}

const WRITING_DEFAULTS: KafkaWriting = {
  batchBytes: WRITER_DEFAULTS.batchBytes,
  lingerMs: WRITER_DEFAULTS.lingerMs,
  bufferBytes: WRITER_DEFAULTS.bufferBytes,
  deliveryTimeoutMs: WRITER_DEFAULTS.deliveryTimeoutMs,
};

export const KAFKA_DEFAULTS: KafkaSettings = { brokers: [], ssl: false, sasl: null, compression: 'none', writer: WRITING_DEFAULTS };

const TLS_DEFAULTS = { ca: undefined, cert: undefined, key: undefined, servername: undefined };
const SASL_DEFAULTS: KafkaSasl = { mechanism: 'plain', username: '', password: '' };
const MECHANISMS: readonly string[] = ['plain', 'scram-sha-256', 'scram-sha-512'] satisfies readonly KafkaSasl['mechanism'][];

type Environment = Readonly<Record<string, string | undefined>>;

const sslOf = (text: string): KafkaSettings['ssl'] => {
  if (text === 'true' || text === 'false') {
    return text === 'true';
  }
  try {
    return { ca: readFileSync(text, 'utf8') };
  } catch (error) {
    throw new RefoldError('config.invalid', `REFOLD_KAFKA_SSL has to be true, false or a file of certificates: ${messageOf(error)}`, { cause: error });
  }
};

/** The settings of the file with those of the environment over them, user name and password each by itself. */
export const kafkaFromEnvironment = (file: Partial<KafkaSettings>, environment: Environment): Partial<KafkaSettings> => {
  const brokers = brokersOf(environment['REFOLD_KAFKA_BROKERS']);
  const ssl = environment['REFOLD_KAFKA_SSL'];
  const compression = environment['REFOLD_KAFKA_COMPRESSION'];
  const names = { mechanism: 'REFOLD_KAFKA_SASL', username: 'REFOLD_KAFKA_USERNAME', password: 'REFOLD_KAFKA_PASSWORD' };
  const said = Object.entries(names).flatMap(([key, name]) => (environment[name] ? [[key, environment[name]]] : []));
  return {
    ...file,
    ...(brokers === undefined ? {} : { brokers }),
    ...(ssl ? { ssl: sslOf(ssl) } : {}),
    ...(compression ? { compression: compression as KafkaCompression } : {}),
    ...(said.length === 0 ? {} : { sasl: { ...SASL_DEFAULTS, ...file.sasl, ...(Object.fromEntries(said) as Partial<KafkaSasl>) } }),
  };
};

/** Settings with their defaults. No message holds the password. @throws RefoldError `config.invalid` */
export const checkedKafka = (given: Partial<KafkaSettings>): KafkaSettings => {
  const kafka = resolveOptions('kafka', KAFKA_DEFAULTS, given);
  if (!COMPRESSIONS.includes(kafka.compression)) {
    throw new RefoldError('config.invalid', `kafka: compression is ${JSON.stringify(kafka.compression)}; it can be ${COMPRESSIONS.join(', ')}`);
  }
  if (kafka.sasl !== null) {
    const { mechanism, username, password } = resolveOptions('kafka.sasl', SASL_DEFAULTS, kafka.sasl);
    if (!MECHANISMS.includes(mechanism)) {
      throw new RefoldError('config.invalid', `kafka.sasl: mechanism is ${JSON.stringify(mechanism)}; it can be ${MECHANISMS.join(', ')}`);
    }
    if (typeof username !== 'string' || typeof password !== 'string' || username === '' || password === '') {
      throw new RefoldError('config.invalid', 'kafka.sasl needs a username and a password', { remedy: 'Set REFOLD_KAFKA_USERNAME and REFOLD_KAFKA_PASSWORD.' });
    }
  }
  if (typeof kafka.ssl === 'object') {
    resolveOptions('kafka.ssl', TLS_DEFAULTS, kafka.ssl as typeof TLS_DEFAULTS);
  } else if (typeof kafka.ssl !== 'boolean') {
    throw new RefoldError('config.invalid', 'kafka.ssl has to be true, false or { ca, cert, key, servername }');
  }
  return { ...kafka, writer: checkedWriting(kafka.writer) };
};

const checkedWriting = (given: Partial<KafkaWriting>): KafkaWriting => {
  const writing = resolveOptions('kafka.writer', WRITING_DEFAULTS, given);
  for (const [name, value] of Object.entries(writing) as [string, unknown][]) {
    if (!Number.isSafeInteger(value) || (value as number) < (name === 'lingerMs' ? 0 : 1)) {
      throw new RefoldError('config.invalid', `kafka.writer: ${name} is ${JSON.stringify(value)}; it has to be a whole number above 0`);
    }
  }
  return writing;
};
