import { connect, type ConnectedApp } from '../../../src/app/connect';
import { defineApp, type App } from '../../../src/app/define-app';
import type { Worker } from '../../../src/app/worker';
import { Decimal } from '../../../src/kernel/decimal';
import { CustomerDaily, customerDailyV2, OrderPlaced, OrderShipped, OrderSummary, shopEvents } from '../../support/shop';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';
import { until } from '../../support/harness';

const dec = Decimal.parse;
const day = (n: number): Date => new Date(Date.UTC(2026, 0, n, 12));
const orders = (from: number, to: number): object[] =>
  Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    return new OrderPlaced(`o${String(n)}`, `c${String(n % 5)}`, dec(n % 10 === 0 ? '0.00' : `${String(n)}.25`), day(1 + Math.floor(n / 20)));
  });

const shop = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary, CustomerDaily, customerDailyV2] });
const shopV1 = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary, CustomerDaily] });

describeWithPostgres('the whole path', () => {
  let database: TestDatabase;
  const closing: (() => Promise<void>)[] = [];
  beforeEach(async () => {
    database = await freshDatabase('path');
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) {
      await close();
    }
    await database.drop();
  });
  const connected = async (app: App): Promise<ConnectedApp> => {
    const connection = await connect(app, { configuration: { postgresUrl: database.url }, environment: {} });
    closing.push(() => connection.close());
    return connection;
  };
  const working = (connection: ConnectedApp): Worker => {
    const worker = connection.worker({ options: { pollMs: 20 } });
    const ended = worker.run();
    ended.catch(() => undefined);
    closing.push(async () => {
      worker.stop();
      await ended;
    });
    return worker;
  };
  const active = async (connection: ConnectedApp): Promise<readonly string[]> =>
    (await connection.generations())
      .filter(({ generation }) => generation.status === 'active')
      .map(({ generation: g }) => `${g.projection} v${String(g.version)}.r${String(g.run)}`);

  it('ends its workers in good order when the connection is closed', async () => {
    const connection = await connected(shopV1);
    await connection.migrate();
    const ended = connection.worker({ options: { pollMs: 20 } }).run();
    await until(async () => (await active(connection)).length === 2, 'both projections are active');
    await connection.close();
    await expect(ended).resolves.toBeUndefined();
  });

  it('builds the first generations, replays a new version beside them, cuts over, rolls back, retires', async () => {
    const first = await connected(shopV1);
    await expect(first.query('order_summary' as never)).rejects.toMatchObject({ code: 'projection.not-active' });
    await first.migrate();
    await first.emit(orders(0, 100));
    const v1 = working(first);
    await until(async () => (await active(first)).length === 2, 'both projections are active');
    const daily = async (): Promise<bigint> => {
      const rows = (await first.query('customer_daily' as never)) as unknown as { orders: bigint }[];
      return rows.reduce((total, row) => total + row.orders, 0n);
    };
    expect(await daily()).toBe(100n);
    v1.stop();

    const second = await connected(shop);
    working(second);
    await until(async () => (await second.generations()).length === 2, 'nothing is built without a replay');
    await second.emit([...orders(100, 120), new OrderShipped('o1', day(9))]);
    let replay = await startWhenWorkerIsThere(second);
    let status = await second.replays.runUntil(replay.id, 'ready');
    expect(status.state).toBe('ready');
    const verdict = await second.replays.diff(replay.id);
    expect(JSON.stringify(verdict)).toContain('orders');
    expect(await daily()).toBe(120n);
    await second.replays.cutover(replay.id);
    expect(await daily()).toBe(108n);
    expect(await active(second)).toContain('customer-daily v2.r1');
    await second.replays.rollback(replay.id);
    expect(await daily()).toBe(120n);
    await second.replays.cutover(replay.id);
    await second.emit(orders(120, 130));
    await until(async () => (await daily()) === 117n, 'the new generation follows');
    status = await second.replays.status(replay.id);
    expect(status.state).toBe('done');
    await second.replays.retire(replay.id);
    expect((await second.generations()).map(({ generation }) => generation.status).sort()).toEqual(['active', 'active', 'retired']);
    replay = (await second.replays.list())[0]!;
    expect(replay.state).toBe('done');
  });

  const startWhenWorkerIsThere = async (connection: ConnectedApp): ReturnType<ConnectedApp['replays']['start']> => {
    let replay: Awaited<ReturnType<ConnectedApp['replays']['start']>> | undefined;
    await until(async () => {
      try {
        replay = await connection.replays.start({ projections: [{ name: 'customer-daily', version: 2 }] });
        return true;
      } catch (error) {
        expect(error).toMatchObject({ code: 'replay.no-worker' });
        return false;
      }
    }, 'a live worker has announced both versions');
    return replay!;
  };
});
