import { randomBytes } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { connect, type ConnectedApp } from '../../../src/app/connect';
import { defineApp, type TopicOptions } from '../../../src/app/define-app';
import { silentLogger, type Logger } from '../../../src/kernel/logger';
import { defineEventType } from '../../../src/events/event-type';
import { planText } from '../../../src/app/cli/topics-commands';
import { describeWithKafka, describeWithPostgres, freshDatabase, kafkaBrokers, type TestDatabase } from '../../support/services';
import { until } from '../../support/harness';

const appOf = (topic: string, options: TopicOptions) => {
  class Noted {}
  defineEventType(Noted, { name: 'shop.Noted', version: 1, topic, key: () => 'o', schema: { type: 'record', fields: [] } });
  return defineApp({ name: 'topics', events: [Noted], projections: [], topics: { [topic]: options } });
};

const suite = (
  brokers: () => Promise<readonly string[]>,
  check: (open: (options: TopicOptions, topic: string, logger?: Logger) => Promise<ConnectedApp>) => Promise<void>,
): void => {
  let database: TestDatabase;
  const opened: ConnectedApp[] = [];
  beforeEach(async () => {
    database = await freshDatabase('topics');
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((connection) => connection.close()));
    await database.drop();
  });
  it('is planned, applied, and then as declared', async () => {
    const list = await brokers();
    await check(async (options, topic, logger = silentLogger) => {
      const log = list.length > 0 ? 'kafka' : 'postgres';
      const connection = await connect(appOf(topic, options), {
        configuration: { postgresUrl: database.url, kafka: { brokers: list }, log },
        environment: {},
        logger,
      });
      opened.push(connection);
      return connection;
    });
  });
};

const newTopic = (): string => `kept-${randomBytes(4).toString('hex')}`;

describeWithPostgres('a topic of the log in Postgres', () => {
  suite(
    () => Promise.resolve([]),
    async (open) => {
      const topic = newTopic();
      const connection = await open({ partitions: 3, retention: '1 day' }, topic);
      await connection.migrate();
      const [plan] = await connection.topics.plan();
      expect(plan).toEqual({ topic, incomplete: 'records are deleted after 86400000 ms', differences: [] });
      expect(planText([plan!])).toContain(topic);
      const shorter = await open({ partitions: 3, retention: '1 hour' }, topic);
      expect((await shorter.topics.plan())[0]!.differences).toMatchObject([{ setting: 'retentionMs', found: '86400000', refused: undefined }]);
      expect((await shorter.topics.apply())[0]!.differences).toEqual([]);
      const compacted = await open({ partitions: 3, retention: '1 hour', cleanup: 'compact' }, topic);
      expect((await compacted.topics.apply())[0]!.differences).toMatchObject([{ setting: 'cleanup', refused: 'this log has no such setting' }]);

      const old = Date.now() - 7_200_000;
      const note = { topic, partition: 1, key: Buffer.from('o'), value: null, headers: {} };
      await connection.log.append([{ ...note, timestamp: old }, { ...note, timestamp: old }, note]);
      const deleted: unknown[] = [];
      const logger: Logger = { log: (_, message, facts) => void (message.includes('were deleted') && deleted.push(facts)), child: () => logger };
      const watched = await open({ partitions: 3, retention: '1 hour' }, topic, logger);
      const worker = watched.worker({ options: { pollMs: 20, retainEveryMs: 20 } });
      const ended = worker.run();
      await until(() => deleted.length > 0, 'the worker has deleted what is old');
      worker.stop();
      await ended;
      expect(deleted).toEqual([{ topic, partition: 1, start: 2 }]);
      expect((await connection.log.heads([topic]))[1]).toMatchObject({ start: 2, stable: 3 });
      expect(await connection.topics.retain()).toEqual([]);
      expect(await connection.topics.groups()).toEqual([]);
      const more = await open({ partitions: 5 }, topic);
      expect((await more.topics.apply())[0]!.differences).toMatchObject([{ setting: 'partitions', found: '3', declared: '5' }]);
    },
  );
});

describeWithKafka('a topic in Kafka', () => {
  suite(kafkaBrokers, async (open) => {
    const topic = newTopic();
    const connection = await open({ partitions: 2, replication: 1, retention: '7 days' }, topic);
    expect((await connection.topics.plan())[0]!.differences).toMatchObject([{ setting: 'topic', found: 'missing' }]);
    const [made] = await connection.topics.apply();
    expect(made).toMatchObject({ differences: [], incomplete: 'records are deleted after 604800000 ms' });

    const warnings: unknown[] = [];
    const logger: Logger = { log: (level, message, facts) => void (level === 'warn' && warnings.push([message, facts])), child: () => logger };
    const watched = await open({ partitions: 2, retention: '7 days' }, topic, logger);
    await watched.migrate();
    const worker = watched.worker({ options: { pollMs: 20 } });
    const ended = worker.run();
    await until(() => warnings.length > 0, 'the worker has warned');
    worker.stop();
    await ended;
    expect(warnings[0]).toEqual([expect.stringContaining('will not find everything'), { topic, because: 'records are deleted after 604800000 ms' }]);

    const admin = new Kafka({ brokers: await kafkaBrokers(), clientId: 'topics-test', logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const setting = async (name: string): Promise<string> => {
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: topic, configNames: [name] }] });
      return resources[0]!.configEntries[0]!.configValue;
    };
    try {
      const other = { name: 'max.message.bytes', value: '2000000' };
      await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries: [{ name: 'retention.ms', value: '1000' }, other] }] });
      await until(async () => (await setting('retention.ms')) === '1000', 'the setting is known');

      const kept = await open({ partitions: 2 }, topic);
      const [plan] = await kept.topics.plan();
      expect(plan!.differences).toMatchObject([{ setting: 'retentionMs', found: '1000', declared: 'unlimited', refused: undefined }]);
      expect(await kept.topics.apply()).toEqual([{ topic, differences: [], incomplete: undefined }]);
      expect(await setting('max.message.bytes')).toBe('2000000'); // what others have set stays
    } finally {
      await admin.disconnect();
    }
  });
});
