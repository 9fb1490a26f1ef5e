import { readFileSync } from 'node:fs';
import { RefoldError, messageOf } from '../kernel/errors';
import { resolveOptions } from '../kernel/options';
import { bearerToken } from '../events/adapters/kafka/bearer-token';
import { COMPRESSIONS, type KafkaCompression } from '../events/adapters/kafka/codecs';
import { WRITER_DEFAULTS } from '../events/adapters/kafka/partition-writer';
import type { KafkaEventLogOptions } from '../events/adapters/kafka/kafka-event-log';
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

export interface KafkaPassword {
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

export interface KafkaToken {
  readonly mechanism: 'oauthbearer';
  /** Asked for a token at each connection that is made or renewed: keep it until it is about to expire. Never logged. */
  readonly token: () => Promise<string>;
}

export type KafkaSasl = KafkaPassword | KafkaToken;

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
  /** Name of this client in what brokers log, limit and count. Empty: the name of the application. */
  readonly clientId: string;
  /** How long a connection may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** How long an answer may take, in milliseconds. */
  readonly requestTimeoutMs: number;
}

const WRITING_DEFAULTS: KafkaWriting = {
  batchBytes: WRITER_DEFAULTS.batchBytes,
  lingerMs: WRITER_DEFAULTS.lingerMs,
  bufferBytes: WRITER_DEFAULTS.bufferBytes,
  deliveryTimeoutMs: WRITER_DEFAULTS.deliveryTimeoutMs,
};

export const KAFKA_DEFAULTS: KafkaSettings = {
  brokers: [],
  ssl: false,
  sasl: null,
  compression: 'none',
  writer: WRITING_DEFAULTS,
  clientId: '',
  connectTimeoutMs: 3_000,
  requestTimeoutMs: 10_000,
};

const TLS_DEFAULTS = { ca: undefined, cert: undefined, key: undefined, servername: undefined };
const PASSWORD_DEFAULTS: KafkaPassword = { mechanism: 'plain', username: '', password: '' };
const TOKEN_DEFAULTS = { mechanism: 'oauthbearer', token: undefined } as const;
const MECHANISMS: readonly string[] = ['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'] satisfies readonly KafkaSasl['mechanism'][];

type KafkaOptions = Pick<KafkaEventLogOptions, 'ssl' | 'sasl' | 'writer' | 'connectTimeoutMs' | 'requestTimeoutMs'>;

/** The same settings, with one that no print of the object, no copy and no JSON shows. */
const hidden = <T extends object>(settings: T, secret: keyof T & string): T => {
  const { [secret]: value, ...shown } = settings;
  return Object.defineProperty(shown, secret, { value, enumerable: false }) as T;
};

/** All settings, hidden ones too. */
const plainly = (settings: object | null | undefined): object =>
  Object.fromEntries(Object.getOwnPropertyNames(settings ?? {}).map((name) => [name, (settings as Readonly<Record<string, unknown>>)[name]]));

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
  const clientId = environment['REFOLD_KAFKA_CLIENT_ID'];
  const names = { mechanism: 'REFOLD_KAFKA_SASL', username: 'REFOLD_KAFKA_USERNAME', password: 'REFOLD_KAFKA_PASSWORD' };
  const said = Object.entries(names).flatMap(([key, name]) => (environment[name] ? [[key, environment[name]]] : []));
  return {
    ...file,
    ...(brokers === undefined ? {} : { brokers }),
    ...(ssl ? { ssl: sslOf(ssl) } : {}),
    ...(compression ? { compression: compression as KafkaCompression } : {}),
    ...(clientId ? { clientId } : {}),
    ...(said.length === 0 ? {} : { sasl: { ...PASSWORD_DEFAULTS, ...plainly(file.sasl), ...(Object.fromEntries(said) as Partial<KafkaPassword>) } }),
  };
};

const requireTimeouts = (kafka: KafkaSettings): void => {
  for (const name of ['connectTimeoutMs', 'requestTimeoutMs'] as const) {
    if (typeof kafka[name] !== 'number' || !(kafka[name] >= 1) || !Number.isFinite(kafka[name])) {
      throw new RefoldError('config.invalid', `kafka: ${name} is ${JSON.stringify(kafka[name])}; it has to be a number from 1`);
    }
  }
  if (typeof kafka.clientId !== 'string') {
    throw new RefoldError('config.invalid', 'kafka: clientId has to be a text');
  }
};

const checkedSasl = (given: KafkaSasl): KafkaSasl => {
  const sasl = plainly(given) as KafkaSasl;
  if (!MECHANISMS.includes(sasl.mechanism)) {
    throw new RefoldError('config.invalid', `kafka.sasl: mechanism is ${JSON.stringify(sasl.mechanism)}; it can be ${MECHANISMS.join(', ')}`);
  }
  if (sasl.mechanism === 'oauthbearer') {
    const { token } = resolveOptions<{ mechanism: string; token: unknown }>('kafka.sasl', TOKEN_DEFAULTS, sasl);
    if (typeof token !== 'function') {
      throw new RefoldError('config.invalid', 'kafka.sasl needs a function that answers a token', { remedy: 'Set kafka.sasl.token in the configuration.' });
    }
    return sasl;
  }
  const { username, password } = resolveOptions('kafka.sasl', PASSWORD_DEFAULTS, sasl);
  if (typeof username !== 'string' || typeof password !== 'string' || username === '' || password === '') {
    throw new RefoldError('config.invalid', 'kafka.sasl needs a username and a password', { remedy: 'Set REFOLD_KAFKA_USERNAME and REFOLD_KAFKA_PASSWORD.' });
  }
  return hidden(sasl, 'password');
};

const checkedSsl = (ssl: KafkaSettings['ssl']): KafkaSettings['ssl'] => {
  if (typeof ssl === 'boolean') {
    return ssl;
  }
  if (typeof ssl !== 'object') {
    throw new RefoldError('config.invalid', 'kafka.ssl has to be true, false or { ca, cert, key, servername }');
  }
  const plain = plainly(ssl) as KafkaTls;
  resolveOptions('kafka.ssl', TLS_DEFAULTS, plain as typeof TLS_DEFAULTS);
  return hidden(plain, 'key');
};

/** Settings with their defaults. No message holds a secret, and whoever prints the settings sees none. @throws RefoldError `config.invalid` */
export const checkedKafka = (given: Partial<KafkaSettings>): KafkaSettings => {
  const kafka = resolveOptions('kafka', KAFKA_DEFAULTS, given);
  if (!COMPRESSIONS.includes(kafka.compression)) {
    throw new RefoldError('config.invalid', `kafka: compression is ${JSON.stringify(kafka.compression)}; it can be ${COMPRESSIONS.join(', ')}`);
  }
  requireTimeouts(kafka);
  return { ...kafka, writer: checkedWriting(kafka.writer), ssl: checkedSsl(kafka.ssl), sasl: kafka.sasl === null ? null : checkedSasl(kafka.sasl) };
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

/** What the library needs, secrets in plain sight: to be handed over at once and kept nowhere. */
export const kafkaConnection = ({ ssl, sasl, compression, writer, connectTimeoutMs, requestTimeoutMs }: KafkaSettings): KafkaOptions => ({
  ssl: typeof ssl === 'boolean' ? ssl : plainly(ssl),
  ...(sasl === null ? {} : { sasl: saslOptions(sasl) }),
  writer: { ...writer, compression },
  connectTimeoutMs,
  requestTimeoutMs,
});

const saslOptions = (sasl: KafkaSasl): NonNullable<KafkaOptions['sasl']> =>
  sasl.mechanism === 'oauthbearer' ? bearerToken(() => sasl.token()) : (plainly(sasl) as NonNullable<KafkaOptions['sasl']>);
