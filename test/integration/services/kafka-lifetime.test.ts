import { Kafka, logLevel } from 'kafkajs';
import { acquireServices } from '../../../src/app/services/services';
import { until } from '../../support/harness';
import { allGone, clientProcess, eachInOwnFolder, processesOf } from '../../support/service-processes';
import { describeWithKafka } from '../../support/services';

const withAdmin = async <T>(brokers: readonly string[] | undefined, work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> => {
  const admin = new Kafka({ clientId: 'lifetime-test', brokers: [...(brokers ?? [])], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
};

describeWithKafka('the lifetime of a local broker', () => {
  let folder: string;
  eachInOwnFolder((own) => (folder = own));

  it('ends with its killed user and comes back with its topics, or empty if that is asked for', async () => {
    const client = clientProcess(folder, 'kafka');
    const { kafkaBrokers } = await client.said;
    await withAdmin(kafkaBrokers, (admin) => admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 2 }], waitForLeaders: true }));
    const { all, servers } = processesOf(folder);
    expect(servers).toHaveLength(1);
    client.child.kill('SIGKILL');
    await until(() => allGone(all), 'everything has stopped');
    const again = await acquireServices({ folder, want: { kafka: true }, environment: {} });
    expect(again.kafkaBrokers).toEqual(kafkaBrokers);
    expect(await withAdmin(again.kafkaBrokers, (admin) => admin.listTopics())).toEqual(['kept']);
    const second = processesOf(folder).servers;
    await again.release();
    expect(allGone(second)).toBe(true);
    const empty = await acquireServices({ folder, want: { kafka: true }, environment: {}, fresh: true, durable: false });
    expect(await withAdmin(empty.kafkaBrokers, (admin) => admin.listTopics())).toEqual([]);
    await empty.release();
  });

  it('says what to install where there is no java', async () => {
    const client = clientProcess(folder, 'kafka', { ...process.env, PATH: folder });
    const said = await client.said;
    client.child.stdin?.end();
    expect(said).toMatchObject({
      code: 'service.unavailable',
      message: expect.stringContaining('java'),
      remedy: expect.stringContaining('REFOLD_KAFKA_BROKERS'),
    });
  });
});
