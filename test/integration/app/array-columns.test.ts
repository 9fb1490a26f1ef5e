import { connect, type ConnectedApp } from '../../../src/app/connect';
import { cleanModels } from '../../../src/app/cleaning';
import { TOKENS } from '../../../src/app/container';
import { defineApp } from '../../../src/app/define-app';
import { Decimal } from '../../../src/kernel/decimal';
import { array, bigint, decimal, min, text, timestamp, uuid } from '../../../src/projections/columns';
import type { StoreKind } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { rowSelection } from '../../../src/projections/row-query';
import { until } from '../../support/harness';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { OrderErased, OrderPlaced, shopEvents } from '../../support/shop';

const baskets = readModel('baskets', {
  id: uuid().key(),
  owner: uuid().nullable(),
  tags: array(text()),
  sizes: array(bigint()),
  prices: array(decimal(20, 2)),
  times: array(timestamp()),
  ids: array(uuid()),
});
const both = ['postgres', 'clickhouse'] as const;
const version = (number: number, tag: string) =>
  projection({ name: 'baskets', version: number, into: baskets, store: [...both] })
    .on(OrderPlaced, (e) => ({
      id: e.orderId,
      owner: e.orderId.toUpperCase(),
      tags: [e.customerId, e.customerId === 'bob' ? tag : 'a"b,c\\'],
      sizes: [9007199254740993n, -1n],
      prices: [e.amount, Decimal.parse('-999999999999999999.99')],
      times: [e.placedAt, new Date(-1)],
      ids: [e.orderId],
    }))
    .on(OrderErased, () => undefined);
const [v1, v2] = [version(1, 'x'), version(2, 'y')];
const shop = defineApp({ name: 'arrays', events: [...shopEvents], projections: [v1, v2] });
/** In this order; ClickHouse's own is the other way round. */
const [first, second] = ['00000000-0000-0000-ffff-000000000000', 'ffffffff-0000-0000-0000-000000000000'];
const at = new Date(Date.UTC(2026, 0, 1));
const rowOf = (id: string, customer: string, tag: string, amount: string) => ({
  id,
  owner: id,
  tags: [customer, tag],
  sizes: [9007199254740993n, -1n],
  prices: [Decimal.parse(amount), Decimal.parse('-999999999999999999.99')],
  times: [at, new Date(-1)],
  ids: [id],
});

describe('columns of arrays and of UUIDs', () => {
  it('are refused where no store could hold or compare them', () => {
    const refused = expect.objectContaining({ code: 'definition.invalid' });
    expect(() => readModel('r', { k: text().key(), least: min(uuid()) })).toThrow(refused);
    expect(() => readModel('r', { k: text().key(), many: array(text().nullable() as never) })).not.toThrow();
    expect(() => readModel('r', { k: text().key(), many: { ...array(text()), definition: { ...array(text()).definition, nullable: true } } })).toThrow(refused);
    expect(() => rowSelection(baskets.definition, { where: { tags: ['a'] } })).toThrow('arrays');
  });
});

describeWithClickHouse('arrays and UUIDs', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let connection: ConnectedApp<readonly [typeof v1, typeof v2]>;
  beforeAll(async () => {
    [database, analytics] = [await freshDatabase('arrays'), await freshClickHouse('arrays')];
    const before = defineApp({ name: 'arrays', events: [...shopEvents], projections: [v1] });
    const configuration = { postgresUrl: database.url, clickhouseUrl: analytics.url };
    const old = await connect(before, { configuration, environment: {} });
    await old.migrate();
    await old.emit([new OrderPlaced(second, 'bob', Decimal.parse('2.50'), at), new OrderPlaced(first, 'ann', Decimal.parse('0.10'), at)]);
    const worker = old.worker({ options: { pollMs: 20 } });
    const ended = worker.run();
    await until(async () => {
      const states = await old.generations();
      return (
        states.length === 2 &&
        states.every(({ generation, checkpoints }) => generation.status === 'active' && checkpoints.reduce((sum, { next }) => sum + next, 0) === 2)
      );
    }, 'all is folded');
    worker.stop();
    await ended;
    await old.close();
    connection = await connect(shop, { configuration, environment: {} });
    void connection.worker({ options: { pollMs: 20 } }).run();
  });
  afterAll(async () => {
    await connection?.close();
    await Promise.all([database?.drop(), analytics?.drop()]);
  });
  const expected = [rowOf(first, 'ann', 'a"b,c\\', '0.10'), rowOf(second, 'bob', 'x', '2.50')];

  it.each<StoreKind>([...both])('are read exactly and in one order: %s', async (store) => {
    expect(await connection.query('baskets', { store })).toEqual(expected);
    expect(await connection.query('baskets', { store, orderBy: ['-id'], columns: ['id'] })).toEqual([{ id: second }, { id: first }]);
    expect(await connection.query('baskets', { store, where: { id: { gt: first } }, columns: ['tags'] })).toEqual([{ tags: ['bob', 'x'] }]);
    expect(await connection.query('baskets', { store, where: { owner: [first] }, columns: ['id'] })).toEqual([{ id: first }]);
  });

  it('are read exactly through the typed query builder', async () => {
    expect(await connection.db.selectFrom('baskets').selectAll().orderBy('id').execute()).toEqual(expected);
  });

  it('are cleaned by command: what was deleted leaves the table', async () => {
    const third = '11111111-0000-0000-0000-000000000000';
    await connection.emit([new OrderPlaced(third, 'cy', Decimal.parse('1.00'), at)]);
    const shown = async (): Promise<number> => (await connection.query('baskets', { store: 'clickhouse' })).length;
    await until(async () => (await shown()) === 3, 'it is there');
    await connection.emit([new OrderErased(third)]);
    await until(async () => (await shown()) === 2, 'it is gone');
    expect(await cleanModels(connection.container, 'baskets')).toEqual([{ generation: 'baskets v1.r1 (clickhouse)', removed: 1 }]);
    await expect(cleanModels(connection.container, 'nothing')).rejects.toMatchObject({ code: 'projection.unknown' });
    expect(await connection.query('baskets', { store: 'clickhouse' })).toEqual(expected);
  });

  it('are compared by a replay, which shows which array changed, in both stores', async () => {
    await until(async () => (await connection.container.resolve(TOKENS.catalog).liveWorkers(5_000)).length > 0, 'a worker lives');
    const replay = await connection.replays.start({ projections: [{ name: 'baskets', version: 2 }] });
    const { verdict } = await connection.replays.runUntil(replay.id, 'ready');
    for (const store of both) {
      const diff = verdict!.members.find((member) => member.store === store)!;
      expect(diff).toMatchObject({ changed: 1, changedByColumn: { tags: 1 }, onlyBefore: 0, onlyAfter: 0 });
    }
  });
});
