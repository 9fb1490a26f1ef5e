import { randomUUID } from 'node:crypto';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';
import { seeded } from '../../e2e/support/command-plan';
import { Reader, until } from '../../conformance/support/reader';
import { interleave } from '../../support/interleaved-transactions';
import { kafkaConsole } from '../../support/kafka-console';
import { describeWithKafka, kafkaBrokers } from '../../support/services';

const SEED = Number(process.env['REFOLD_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const HISTORIES = 3;
const STEPS = 120;

describeWithKafka('transactions of several producers in one partition', () => {
  let brokers: string[];
  let log: KafkaEventLog;
  beforeAll(async () => {
    process.stderr.write(`seed ${String(SEED)} (REFOLD_TEST_SEED repeats it)\n`);
    brokers = await kafkaBrokers();
    log = new KafkaEventLog({ brokers, clientId: 'test' });
  });
  afterAll(() => log.close());

  const historyOf = async (seed: number) => {
    const topic = `interleaved-${randomUUID()}`;
    await log.createTopics([{ topic, partitions: 1 }]);
    const { committed, end } = await interleave(brokers, topic, STEPS, seeded(seed));
    await until(async () => (await log.heads([topic]))[0]!.stable === end);
    return { topic, committed: [...committed].sort(([a], [b]) => a - b), end };
  };

  const readFrom = async (topic: string, offset: number, maxRecords: number, end: number): Promise<[number, string][]> => {
    const found: [number, string][] = [];
    for (let next = offset; next < end;) {
      const batch = await log.read({ topic, partition: 0, offset: next }, { maxRecords });
      found.push(...batch.records.map(({ offset: at, value }): [number, string] => [at, value!.toString()]));
      expect(batch.next).toBeGreaterThan(next);
      next = batch.next;
    }
    return found;
  };

  it.each(Array.from({ length: HISTORIES }, (_, i) => SEED + i))(
    'nothing aborted is delivered and nothing committed is lost, from wherever reading begins; seed %i',
    async (seed) => {
      const { topic, committed, end } = await historyOf(seed);
      expect(committed.length).toBeGreaterThan(10);
      expect(end).toBeGreaterThan(committed.length + STEPS / 10); // there are aborted records and markers too

      const random = seeded(seed + 1);
      const starts = [0, ...Array.from({ length: 8 }, () => Math.floor(random() * end))];
      for (const start of starts) {
        expect(await readFrom(topic, start, 1 + Math.floor(random() * 50), end)).toEqual(committed.filter(([offset]) => offset >= start));
      }

      const group = `g-${randomUUID()}`;
      const reader = await Reader.subscribe(log, { group, topics: [topic], sessionTimeoutMs: 3_000, maxQueuedRecords: 1 + Math.floor(random() * 30) });
      await reader.pollUntil(() => reader.begin.get(`${topic}/0`) === end, { maxRecords: 7 });
      expect(reader.records.map(({ offset, value }) => [offset, value!.toString()])).toEqual(committed);
      await reader.subscription.commit([{ topic, partition: 0, offset: end }]);
      await reader.subscription.close();
    },
  );

  it('the offset committed to the group counts markers and aborted records, so that tools of others see no lag', async () => {
    const { topic, end } = await historyOf(SEED + HISTORIES);
    const group = `g-${randomUUID()}`;
    const reader = await Reader.subscribe(log, { group, topics: [topic], sessionTimeoutMs: 3_000 });
    await reader.pollUntil(() => reader.begin.get(`${topic}/0`) === end);
    await reader.subscription.commit([{ topic, partition: 0, offset: reader.begin.get(`${topic}/0`)! }]);
    await reader.subscription.close();
    const told = (await kafkaConsole('consumer.group.ConsumerGroupCommand', ['--bootstrap-server', brokers[0]!, '--describe', '--group', group])).toString();
    const [, , partition, current, logEnd, lag] = told
      .split('\n')
      .find((line) => line.includes(topic))!
      .trim()
      .split(/\s+/);
    expect([partition, current, logEnd, lag]).toEqual(['0', String(end), String(end), '0']);
  });
});
