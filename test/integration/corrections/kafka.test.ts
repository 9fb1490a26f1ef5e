import { randomUUID } from 'node:crypto';
import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { defineApp } from '../../../src/app/define-app';
import { defineEventType } from '../../../src/events/event-type';
import { count, integer, text } from '../../../src/projections/columns';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { until } from '../../support/harness';
import { describeWithKafka, freshDatabase, kafkaBrokers, type TestDatabase } from '../../support/services';
import { startWorker, type WorkerHandle } from '../replay/world';

class Counted {
  constructor(
    readonly id: string,
    readonly n: number,
  ) {}
}
const topic = `corrected-${randomUUID()}`;
defineEventType(Counted, {
  name: 'kafka.Counted',
  version: 1,
  topic,
  key: (e) => e.id,
  schema: {
    type: 'record',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'n', type: 'int' },
    ],
  },
});
const counters = readModel('counters', { id: text().key(), n: integer() });
const totals = readModel('totals', { parity: text().key(), events: count() });
const counting = projection({ name: 'counters', version: 1, into: counters }).on(Counted, (e, row) => ({ id: e.id, n: (row?.n ?? 0) + e.n }));
const totalling = projection({ name: 'totals', version: 1, into: totals }).on(Counted, (e) =>
  totals.contribution({ parity: e.n % 2 === 0 ? 'even' : 'odd' }, { events: 1 }),
);

describeWithKafka('corrections over Kafka', () => {
  let database: TestDatabase;
  let connection: ConnectedApp;
  let worker: WorkerHandle;
  beforeAll(async () => {
    database = await freshDatabase('corrections-kafka');
    const app = defineApp({ name: `shop-${randomUUID()}`, events: [Counted], projections: [counting, totalling], topics: { [topic]: { partitions: 3 } } });
    const kafka = { brokers: await kafkaBrokers() };
    connection = await connect(app, { configuration: { postgresUrl: database.url, log: 'kafka', kafka }, environment: {} });
    await connection.migrate();
    await connection.emit(Array.from({ length: 60 }, (_, n) => new Counted(`k${String(n % 20)}`, n)));
    worker = startWorker(connection, 'one');
    await until(async () => (await connection.generations()).filter(({ generation }) => generation.status === 'active').length === 2, 'both are active');
  });
  afterAll(async () => {
    await worker.stop();
    await connection.close();
    await database.drop();
  });

  it('reads by position, in no group', async () => {
    const pool = connection.container.resolve(TOKENS.pool);
    await pool.query(`UPDATE counters SET n = -1 WHERE id IN ('k1', 'k2')`);
    await pool.query(`UPDATE totals SET events = 7 WHERE parity = 'odd'`);
    const { corrections } = connection;
    expect(await corrections.repair({ projection: 'counters', keys: ['k1', 'k2', 'k3'] })).toMatchObject([{ changed: 2, compared: 3 }]);
    expect(await corrections.repair({ projection: 'counters', fromTime: Date.now() - 3_600_000 })).toMatchObject([{ changed: 0, keys: 20 }]);
    expect(await corrections.repair({ projection: 'totals', where: `parity = 'odd'` })).toMatchObject([{ changed: 1 }]);
    expect(await corrections.audit({ projection: 'counters' })).toMatchObject([{ drift: 0 }]);
    expect(await corrections.audit({ projection: 'totals' })).toMatchObject([{ drift: 0 }]);
    expect((await pool.query('SELECT events FROM totals ORDER BY 1')).rows).toEqual([{ events: 30 }, { events: 30 }]);
    const groups = (await connection.topics.groups()).map(({ group }) => group);
    expect(groups.filter((group) => group.startsWith(connection.app.name) && /\.c\d+$/.test(group))).toEqual([]);
  });
});
