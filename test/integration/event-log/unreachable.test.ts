import net from 'node:net';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';
import { PostgresEventLog } from '../../../src/events/adapters/postgres/postgres-event-log';
import type { EventLog } from '../../../src/events/event-log';
import { PostgresPool } from '../../../src/platform/postgres/pool';

/** A port that nobody listens on. */
const deadPort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });

describe('a log that does not answer', () => {
  const calls = (log: EventLog): [string, () => Promise<unknown>][] => [
    ['heads', () => log.heads(['t'])],
    ['append', () => log.append([{ topic: 't', key: Buffer.from('k'), value: null, headers: {} }])],
    ['subscribe', () => log.subscribe({ group: 'g', topics: ['t'], positions: async () => new Map() })],
    ['read', () => log.read({ topic: 't', partition: 0, offset: 0 }, { maxRecords: 1 })],
    ['createTopics', () => log.createTopics([{ topic: 't', partitions: 1 }])],
  ];

  it('is named with its address by every call: Kafka', async () => {
    const address = `127.0.0.1:${await deadPort()}`;
    const log = new KafkaEventLog({ brokers: [address], clientId: 'test' });
    await Promise.all(
      calls(log).map(async ([, call]) => {
        await expect(call()).rejects.toMatchObject({ code: 'log.unreachable', facts: { brokers: [address] } });
      }),
    );
    await log.close();
  }, 20_000);

  it('is named with its address by every call: Postgres', async () => {
    const port = await deadPort();
    const pool = new PostgresPool({ url: `postgres://nobody@127.0.0.1:${port}/none` });
    const log = new PostgresEventLog({ pool, app: 'test' });
    for (const [, call] of calls(log)) {
      await expect(call()).rejects.toMatchObject({ code: 'log.unreachable', facts: { address: '127.0.0.1', port } });
    }
    await log.close();
    await pool.close();
  }, 20_000);
});
