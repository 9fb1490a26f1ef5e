import { defineApp, type App } from '../../../src/app/define-app';
import { mirroring } from '../../../src/app/dead-letters';
import { TOKENS } from '../../../src/app/container';
import type { ConnectedApp } from '../../../src/app/connect';
import type { LogRecord } from '../../../src/events/event-log';
import { Decimal } from '../../../src/kernel/decimal';
import { projection } from '../../../src/projections/projection';
import { ConnectedWorld, allFolded, poolOf } from '../../support/connected';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { OrderPlaced, orderSummary, shopEvents } from '../../support/shop';

const order = (id: string, customer: string): OrderPlaced => new OrderPlaced(id, customer, Decimal.parse('1.00'), new Date(0));
const shop = defineApp({
  name: 'shop',
  events: [...shopEvents],
  topics: { orders: { partitions: 1 } },
  projections: [
    projection({ name: 'order-summary', version: 1, into: orderSummary, failures: { parkedEvents: 2, overflow: 'log' } }).on(OrderPlaced, (e) => {
      if (e.customerId === 'X') {
        throw new TypeError('no customer X');
      }
      return { order_id: e.orderId, customer_id: e.customerId, status: 'placed' as const, amount: e.amount, changed_at: e.placedAt };
    }),
  ],
}) as App;

describeWithPostgres('the dead-letter topic', () => {
  let world: ConnectedWorld;
  beforeEach(async () => {
    world = await ConnectedWorld.open('dead-letters');
  });
  afterEach(() => world.close());

  const open = async (deadLetterTopic: string): Promise<ConnectedApp> => {
    const connection = await world.connect(shop, { configuration: { deadLetterTopic } });
    await connection.migrate();
    return connection;
  };
  const letters = async ({ log }: ConnectedApp): Promise<readonly LogRecord[]> => {
    const partitions = (await log.topicAdmin.describe(['dead'])).length === 0 ? [] : await log.partitions(['dead']);
    return (await Promise.all(partitions.map((one) => log.read({ ...one, offset: 0 }, { maxRecords: 100 })))).flatMap(({ records }) => records);
  };
  const offsets = (found: readonly LogRecord[]): readonly string[] => found.map(({ headers }) => headers['__connect.errors.offset']!);

  it('gets what workers park, with where it comes from, also what overflows', async () => {
    const connection = await open('dead');
    await connection.emit([order('a', 'X'), order('b', '1'), order('a', '1'), order('a', '2')]);
    const worker = world.work(connection, { announceMs: 20 });
    await allFolded(connection);
    await until(async () => (await letters(connection)).length === 3, 'all parked events are mirrored');
    const found = await letters(connection);
    expect(offsets(found)).toEqual(['0', '2', '3']);
    const { records } = await connection.log.read({ topic: 'orders', partition: 0, offset: 0 }, { maxRecords: 10 });
    expect(found.map(({ key, value, headers }) => [key, value, headers['ce_id']])).toEqual(
      records.filter(({ key }) => key!.toString() === 'a').map(({ key, value, headers }) => [key, value, headers['ce_id']]),
    );
    expect(found.map(({ headers }) => headers['__connect.errors.exception.class.name'])).toEqual(['handler.failed', 'parked.follower', 'parked.follower']);
    expect(found[2]!.headers['kafka_dlt-original-offset']).toBe(Buffer.from([0, 0, 0, 0, 0, 0, 0, 3]).toString('base64'));
    const [{ parked, generation }] = (await connection.parked.list()) as [Awaited<ReturnType<ConnectedApp['parked']['list']>>[0]];
    expect((await connection.parked.events({ parked, generation })).map(({ record }) => record.value)).toEqual(found.map(({ value }) => value));
    await worker.stop();
  });

  it('gets everything at least once though its writer dies, from one process at a time, and nobody waits for it', async () => {
    const connection = await open('');
    await connection.emit([order('a', 'X'), order('a', '1')]);
    const worker = world.work(connection, { announceMs: 20 });
    await allFolded(connection);
    await worker.stop();
    expect(await letters(connection)).toEqual([]);
    const book = connection.container.resolve(TOKENS.deadLetters);
    let others: number | undefined;
    const dying = book.mirror(10, async (found) => {
      others = await book.mirror(10, () => Promise.reject(new Error('two at a time')));
      await connection.log.createTopics([{ topic: 'dead', partitions: 1 }]);
      await connection.log.append(
        found.map(({ event: { record } }) => ({ ...record, topic: 'dead', key: record.key!, headers: { '__connect.errors.offset': String(record.offset) } })),
      );
      await poolOf(connection).query('DELETE FROM refold.parked_events WHERE record_offset < 0'); // a redrive would not wait either
      throw new Error('this process is dead');
    });
    await expect(dying).rejects.toThrow('this process is dead');
    expect(others).toBe(0);
    const mirror = mirroring({ deadLetterTopic: 'dead' }, connection.container);
    expect(await mirror()).toBe(2);
    expect(await mirror()).toBe(0);
    expect(offsets(await letters(connection))).toEqual(['0', '1', '0', '1']);
  });
});
