import { randomBytes, randomUUID } from 'node:crypto';
import { CODECS } from '../../../src/events/adapters/kafka/codecs';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';
import type { LogRecord } from '../../../src/events/event-log';
import type { Position } from '../../../src/events/position';
import { Reader } from '../../conformance/support/reader';
import { kafkaConsole } from '../../support/kafka-console';
import { describeWithKafka, kafkaBrokers } from '../../support/services';

const NAMES = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
type Name = (typeof NAMES)[number];
const LONG = 'an event like the one before '.repeat(5_000);

type Decompress = (bytes: Buffer) => Promise<Buffer>;

/** Stands between the reader and a codec until the end of the test. */
const between = (name: Name, change: (decompress: Decompress) => Decompress): void => {
  const { decompress } = CODECS[name];
  jest.spyOn(CODECS[name], 'decompress').mockImplementation(change(decompress));
};

describeWithKafka('compressed batches', () => {
  let brokers: string[];
  const logs: KafkaEventLog[] = [];
  const opened = (compression?: Name): KafkaEventLog => {
    const log = new KafkaEventLog({ brokers, clientId: 'test', ...(compression === undefined ? {} : { writer: { compression } }) });
    logs.push(log);
    return log;
  };
  const freshTopic = async (name: string, partitions = 1): Promise<string> => {
    const topic = `${name}-${randomUUID()}`;
    await opened().createTopics([{ topic, partitions }]);
    return topic;
  };
  const record = (topic: string, value: Buffer | string, partition = 0) => ({
    topic,
    partition,
    key: Buffer.from('k'),
    value: Buffer.from(value as string),
    headers: { kind: 'test' },
  });
  const readAll = async (log: KafkaEventLog, topic: string): Promise<readonly LogRecord[]> =>
    (await log.read({ topic, partition: 0, offset: 0 }, { maxRecords: 1_000 })).records;
  /** The codecs of the batches that are read from here on, in order. */
  const codecsRead = (): string[] => {
    const seen: string[] = [];
    for (const name of NAMES) {
      between(name, (decompress) => (bytes) => {
        seen.push(name);
        return decompress(bytes);
      });
    }
    return seen;
  };

  beforeAll(async () => {
    brokers = await kafkaBrokers();
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await Promise.all(logs.splice(0).map((log) => log.close()));
  });

  it('of Java are read, whatever their codec', async () => {
    const lines = ['first', LONG, randomBytes(100_000).toString('base64'), 'umlauts äöü', 'last'];
    const topics = await Promise.all(NAMES.map((name) => freshTopic(`java-${name}`)));
    const seen = codecsRead();
    const write = (name: string, topic: string) =>
      kafkaConsole(
        'ConsoleProducer',
        ['--bootstrap-server', brokers.join(','), '--topic', topic, '--compression-codec', name, '--command-property', 'batch.size=900000'],
        `${lines.join('\n')}\n`,
      );
    await Promise.all(NAMES.map((name, at) => write(name, topics[at]!)));
    for (const [at, topic] of topics.entries()) {
      const records = await readAll(opened(), topic);
      expect(records.map(({ value }) => value!.toString()).join('\n') === lines.join('\n')).toBe(true);
      expect(new Set(seen.splice(0))).toEqual(new Set([NAMES[at]]));
    }
  });

  it('of ours are read by Java byte for byte, those of appending and those of publishing', async () => {
    const topic = await freshTopic('ours');
    const written: Buffer[] = [];
    const places: [Position, string][] = [];
    for (const name of NAMES) {
      const values = [`${name} begins`, LONG, randomBytes(300_000), 'x', name];
      const [appended, published] = [values.slice(0, 3), values.slice(3)];
      const log = opened(name);
      const positions = await log.append(appended.map((value) => record(topic, value)));
      const publisher = log.fencedPublisher(`${topic}.${name}`);
      await publisher.fence();
      const publishedAt = await publisher.publish(published.map((value) => record(topic, value)));
      await publisher.close();
      places.push([positions[0]!, name], [publishedAt[0]!, name]);
      written.push(...values.map((value) => Buffer.from(value as string)));
    }
    const read = kafkaConsole('consumer.ConsoleConsumer', [
      ...['--bootstrap-server', brokers.join(','), '--topic', topic, '--from-beginning', '--isolation-level', 'read_committed'],
      ...['--max-messages', String(written.length), '--timeout-ms', '20000'],
    ]);
    const lines = Buffer.concat(written.flatMap((value) => [value, Buffer.from('\n')]));
    expect((await read).equals(lines)).toBe(true);

    const seen = codecsRead();
    for (const [position, name] of places) {
      await opened().read(position, { maxRecords: 1 });
      expect(seen.splice(0)[0]).toBe(name);
    }
    const records = await readAll(opened(), topic);
    expect(records.map(({ value }, at) => value!.equals(written[at]!))).toEqual(written.map(() => true));
    expect(records[0]).toMatchObject({ headers: { kind: 'test' }, key: Buffer.from('k') });
  });

  /** Stands for a disk or a network that changed bytes: each is done to one batch on its way to the codec, or behind it. */
  it.each<[string, (bytes: Buffer, decompress: Decompress) => Promise<Buffer>]>([
    ['whose bytes are cut off', (bytes, decompress) => decompress(bytes.subarray(0, bytes.length - 5))],
    ['that hold fewer records than they say', async () => Buffer.alloc(0)],
  ])('%s stop a reader at their position, after what lies before them', async (_, damage) => {
    const topic = await freshTopic('broken', 2);
    const log = opened('lz4');
    const values = [...['a', 'b', 'damaged', 'c'].map((value) => [value, 0] as const), ['d', 1] as const];
    for (const [value, partition] of values) {
      await log.append([record(topic, value, partition)]);
    }
    between('lz4', (decompress) => async (bytes) => {
      const records = await decompress(bytes);
      return records.includes('damaged') ? damage(bytes, decompress) : records;
    });
    const error = { code: 'log.batch-unreadable', retryable: false, facts: expect.objectContaining({ topic, partition: 0, offset: 2 }) };
    const reader = await Reader.subscribe(log, { group: `g-${topic}`, topics: [topic], sessionTimeoutMs: 3_000 });
    await expect(reader.pollUntil(() => false)).rejects.toMatchObject(error);
    expect(reader.records.filter(({ partition }) => partition === 0).map(({ value }) => value?.toString())).toEqual(['a', 'b']);
    await reader.subscription.close();
    await expect(log.read({ topic, partition: 0, offset: 0 }, { maxRecords: 10 })).rejects.toMatchObject(error);
    expect((await log.read({ topic, partition: 0, offset: 3 }, { maxRecords: 10 })).records.map(({ value }) => value?.toString())).toEqual(['c']);
  });
});
