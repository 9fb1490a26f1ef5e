import { randomUUID } from 'node:crypto';
import { Kafka, Partitioners, logLevel, type Transaction } from 'kafkajs';
import { FencedOutbox } from '../../../src/commands/adapters/postgres/fenced-outbox';
import { PostgresJournal } from '../../../src/commands/adapters/postgres/journal';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';
import type { FencedPublisher, PlacedRecord } from '../../../src/events/fenced-publisher';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { until } from '../../support/harness';
import { journalEntry, journalSuite, recordsOf } from '../../conformance/journal.suite';
import { describeWithKafka, describeWithPostgres, freshDatabase, kafkaBrokers, type TestDatabase } from '../../support/services';

type Publish = FencedPublisher['publish'];
/** Stands between outbox and publisher: what happens to a batch. */
type Fault = (publish: Publish, records: readonly PlacedRecord[]) => ReturnType<Publish>;

const lease = { owner: 'x', leaseMs: 60_000 };
const died: Fault = () => Promise.reject(new Error('broken on purpose'));

const define = (): void => {
  let database: TestDatabase;
  let pool: PostgresPool;
  let brokers: string[];
  let log: KafkaEventLog;
  const outboxes: FencedOutbox[] = [];
  beforeAll(async () => {
    database = await freshDatabase('fenced-outbox');
    pool = new PostgresPool({ url: database.url, max: 12 });
    await migrate(pool);
    brokers = await kafkaBrokers();
    log = new KafkaEventLog({ brokers, clientId: 'test' });
  });
  afterEach(async () => {
    await Promise.all(outboxes.splice(0).map((outbox) => outbox.release({ owner: 'nobody', leaseMs: 0 })));
  });
  afterAll(async () => {
    await log.close();
    await pool.close();
    await database.drop();
  });

  /** A process: an outbox whose next batch meets a fault. */
  const outboxOf = (app: string): { readonly outbox: FencedOutbox; readonly next: (fault: Fault) => void } => {
    let fault: Fault | undefined;
    const publisher = (incarnation: string): FencedPublisher => {
      const real = log.fencedPublisher(`refold.${app}.${incarnation}`);
      const publish: Publish = (records) => {
        const [now, straight] = [fault, real.publish.bind(real)];
        fault = undefined;
        return now === undefined ? straight(records) : now(straight, records);
      };
      return { fence: () => real.fence(), readToEnd: (from, tell) => real.readToEnd(from, tell), close: () => real.close(), publish };
    };
    const outbox = new FencedOutbox({ pool, app, log, publisher });
    outboxes.push(outbox);
    return { outbox, next: (given) => (fault = given) };
  };
  const world = async () => {
    const topic = `counters-${randomUUID()}`;
    const app = `counters-${randomUUID()}`;
    await log.createTopics([{ topic, partitions: 2 }]);
    return { topic, app, journal: new PostgresJournal({ pool, app }) };
  };
  /** A commit is answered before its end can be read. */
  const inLog = async (topic: string, count: number) => {
    await until(async () => (await recordsOf(log, topic)).length >= count, `${String(count)} records can be read`);
    return (await recordsOf(log, topic)).map(({ headers }) => [headers['ce_id'], Number(headers['ce_journalsequence'])]);
  };
  const begin = async (topic: string): Promise<Transaction> => {
    const kafka = new Kafka({ brokers, clientId: 'foreign', logLevel: logLevel.NOTHING, retry: { initialRetryTime: 20 } });
    const producer = kafka.producer({ transactionalId: randomUUID(), maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic, acks: -1, messages: [0, 1].map((partition) => ({ key: 'k', value: 'foreign', partition })) });
    const ended = (end: 'commit' | 'abort') => async () => {
      await transaction[end]();
      await producer.disconnect();
    };
    return { ...transaction, commit: ended('commit'), abort: ended('abort') };
  };

  describe('as an outbox', () => {
    journalSuite(async () => {
      const { topic, app, journal } = await world();
      const { outbox, next } = outboxOf(app);
      return { journal, outbox, log, topic, breakLog: () => next(died) };
    });
  });

  it.each([
    ['before it was published', died],
    [
      'after it was published, before it was marked',
      async (publish: Publish, records: readonly PlacedRecord[]) => (await publish(records)) && died(publish, records),
    ],
  ])('another process goes on where one died: %s', async (_, fault) => {
    const { topic, app, journal } = await world();
    await journal.append(journalEntry(topic, 'a', 0, 2, 'first'));
    await journal.append(journalEntry(topic, 'b', 0, 1));
    const [dead, alive] = [outboxOf(app), outboxOf(app)];
    expect(await dead.outbox.publish(lease, 1)).toBe(1);
    dead.next(fault);
    await expect(dead.outbox.publish(lease, 10)).rejects.toThrow('broken on purpose');
    expect(await journal.published('first')).toBeUndefined();
    await journal.append(journalEntry(topic, 'a', 2, 1));
    expect([await alive.outbox.publish(lease, 10), await alive.outbox.publish(lease, 10), await alive.outbox.publish(lease, 10)]).toEqual([2, 1, 0]);
    expect((await inLog(topic, 4)).sort((one, other) => Number(one[1]) - Number(other[1]))).toEqual([
      ['a-1', 1],
      ['a-2', 2],
      ['b-1', 3],
      ['a-3', 4],
    ]);
    expect(await journal.published('first')).toHaveLength(2);
  });

  it('shuts out a process that only slept: its batch lands once, by whoever took over', async () => {
    const { topic, app, journal } = await world();
    await journal.append(journalEntry(topic, 'a', 0, 3));
    const [asleep, alive] = [outboxOf(app), outboxOf(app)];
    asleep.next(async (publish, records) => {
      expect(await alive.outbox.publish(lease, 10)).toBe(3);
      return publish(records);
    });
    await expect(asleep.outbox.publish(lease, 10)).rejects.toMatchObject({ code: 'relay.lease-held', retryable: true });
    expect(await asleep.outbox.publish(lease, 10)).toBe(0);
    expect((await inLog(topic, 3)).map(([id]) => id)).toEqual(['a-1', 'a-2', 'a-3']);
    await journal.append(journalEntry(topic, 'a', 3, 1));
    expect(await asleep.outbox.publish(lease, 10)).toBe(1); // it has the lease, so it shuts the other out in turn
    expect(await inLog(topic, 4)).toHaveLength(4);
  });

  it('decides nothing while the transaction of another producer hides the end of the log', async () => {
    const { topic, app, journal } = await world();
    await journal.append(journalEntry(topic, 'a', 0, 2));
    const { outbox, next } = outboxOf(app);
    const foreign = await begin(topic);
    next(async (publish, records) => (await publish(records)) && died(publish, records));
    await expect(outbox.publish(lease, 10)).rejects.toThrow('broken on purpose');
    await expect(outbox.publish(lease, 10)).rejects.toMatchObject({ code: 'relay.log-unsettled', retryable: true });
    await foreign.commit();
    expect(await outbox.publish(lease, 10)).toBe(2);
    const ids = (await recordsOf(log, topic)).flatMap(({ headers }) => headers['ce_id'] ?? []);
    expect(ids).toEqual(['a-1', 'a-2']);
  });

  it('stops where the log holds a part of a batch only', async () => {
    const { topic, app, journal } = await world();
    await journal.append(journalEntry(topic, 'a', 0, 3));
    const { outbox, next } = outboxOf(app);
    next(async (publish, records) => {
      await log.append(records.slice(0, 2));
      return died(publish, records);
    });
    await expect(outbox.publish(lease, 10)).rejects.toThrow('broken on purpose');
    const refused = outbox.publish(lease, 10);
    await expect(refused).rejects.toMatchObject({ code: 'relay.partly-published', retryable: false, facts: { entries: 3, found: 2, missing: 3 } });
    expect(await inLog(topic, 2)).toHaveLength(2);
  });
};

describeWithPostgres('the outbox beside a log in Kafka', () => describeWithKafka('with fenced transactions', define));
