import { KafkaJSProtocolError } from 'kafkajs';
import { RefoldError } from '../../../kernel/errors';
import type { TopicPartition } from '../../position';
import type { Broker, ProtocolRequest } from './kafkajs-internals';

/**
 * What an answer says of the records of its request. `refused`: nothing was written, and nothing will be. `unwritten`:
 * not by this try, another may. `doubtful`: they may have been written, and a try with the same sequence number tells.
 * `lost-track`: the broker does not know this producer's numbers, or knows others; a new producer has to begin.
 * `duplicate`: they were written, by an earlier try.
 */
export type Meaning = 'refused' | 'unwritten' | 'doubtful' | 'lost-track' | 'duplicate';

/** Numbers, names and meanings of the errors of Produce requests: https://kafka.apache.org/protocol#protocol_error_codes */
const ERRORS: Readonly<Record<number, readonly [string, Meaning]>> = {
  2: ['CORRUPT_MESSAGE', 'unwritten'],
  3: ['UNKNOWN_TOPIC_OR_PARTITION', 'unwritten'],
  5: ['LEADER_NOT_AVAILABLE', 'unwritten'],
  6: ['NOT_LEADER_FOR_PARTITION', 'unwritten'],
  7: ['REQUEST_TIMED_OUT', 'doubtful'],
  9: ['REPLICA_NOT_AVAILABLE', 'unwritten'],
  10: ['MESSAGE_TOO_LARGE', 'refused'],
  13: ['NETWORK_EXCEPTION', 'doubtful'],
  17: ['INVALID_TOPIC_EXCEPTION', 'refused'],
  18: ['RECORD_LIST_TOO_LARGE', 'refused'],
  19: ['NOT_ENOUGH_REPLICAS', 'unwritten'],
  20: ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'doubtful'],
  21: ['INVALID_REQUIRED_ACKS', 'refused'],
  29: ['TOPIC_AUTHORIZATION_FAILED', 'refused'],
  31: ['CLUSTER_AUTHORIZATION_FAILED', 'refused'],
  32: ['INVALID_TIMESTAMP', 'refused'],
  35: ['UNSUPPORTED_VERSION', 'refused'],
  43: ['UNSUPPORTED_FOR_MESSAGE_FORMAT', 'refused'],
  44: ['POLICY_VIOLATION', 'refused'],
  45: ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'lost-track'],
  46: ['DUPLICATE_SEQUENCE_NUMBER', 'duplicate'],
  47: ['INVALID_PRODUCER_EPOCH', 'lost-track'],
  56: ['KAFKA_STORAGE_ERROR', 'doubtful'],
  59: ['UNKNOWN_PRODUCER_ID', 'lost-track'],
  74: ['FENCED_LEADER_EPOCH', 'unwritten'],
  76: ['UNSUPPORTED_COMPRESSION_TYPE', 'refused'],
  87: ['INVALID_RECORD', 'refused'],
};

/** What an error of the protocol means for the records; any other leaves it open whether they were written. */
export const meaningOf = (error: unknown): Meaning => {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return error instanceof KafkaJSProtocolError && typeof code === 'number' ? (ERRORS[code]?.[1] ?? 'doubtful') : 'doubtful';
};

const protocolError = (code: number): KafkaJSProtocolError => {
  const type = ERRORS[code]?.[0] ?? `error ${String(code)}`;
  return new KafkaJSProtocolError(Object.assign(new Error(`the broker answers ${type}`), { type, code, retriable: false }));
};

interface Produced extends TopicPartition {
  readonly errorCode: number;
  readonly baseOffset: number;
}

interface Answer {
  readonly produced: readonly Produced[];
  readonly clientSideThrottleTime: number;
}

const API_KEY = 0;
/** Of Kafka 2.1, the first that knows zstd. */
const API_VERSION = 7;
const ALL_IN_SYNC = -1;
/** How long the leader waits for the replicas in charge, milliseconds. */
const REPLICATION_MS = 10_000;

const encodeRequest = ({ topic, partition }: TopicPartition, batch: Buffer): Buffer => {
  const name = Buffer.from(topic);
  const head = Buffer.allocUnsafe(2 + 2 + 4 + 4 + 2 + name.length + 4 + 4 + 4);
  let at = head.writeInt16BE(-1, 0); // no transaction
  at = head.writeInt16BE(ALL_IN_SYNC, at);
  at = head.writeInt32BE(REPLICATION_MS, at);
  at = head.writeInt32BE(1, at); // one topic
  at = head.writeInt16BE(name.length, at);
  at += name.copy(head, at);
  at = head.writeInt32BE(1, at); // one partition
  at = head.writeInt32BE(partition, at);
  head.writeInt32BE(batch.length, at);
  return Buffer.concat([head, batch]);
};

const decodeAnswer = (data: Buffer): Answer => {
  let at = 0;
  const int32 = (): number => data.readInt32BE((at += 4) - 4);
  const produced: Produced[] = [];
  for (let topics = int32(); topics > 0; topics -= 1) {
    const end = at + 2 + data.readInt16BE(at);
    const topic = data.toString('utf8', at + 2, end);
    at = end;
    for (let partitions = int32(); partitions > 0; partitions -= 1) {
      const partition = int32();
      produced.push({ topic, partition, errorCode: data.readInt16BE(at), baseOffset: Number(data.readBigInt64BE(at + 2)) });
      at += 2 + 8 + 8 + 8; // also the time of appending and where the log starts
    }
  }
  return { produced, clientSideThrottleTime: int32() };
};

const request = (partition: TopicPartition, batch: Buffer): ProtocolRequest<Answer> => ({
  request: {
    apiKey: API_KEY,
    apiVersion: API_VERSION,
    apiName: 'Produce',
    expectResponse: () => true,
    encode: async () => {
      const buffer = encodeRequest(partition, batch);
      return { buf: buffer, buffer }; // what the library takes for one of its encoders
    },
  },
  response: { decode: async (data) => decodeAnswer(data), parse: async (answer) => answer },
});

/** The offset of the first record. @throws RefoldError `log.append-failed` where the answer does not account for the records; KafkaJSProtocolError */
export const offsetOf = (produced: readonly Produced[], { topic, partition }: TopicPartition): number => {
  const [answer] = produced;
  if (produced.length !== 1 || answer?.topic !== topic || answer.partition !== partition) {
    throw new RefoldError('log.append-failed', 'the answer of the broker does not account for the records', {
      facts: { topic, partition, answers: produced.length },
    });
  }
  if (answer.errorCode !== 0) {
    throw protocolError(answer.errorCode);
  }
  if (!(answer.baseOffset >= 0)) {
    throw new RefoldError('log.append-failed', 'the broker does not say where the records lie', { facts: { topic, partition, offset: answer.baseOffset } });
  }
  return answer.baseOffset;
};

/** Writes one batch to the leader of one partition, and waits for all replicas in sync. Errors say by `meaningOf` what became of it. */
export const produce = async (broker: Broker, partition: TopicPartition, batch: Buffer): Promise<number> => {
  try {
    return offsetOf((await broker.connectionPool.send(request(partition, batch))).produced, partition);
  } catch (error) {
    if ((error as { readonly name?: unknown }).name === 'KafkaJSConnectionClosedError') {
      await broker.disconnect(); // as the library does: the next request connects anew
    }
    throw error;
  }
};
