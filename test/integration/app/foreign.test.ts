import { randomBytes } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { connect, type ConnectedApp } from '../../../src/app/connect';
import { defineApp } from '../../../src/app/define-app';
import { defineEventType, EventType } from '../../../src/events/event-type';
import { foreignTopic } from '../../../src/events/foreign';
import { Decimal } from '../../../src/kernel/decimal';
import { count, decimal, sum, text, windowStart } from '../../../src/projections/columns';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { tumbling } from '../../../src/projections/windows/window';
import { until } from '../../support/harness';
import { describeWithKafka, describeWithPostgres, freshDatabase, kafkaBrokers, type TestDatabase } from '../../support/services';
import { coordinatorOver, startWorker, type WorkerHandle } from '../replay/world';

@EventType({
  name: 'tills.Sold',
  version: 1,
  topic: 'tills',
  key: (e) => e.till,
  time: (e) => e.at,
  schema: {
    type: 'record',
    fields: [
      { name: 'till', type: 'string' },
      { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ],
  },
})
class Sold {
  constructor(
    readonly till: string,
    readonly amount: Decimal,
    readonly at: Date,
  ) {}
}

const lastSale = readModel('last_sale', { till: text().key(), amount: decimal(12, 2) });
const daily = readModel('daily_sales', { till: text().key(), day: windowStart(), sales: count(), revenue: sum(decimal(18, 2)) });

const app = defineApp({
  name: 'tills',
  events: [Sold],
  projections: [
    projection({ name: 'last-sale', version: 1, into: lastSale }).on(Sold, ({ till, amount }) => ({ till, amount })),
    projection({ name: 'daily-sales', version: 1, into: daily, window: tumbling('1 day') }).on(Sold, ({ till, amount }) =>
      daily.contribution({ till }, { sales: 1, revenue: amount }),
    ),
  ],
  foreign: [
    foreignTopic({
      topic: 'tills',
      version: 1,
      format: 'json',
      map: ({ value }) => {
        const lines = value as readonly { till: string; amount: string; at: string }[] | null;
        return lines?.map(({ till, amount, at }) => new Sold(till, Decimal.parse(amount), new Date(at)));
      },
    }),
  ],
});

const line = (till: string, amount: string, day = 1): object => ({ till, amount, at: new Date(Date.UTC(1997, 0, day, 12)).toISOString() });

describeWithPostgres('a topic that others write', () => {
  let database: TestDatabase;
  let connection: ConnectedApp;
  let worker: WorkerHandle;
  const write = (partition: number, ...values: readonly unknown[]) =>
    connection.log.append(
      values.map((value) => ({ topic: 'tills', partition, key: Buffer.from('none of ours'), value: Buffer.from(JSON.stringify(value)), headers: {} })),
    );
  const rows = async (model: string): Promise<readonly Record<string, string>[]> =>
    (await connection.query(model as never)).map((row: object) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value)])));
  const stops = async (name: string): Promise<readonly (string | undefined)[]> => {
    const states = await connection.generations();
    const found = states.find(({ generation }) => generation.projection === name && generation.status !== 'retired');
    return found?.checkpoints.map(({ stoppedBy }) => stoppedBy?.code) ?? [];
  };

  beforeAll(async () => {
    database = await freshDatabase('foreign');
    connection = await connect(app, { configuration: { postgresUrl: database.url }, environment: {} });
    await connection.migrate();
    await connection.log.createTopics([{ topic: 'tills', partitions: 2 }]);
    await write(0, [line('a', '1.00'), line('b', '2.00')], null, [line('a', '3.00', 2)]);
    await write(1, [line('c', '4.00')], []);
    worker = startWorker(connection, 'foreign');
    await until(async () => (await connection.generations()).filter(({ generation }) => generation.status === 'active').length === 2, 'both are built');
  });
  afterAll(async () => {
    await worker.stop();
    await connection.close();
    await database.drop();
  });

  it('is not made by `migrate`, and folded in event time', async () => {
    expect(connection.app.topics).toEqual([]);
    expect(await rows('last_sale')).toEqual([
      { till: 'a', amount: '3.00' },
      { till: 'b', amount: '2.00' },
      { till: 'c', amount: '4.00' },
    ]);
    expect((await rows('daily_sales')).map(({ till, sales, revenue }) => [till, sales, revenue])).toEqual([
      ['a', '1', '1.00'],
      ['a', '1', '3.00'],
      ['b', '1', '2.00'],
      ['c', '1', '4.00'],
    ]);
    const { checkpoints } = (await connection.generations()).find(({ generation }) => generation.projection === 'daily-sales')!;
    expect(checkpoints.map(({ streamTime, counters }) => [streamTime, counters.applied, counters.filtered, counters.late])).toEqual([
      [Date.UTC(1997, 0, 2, 12), 2, 1, 0],
      [Date.UTC(1997, 0, 1, 12), 1, 1, 0],
    ]);
  });

  it('is never written to', async () => {
    const sold = new Sold('a', Decimal.parse('1.00'), new Date());
    await expect(connection.emit([sold])).rejects.toMatchObject({ code: 'event.foreign-topic' });
    expect(await connection.log.heads(['tills'])).toMatchObject([{ end: 3 }, { end: 2 }]);
  });

  it('is corrected by errata, whose key is that of the mapped event', async () => {
    const event = { topic: 'tills', partition: 1, offset: 0 };
    expect(await connection.errata.look(event)).toMatchObject({ id: '', key: 'none of ours', events: [{ type: 'tills.Sold', fields: { till: 'c' } }] });
    const replace = (till: string) =>
      connection.errata.add({ event, read: { fields: { till, amount: '5', at: new Date(Date.UTC(1997, 0, 1, 12)).toISOString() } }, reason: 'r' });
    await expect(replace('d')).rejects.toMatchObject({ code: 'errata.key-changed' });
    expect(await replace('c')).toMatchObject({ version: 1, fullReplay: false });
    const coordinator = coordinatorOver(connection);
    const { id } = await coordinator.start({ projections: [{ name: 'last-sale', version: 1 }], again: true });
    await coordinator.runUntil(id, 'done');
    expect((await rows('last_sale')).at(-1)).toEqual({ till: 'c', amount: '5.00' });
    await coordinator.retire(id);
  });

  it('stops a projection by row where a key comes in two partitions; one by measures goes on', async () => {
    await write(1, [line('a', '7.00', 3)]);
    await until(async () => (await stops('last-sale'))[1] === 'key.moved', 'the row-fold has stopped');
    await until(async () => (await rows('daily_sales')).filter(({ till }) => till === 'a').length === 3, 'the other one goes on');
    expect((await rows('last_sale'))[0]).toEqual({ till: 'a', amount: '3.00' });
    expect(await stops('daily-sales')).toEqual([undefined, undefined]);
  });

  it('parks what its mapper cannot read', async () => {
    await connection.log.append([{ topic: 'tills', partition: 0, key: Buffer.from('k'), value: Buffer.from('{"no":"list"}'), headers: {} }]);
    await until(async () => (await connection.parked.list({ projection: 'daily-sales' })).length > 0, 'it is parked');
    expect((await connection.parked.list({ projection: 'daily-sales' })).map(({ parked }) => parked)).toMatchObject([
      { sequence: 'k', partition: 0, events: 1, cause: { code: 'event.undecodable' } },
    ]);
    expect(await stops('daily-sales')).toEqual([undefined, undefined]);
  });
});

describeWithKafka('a topic of Kafka that others write', () => {
  it('is read whatever keys its records have, or none', async () => {
    const topic = `tills-${randomBytes(4).toString('hex')}`;
    class Counted {
      constructor(readonly till: string) {}
    }
    defineEventType(Counted, {
      name: 'tills.Counted',
      version: 1,
      topic,
      key: (e) => e.till,
      schema: { type: 'record', fields: [{ name: 'till', type: 'string' }] },
    });
    const counts = readModel('till_counts', { till: text().key(), n: count() });
    const database = await freshDatabase('foreign-kafka');
    const brokers = await kafkaBrokers();
    const kafka = new Kafka({ brokers: [...brokers], clientId: 'somebody-else', logLevel: logLevel.NOTHING });
    const [admin, producer] = [kafka.admin(), kafka.producer()];
    await Promise.all([admin.connect(), producer.connect()]);
    const connection = await connect(
      defineApp({
        name: 'tills',
        events: [Counted],
        projections: [projection({ name: 'counts', version: 1, into: counts }).on(Counted, ({ till }) => counts.contribution({ till }, { n: 1 }))],
        foreign: [foreignTopic({ topic, version: 1, format: 'json', map: ({ value }) => (value as readonly string[]).map((till) => new Counted(till)) })],
      }),
      { configuration: { postgresUrl: database.url, kafka: { brokers }, log: 'kafka' }, environment: {} },
    );
    try {
      await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true });
      const messages = [
        { partition: 0, key: null, value: '["a","b"]' },
        { partition: 1, key: null, value: '["a"]' },
        { partition: 1, key: 'else', value: '[]' },
      ];
      await producer.send({ topic, messages });
      await connection.migrate();
      const worker = connection.worker({ options: { pollMs: 20 } });
      const ended = worker.run();
      const seen = async () => (await connection.query('till_counts').catch(() => [])).map(({ till, n }) => [till, n]);
      await until(async () => (await seen()).length === 2, 'the model is built');
      expect(await seen()).toEqual([
        ['a', 2n],
        ['b', 1n],
      ]);
      await until(
        async () => (await connection.topics.groups()).some(({ committed }) => committed.every(({ lag }) => lag === 0) && committed.length === 2),
        'offsets are committed',
      );
      worker.stop();
      await ended;
    } finally {
      await Promise.all([admin.disconnect(), producer.disconnect(), connection.close()]);
      await database.drop();
    }
  });
});
