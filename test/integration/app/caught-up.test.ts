import { connect, type ConnectedApp } from '../../../src/app/connect';
import { defineApp } from '../../../src/app/define-app';
import { firstUnseen } from '../../../src/app/reading';
import { Decimal } from '../../../src/kernel/decimal';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';
import { OrderPlaced, OrderShipped, OrderSummary, shopEvents } from '../../support/shop';

const shop = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary] });
const placed = (id: string): OrderPlaced => new OrderPlaced(id, 'c', Decimal.parse('1.00'), new Date('2026-01-01T12:00:00.000Z'));

describe('what readers have not seen', () => {
  const at = (partition: number, offset: number) => ({ topic: 't', partition, offset });
  const checkpoints = [
    { topic: 't', partition: 0, next: 5 },
    { topic: 't', partition: 1, next: 0 },
  ];

  it('is the first position that no checkpoint has passed', () => {
    expect(firstUnseen(checkpoints, [])).toBeUndefined();
    expect(firstUnseen(checkpoints, [at(0, 0), at(0, 4)])).toBeUndefined();
    expect(firstUnseen(checkpoints, [at(0, 4), at(0, 5), at(0, 6)])).toEqual(at(0, 5));
    expect(firstUnseen(checkpoints, [at(1, 0)])).toEqual(at(1, 0));
    expect(firstUnseen(checkpoints, [at(2, 0)])).toEqual(at(2, 0));
  });
});

describeWithPostgres('reading what was written', () => {
  let database: TestDatabase;
  let connection: ConnectedApp<readonly [typeof OrderSummary]>;
  beforeEach(async () => {
    database = await freshDatabase('caught_up');
    connection = await connect(shop, { configuration: { postgresUrl: database.url }, environment: {} });
    await connection.migrate();
  });
  afterEach(async () => {
    await connection.close();
    await database.drop();
  });

  it('waits for the position of an event, and says what is not there yet', async () => {
    const first = await connection.emit([placed('1')]);
    await expect(connection.caughtUp('order_summary', first, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'projection.not-active' });
    const worker = connection.worker({ options: { pollMs: 20 } });
    const ended = worker.run();
    await connection.caughtUp('order_summary', first);
    for (let i = 2; i < 12; i += 1) {
      const id = String(i);
      await connection.emit([placed(id)]);
      await connection.caughtUp('order_summary', await connection.emit([new OrderShipped(id, new Date('2026-01-02T12:00:00.000Z'))]));
      const [row] = await connection.db.selectFrom('order_summary').select('status').where('order_id', '=', id).execute();
      expect(row).toEqual({ status: 'shipped' });
    }
    worker.stop();
    await ended;

    const unseen = await connection.emit([placed('12')]);
    await expect(connection.caughtUp('order_summary', unseen, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'projection.behind', facts: unseen[0]! });
    await expect(connection.caughtUp('order_summary', { command: 'nobody gave it' }, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'projection.behind' });
    await expect(connection.caughtUp('order_summary', unseen, { store: 'clickhouse' })).rejects.toMatchObject({ code: 'config.invalid' });
    await expect(connection.caughtUp('nothing' as never, unseen)).rejects.toMatchObject({ code: 'projection.unknown' });
  });
});
