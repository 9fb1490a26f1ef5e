import { RefoldError } from '../../../kernel/errors';
import type { TopicPartition } from '../../position';
import { sendTo, type Broker, type ProtocolRequest } from './kafkajs-internals';
import { protocolErrorOf } from './protocol-errors';

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
      return { buf: buffer, buffer };
    },
  },
  response: { decode: async (data) => decodeAnswer(data), parse: async (answer) => answer },
});

/** The offset of the first record. @throws RefoldError `log.append-failed` where the answer does not account for the records; KafkaJSProtocolError */
const offsetOf = (produced: readonly Produced[], { topic, partition }: TopicPartition): number => {
  const [answer] = produced;
  if (produced.length !== 1 || answer?.topic !== topic || answer.partition !== partition) {
    throw new RefoldError('log.append-failed', 'the answer of the broker does not account for the records', {
      facts: { topic, partition, answers: produced.length },
    });
  }
  if (answer.errorCode !== 0) {
    throw protocolErrorOf(answer.errorCode);
  }
  if (!(answer.baseOffset >= 0)) {
    throw new RefoldError('log.append-failed', 'the broker does not say where the records lie', { facts: { topic, partition, offset: answer.baseOffset } });
  }
  return answer.baseOffset;
};

/** Writes one batch to the leader of one partition, and waits for all replicas in sync. Errors say by `meaningOf` what became of it. */
export const produce = async (broker: Broker, partition: TopicPartition, batch: Buffer): Promise<number> =>
  offsetOf((await sendTo(broker, request(partition, batch))).produced, partition);
