import { Kafka, logLevel, type ISocketFactory, type KafkaConfig, type RetryOptions, type SASLOptions } from 'kafkajs';
import { ERROR_CODES, RefoldError, isRefoldError, messageOf, type ErrorCode } from '../../../kernel/errors';
import type { Logger } from '../../../kernel/logger';

export interface KafkaConnection {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl?: KafkaConfig['ssl'];
  readonly sasl?: SASLOptions;
  /** Makes the connections; for proxies and tests. */
  readonly socketFactory?: ISocketFactory;
}

/** For questions that somebody waits for: a dead broker is reported after a few seconds. */
export const PROMPT: RetryOptions = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 };
/** For what runs in the background: outlasts the restart of a broker. */
export const PATIENT: RetryOptions = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 30, restartOnFailure: async () => false };

/** One client; consumers with one client share a cache of offsets, so each gets its own. The library's messages go to the logger. */
export const createKafka = ({ brokers, clientId, ssl, sasl, socketFactory }: KafkaConnection, logger: Logger, retry: RetryOptions): Kafka =>
  new Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    ...(socketFactory === undefined ? {} : { socketFactory }),
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry,
    logLevel: logLevel.WARN,
    // What the library calls an error it mostly tries again; what remains comes back to us as an error.
    logCreator: () => (line) => {
      const { message, timestamp: _timestamp, logger: _library, ...facts } = line.log;
      logger.log('debug', `kafkajs: ${message}`, { namespace: line.namespace, ...facts });
    },
  });

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

/** Errors of the library in the words of the log; `code` says what it is if nothing better is known. */
export const asLogError = (error: unknown, brokers: readonly string[], code: ErrorCode = 'log.unreachable'): RefoldError => {
  if (isRefoldError(error)) {
    return error;
  }
  const type = protocolError(error);
  const facts = { brokers: [...brokers], type };
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') {
    return new RefoldError('log.unknown-topic', 'kafka: a topic or partition does not exist', { facts, cause: error });
  }
  return new RefoldError(code, `kafka: ${ERROR_CODES[code].meaning} ${messageOf(error)}`, { facts, cause: error });
};
