import { KafkaJSProtocolError } from 'kafkajs';

/**
 * What an answer says of the records of a Produce request. `refused`: nothing was written, and nothing will be.
 * `unwritten`: not by this try, another may. `doubtful`: they may have been written, and a try with the same sequence
 * number tells. `lost-track`: the broker does not know this producer's numbers, or knows others; a new producer has to
 * begin. `duplicate`: they were written, by an earlier try.
 */
export type Meaning = 'refused' | 'unwritten' | 'doubtful' | 'lost-track' | 'duplicate';

interface ProtocolError {
  readonly type: string;
  readonly meaning: Meaning;
}

const entry = (type: string, meaning: Meaning): ProtocolError => ({ type, meaning });

/** Errors of Produce and Fetch requests by number: https://kafka.apache.org/protocol#protocol_error_codes */
const ERRORS: Readonly<Record<number, ProtocolError>> = {
  1: entry('OFFSET_OUT_OF_RANGE', 'refused'),
  2: entry('CORRUPT_MESSAGE', 'unwritten'),
  3: entry('UNKNOWN_TOPIC_OR_PARTITION', 'unwritten'),
  5: entry('LEADER_NOT_AVAILABLE', 'unwritten'),
  6: entry('NOT_LEADER_FOR_PARTITION', 'unwritten'),
  7: entry('REQUEST_TIMED_OUT', 'doubtful'),
  9: entry('REPLICA_NOT_AVAILABLE', 'unwritten'),
  10: entry('MESSAGE_TOO_LARGE', 'refused'),
  13: entry('NETWORK_EXCEPTION', 'doubtful'),
  17: entry('INVALID_TOPIC_EXCEPTION', 'refused'),
  18: entry('RECORD_LIST_TOO_LARGE', 'refused'),
  19: entry('NOT_ENOUGH_REPLICAS', 'unwritten'),
  20: entry('NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'doubtful'),
  21: entry('INVALID_REQUIRED_ACKS', 'refused'),
  29: entry('TOPIC_AUTHORIZATION_FAILED', 'refused'),
  31: entry('CLUSTER_AUTHORIZATION_FAILED', 'refused'),
  32: entry('INVALID_TIMESTAMP', 'refused'),
  35: entry('UNSUPPORTED_VERSION', 'refused'),
  43: entry('UNSUPPORTED_FOR_MESSAGE_FORMAT', 'refused'),
  44: entry('POLICY_VIOLATION', 'refused'),
  45: entry('OUT_OF_ORDER_SEQUENCE_NUMBER', 'lost-track'),
  46: entry('DUPLICATE_SEQUENCE_NUMBER', 'duplicate'),
  47: entry('INVALID_PRODUCER_EPOCH', 'lost-track'),
  56: entry('KAFKA_STORAGE_ERROR', 'doubtful'),
  59: entry('UNKNOWN_PRODUCER_ID', 'lost-track'),
  74: entry('FENCED_LEADER_EPOCH', 'unwritten'),
  75: entry('UNKNOWN_LEADER_EPOCH', 'unwritten'),
  76: entry('UNSUPPORTED_COMPRESSION_TYPE', 'refused'),
  78: entry('OFFSET_NOT_AVAILABLE', 'unwritten'),
  87: entry('INVALID_RECORD', 'refused'),
};

/** The library's error of an error number. It is worth another try unless it is a refusal. */
export const protocolErrorOf = (code: number): KafkaJSProtocolError => {
  const { type, meaning } = ERRORS[code] ?? entry(`error ${String(code)}`, 'doubtful');
  return new KafkaJSProtocolError(Object.assign(new Error(`the broker answers ${type}`), { type, code, retriable: meaning !== 'refused' }));
};

/** What an error of a Produce request means for the records; what is not of the protocol leaves it open. */
export const meaningOf = (error: unknown): Meaning => {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return error instanceof KafkaJSProtocolError && typeof code === 'number' ? (ERRORS[code]?.meaning ?? 'doubtful') : 'doubtful';
};
