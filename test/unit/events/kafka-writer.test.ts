import { KafkaJSError, KafkaJSProtocolError, type ICustomPartitioner, type Kafka, type Message, type PartitionMetadata, type ProducerConfig } from 'kafkajs';
import { appendError, ranges } from '../../../src/events/adapters/kafka/append-error';
import { PartitionProducer, type Appended } from '../../../src/events/adapters/kafka/partition-producer';
import { groupByPartition, type PartitionAppend } from '../../../src/events/new-records';
import type { NewRecord } from '../../../src/events/event-log';
import { silentLogger } from '../../../src/kernel/logger';

interface Request {
  readonly topic: string;
  readonly acks: number;
  readonly messages: Message[];
}
type Answer = { readonly topicName: string; readonly partition: number; readonly errorCode: number; readonly baseOffset?: string };
type Respond = (request: Request, producer: number) => Promise<readonly Answer[]>;

const metadata = (partitions: number): PartitionMetadata[] =>
  Array.from({ length: partitions }, (_, partitionId) => ({ partitionErrorCode: 0, partitionId, leader: 1, replicas: [1], isr: [1] }));

/** Producers of a library whose broker answers as a test says; each try asks for the partition of each message, as the library does. */
class Fake {
  readonly sent: { readonly producer: number; readonly request: Request }[] = [];
  readonly disconnected: number[] = [];
  readonly configs: (ProducerConfig | undefined)[] = [];
  partitions = 4;
  refuse: Error | undefined;

  constructor(private readonly respond: Respond) {}

  readonly create = (): Kafka =>
    ({
      producer: (config?: ProducerConfig) => {
        const producer = this.configs.push(config) - 1;
        return {
          connect: async () => {
            if (this.refuse !== undefined) {
              throw this.refuse;
            }
          },
          disconnect: async () => void this.disconnected.push(producer),
          send: async (request: Request) => {
            const partition = (config!.createPartitioner as ICustomPartitioner)();
            request.messages.forEach((message) => partition({ topic: request.topic, message, partitionMetadata: metadata(this.partitions) }));
            this.sent.push({ producer, request });
            return this.respond(request, producer);
          },
        };
      },
    }) as unknown as Kafka;
}

const record = (value: string, more: Partial<NewRecord> = {}): NewRecord => ({
  topic: 't',
  key: Buffer.from('k'),
  value: Buffer.from(value),
  headers: {},
  ...more,
});
const written = (offset = 0): Respond => {
  return async ({ topic, messages }) => [{ topicName: topic, partition: messages[0]!.partition!, errorCode: 0, baseOffset: String(offset) }];
};
const protocol = (type: string, code: number): KafkaJSProtocolError =>
  new KafkaJSProtocolError(Object.assign(new Error(type), { type, code, retriable: false }));
const writer = (fake: Fake): PartitionProducer => new PartitionProducer(fake.create, silentLogger, 'none');
const at = (partition: number): { topic: string; partition: number } => ({ topic: 't', partition });
const failed = async (fake: Fake, records: readonly NewRecord[], partition = 0): Promise<Appended> => {
  const appended = await writer(fake).append(at(partition), records, 1);
  expect(appended.failure).toBeDefined();
  return appended;
};

describe('the writer to Kafka', () => {
  it('sends to one partition per request, every message with its partition, and asks for all replicas in charge', async () => {
    const fake = new Fake(written(7));
    const producer = writer(fake);
    const [a, b] = await Promise.all([producer.append(at(0), [record('a'), record('b')], 1), producer.append(at(3), [record('c')], 1)]);
    expect([a, b]).toEqual([{ offsets: [7, 8] }, { offsets: [7] }]);
    expect(fake.sent.map(({ request }) => [request.acks, request.messages.map(({ partition }) => partition)])).toEqual([
      [-1, [0, 0]],
      [-1, [3]],
    ]);
    expect(fake.configs).toMatchObject([{ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false }]);
  });

  const good = { topicName: 't', partition: 0, errorCode: 0, baseOffset: '3' };
  it.each([
    ['empty', []],
    ['of another partition', [{ ...good, partition: 1 }]],
    ['of another topic', [{ ...good, topicName: 'u' }]],
    ['of too many', [good, { ...good, partition: 1 }]],
    ['an error', [{ ...good, errorCode: 6 }]],
    ['without an offset', [{ topicName: 't', partition: 0, errorCode: 0 }]],
    ['of offset -1', [{ ...good, baseOffset: '-1' }]],
  ])('takes an answer that is %s for a failure, and the records for possibly written', async (_, answers) => {
    const appended = await failed(new Fake(async () => answers), [record('a'), record('b')]);
    expect(appended).toMatchObject({ offsets: [], failure: { uncertain: 2, error: { code: 'log.append-failed' } } });
  });

  it('throws a producer away after one failure, for every partition, and lets go of it when nobody uses it', async () => {
    const waiting: (() => void)[] = [];
    const fake = new Fake(async (request, producer) => {
      if (producer === 0 && request.messages[0]!.partition === 0) {
        throw new KafkaJSError('timed out');
      }
      if (producer === 0) {
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      return written()(request, producer);
    });
    const producer = writer(fake);
    const slow = producer.append(at(1), [record('slow')], 1);
    expect((await producer.append(at(0), [record('a')], 1)).failure).toMatchObject({ uncertain: 1 });
    expect(fake.disconnected).toEqual([]);
    await producer.append(at(0), [record('b')], 1);
    await producer.append(at(2), [record('c')], 1);
    expect(fake.sent.map(({ producer: by, request }) => [by, request.messages[0]!.partition])).toEqual([
      [0, 1],
      [0, 0],
      [1, 0],
      [1, 2],
    ]);
    waiting[0]!();
    expect(await slow).toEqual({ offsets: [0] });
    expect(fake.disconnected).toEqual([0]);
  });

  it('keeps the new producer when the old one fails a second time', async () => {
    const waiting: (() => void)[] = [];
    const fake = new Fake(async (request, producer) => {
      if (producer === 0) {
        await new Promise<void>((resolve) => waiting.push(resolve));
        throw new KafkaJSError('timed out');
      }
      return written()(request, producer);
    });
    const producer = writer(fake);
    const both = [producer.append(at(0), [record('a')], 1), producer.append(at(1), [record('b')], 1)];
    await new Promise(setImmediate);
    waiting[0]!();
    await both[0];
    await producer.append(at(0), [record('c')], 1);
    waiting[1]!();
    await both[1];
    await producer.append(at(1), [record('d')], 1);
    expect(fake.configs).toHaveLength(2);
    await producer.close();
    expect(fake.disconnected).toEqual([0, 1]);
  });

  it('sends nothing to a partition that the metadata does not show, so that the library asks for it again', async () => {
    const fake = new Fake(written());
    fake.partitions = 2;
    const { failure } = await failed(fake, [record('a')], 2);
    expect(failure).toMatchObject({ uncertain: 0, error: { name: 'KafkaJSMetadataNotLoaded', retriable: true } });
    expect(fake.sent).toEqual([]);
  });

  it('knows that nothing was written where no connection was made', async () => {
    const fake = new Fake(written());
    fake.refuse = new KafkaJSError('refused');
    expect(await failed(fake, [record('a')])).toMatchObject({ offsets: [], failure: { uncertain: 0 } });
    fake.refuse = undefined;
  });

  it('tells the parts that were written, the one that may be and the rest apart', async () => {
    const big = 'x'.repeat(300_000);
    let requests = 0;
    const fake = new Fake(async (request, producer) => {
      if (++requests === 2) {
        throw new KafkaJSError('timed out');
      }
      return written(5)(request, producer);
    });
    const appended = await failed(
      fake,
      ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => record(name + big)),
    );
    expect(appended).toMatchObject({ offsets: [5, 6], failure: { uncertain: 2 } });
    expect(requests).toBe(2);
  });

  it('takes a refusal for what it is only at the first try', async () => {
    const tooLarge = protocol('MESSAGE_TOO_LARGE', 10);
    expect((await failed(new Fake(() => Promise.reject(tooLarge)), [record('a')])).failure).toMatchObject({ uncertain: 0 });
    const fake = new Fake(({ messages }) => {
      const partition = (fake.configs[0]!.createPartitioner as ICustomPartitioner)();
      messages.forEach((message) => partition({ topic: 't', message, partitionMetadata: metadata(4) })); // the library tries again
      return Promise.reject(tooLarge);
    });
    expect((await failed(fake, [record('a')])).failure).toMatchObject({ uncertain: 1 });
  });

  it('refuses records without a key before anything is sent', () => {
    const count = (): number => 4;
    expect(() => groupByPartition([record('a', { key: Buffer.alloc(0) })], count)).toThrow(expect.objectContaining({ code: 'event.invalid' }));
  });
});

describe('the error of an append', () => {
  const groups: PartitionAppend[] = groupByPartition(
    Array.from({ length: 8 }, (_, i) => record(String(i), { partition: i % 2 })),
    () => 2,
  );
  const failure = (error: unknown, uncertain: number): Appended => ({ offsets: [], failure: { error, uncertain } });
  const tell = (...appended: Appended[]): unknown => appendError(groups, appended, ['b:1']);

  it('names the places of what was written and of what may be', () => {
    expect(tell({ offsets: [1, 2, 3, 4] }, { offsets: [1], failure: { error: new KafkaJSError('timed out'), uncertain: 2 } })).toMatchObject({
      code: 'log.append-failed',
      retryable: false,
      facts: { partitions: ['t/1'], written: ['0-2', '4', '6'], mayBeWritten: ['3', '5'] },
    });
    expect(ranges([])).toEqual([]);
  });

  it.each([
    ['MESSAGE_TOO_LARGE', 'log.record-too-large', false],
    ['RECORD_LIST_TOO_LARGE', 'log.record-too-large', false],
    ['UNKNOWN_TOPIC_OR_PARTITION', 'log.unknown-topic', false],
    ['TOPIC_AUTHORIZATION_FAILED', 'log.access-denied', false],
    ['NOT_ENOUGH_REPLICAS', 'log.unreachable', true],
  ])('is the one of %s where nothing was written', (type, code, retryable) => {
    const error = protocol(type, 1);
    expect(tell(failure(error, 0), failure(error, 0))).toMatchObject({ code, retryable, facts: { partitions: ['t/0', 't/1'], type } });
    expect(tell(failure(error, 1), failure(error, 0))).toMatchObject({ code: 'log.append-failed', retryable: false, facts: { mayBeWritten: ['0'] } });
    expect(tell({ offsets: [1, 2, 3, 4] }, failure(error, 0))).toMatchObject({ code: 'log.append-failed', retryable: false, facts: { mayBeWritten: [] } });
  });
});
