import net from 'node:net';
import tls from 'node:tls';
import { Kafka, KafkaJSError, logLevel, type ISocketFactory, type KafkaConfig, type RetryOptions } from 'kafkajs';
import { ERROR_CODES, RefoldError, isRefoldError, messageOf, type ErrorCode } from '../../../kernel/errors';
import { isTlsError } from '../../../kernel/tls';
import type { Logger } from '../../../kernel/logger';
import { registerCodecs } from './codecs';
import { correctKafkajs } from './kafkajs-internals';

export interface KafkaConnection {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl?: KafkaConfig['ssl'];
  readonly sasl?: KafkaConfig['sasl'];
  /** @defaultValue 3 seconds */
  readonly connectTimeoutMs?: number;
  /** @defaultValue 10 seconds */
  readonly requestTimeoutMs?: number;
  /** Makes the connections; for proxies and tests. */
  readonly socketFactory?: ISocketFactory;
}

const CONNECT_MS = 3_000;
const REQUEST_MS = 10_000;

/**
 * As the library makes them, but a peer that lets a TLS handshake wait is told from one that cannot be reached. While a
 * socket connects, the library adds a listener each time it gives the broker up; they go with the socket.
 */
const connectSocket =
  (timeoutMs: number): ISocketFactory =>
  ({ host, port, ssl, onConnect }) => {
    if (!(ssl as unknown)) {
      return net.connect({ host, port, keepAlive: true, keepAliveInitialDelay: 60_000 }, onConnect).setMaxListeners(0);
    }
    const socket = tls.connect({ host, port, ...(net.isIP(host) === 0 ? { servername: host } : {}), ...ssl }, onConnect);
    socket.setMaxListeners(0).setKeepAlive(true, 60_000);
    let waiting: NodeJS.Timeout | undefined;
    socket.once('connect', () => {
      waiting = setTimeout(() => {
        socket.destroy(Object.assign(new Error('the peer does not answer the TLS handshake'), { code: 'ERR_TLS_HANDSHAKE_TIMEOUT' }));
      }, timeoutMs / 2);
    });
    for (const over of ['secureConnect', 'close'] as const) {
      socket.once(over, () => {
        clearTimeout(waiting);
      });
    }
    return socket;
  };

/** For questions that somebody waits for: a dead broker is reported after a few seconds. */
export const PROMPT: RetryOptions = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 };
/** For what runs in the background: outlasts the restart of a broker. */
export const PATIENT: RetryOptions = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 30, restartOnFailure: async () => false };

/** One client; consumers with one client share a cache of offsets, so each gets its own. The library's messages go to the logger. */
export const createKafka = (connection: KafkaConnection, logger: Logger, retry: RetryOptions): Kafka => {
  const { brokers, clientId, ssl, sasl, socketFactory, connectTimeoutMs = CONNECT_MS, requestTimeoutMs = REQUEST_MS } = connection;
  correctKafkajs();
  registerCodecs();
  return new Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    socketFactory: socketFactory ?? connectSocket(connectTimeoutMs),
    connectionTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    authenticationTimeout: requestTimeoutMs,
    retry,
    logLevel: logLevel.WARN,
    // What the library calls an error it mostly tries again; what remains comes back to us as an error.
    logCreator: () => (line) => {
      const { message, timestamp: _timestamp, logger: _library, ...facts } = line.log;
      logger.log('debug', `kafkajs: ${message}`, { namespace: line.namespace, ...facts });
    },
  });
};

interface KafkaFailure {
  readonly name?: string;
  readonly type?: string;
  readonly retriable?: boolean;
  readonly cause?: unknown;
}

const failureOf = (error: unknown): KafkaFailure => (typeof error === 'object' && error !== null ? error : {});

/** Type of the protocol's error, `UNKNOWN_TOPIC_OR_PARTITION`, also where the library wrapped it. */
export const protocolError = (error: unknown): string | undefined => {
  const { type, cause } = failureOf(error);
  return type ?? (cause === undefined ? undefined : protocolError(cause));
};

/** Whether the library gave up only after trying often enough. */
export const isRetriable = (error: unknown): boolean => {
  const { name, retriable, cause } = failureOf(error);
  return name === 'KafkaJSNumberOfRetriesExceeded' || retriable === true || (cause !== undefined && isRetriable(cause));
};

const REFUSED = /^(SASL_AUTHENTICATION_FAILED|ILLEGAL_SASL_STATE|UNSUPPORTED_SASL_MECHANISM|[A-Z_]*AUTHORIZATION_FAILED)$/;

const TOO_LARGE = /^(MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE)$/;

/** What a broker finds in a record, or in the rules of its topic, that another try would not change. */
const UNACCEPTABLE = /^(INVALID_RECORD|INVALID_TIMESTAMP|POLICY_VIOLATION|UNSUPPORTED_[A-Z_]+|INVALID_REQUIRED_ACKS|INVALID_TOPIC_EXCEPTION)$/;

/** The library's name for the error of a partition that its metadata does not show. */
const METADATA_MISSING = 'KafkaJSMetadataNotLoaded';

/** The error of a partition that the metadata does not show; the library asks for the metadata again after it. */
export const partitionMissing = ({ topic, partition }: { readonly topic: string; readonly partition: number | undefined }): KafkaJSError =>
  Object.assign(new KafkaJSError(`partition ${String(partition)} of topic ${topic} is not known`), { name: METADATA_MISSING });

/** The broker takes only smaller batches. */
export const isTooLarge = (error: unknown): boolean => TOO_LARGE.test(protocolError(error) ?? '');

const named = (error: unknown, name: string): boolean => {
  const failure = failureOf(error);
  return failure.name === name || (failure.cause !== undefined && named(failure.cause, name));
};

/** What is known better than the caller's code. */
const knownCode = (error: unknown): ErrorCode | undefined => {
  if (isRefoldError(error)) {
    return error.code;
  }
  const type = protocolError(error);
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') {
    return 'log.unknown-topic';
  }
  if (REFUSED.test(type ?? '') || named(error, 'KafkaJSSASLAuthenticationError')) {
    return 'log.access-denied';
  }
  if (TOO_LARGE.test(type ?? '')) {
    return 'log.record-too-large';
  }
  if (type === 'NOT_ENOUGH_REPLICAS') {
    return 'log.not-enough-replicas';
  }
  if (UNACCEPTABLE.test(type ?? '')) {
    return 'log.record-refused';
  }
  if (named(error, METADATA_MISSING)) {
    return 'log.unknown-partition';
  }
  return isTlsError(error) ? 'log.tls-failed' : undefined;
};

/** Whether a connection or a question failed in a way that another try would not change. */
export const isFinal = (error: unknown): boolean => ['log.access-denied', 'log.tls-failed'].includes(knownCode(error) ?? '');

/** Errors of the library in the words of the log; `code` says what it is if nothing better is known. */
export const asLogError = (error: unknown, brokers: readonly string[], code: ErrorCode = 'log.unreachable'): RefoldError => {
  if (isRefoldError(error)) {
    return error;
  }
  const known = knownCode(error) ?? code;
  const summary = known === 'log.unknown-topic' ? 'a topic or partition does not exist' : `${ERROR_CODES[known].meaning} ${messageOf(error)}`;
  return new RefoldError(known, `kafka: ${summary}`, { facts: { brokers: [...brokers], type: protocolError(error) }, cause: error });
};
