import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import type { NewGeneration } from '../../../src/projections/generations';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';
import { coordinatorOver, orders, shopV1, shopV2 } from './world';

describeWithPostgres('first generations', () => {
  let database: TestDatabase;
  let shop: ConnectedApp;
  beforeEach(async () => {
    database = await freshDatabase('replay-first');
    shop = await open(shopV1);
    await shop.migrate();
  });
  afterEach(async () => {
    await shop.close();
    await database.drop();
  });
  const open = async (app: typeof shopV1 | typeof shopV2): Promise<ConnectedApp> =>
    await connect(app as never, { configuration: { postgresUrl: database.url }, environment: {} });
  const announce = async (connection: ConnectedApp, worker: string): Promise<void> => {
    const announced = connection.app.projections.map(({ name, version, hash }) => ({ projection: name, version, definitionHash: hash }));
    await connection.container.resolve(TOKENS.catalog).announce({ worker, host: 'here', pid: 1, announced });
  };
  const labels = async (): Promise<readonly string[]> =>
    (await shop.generations()).map(({ generation: g }) => `${g.projection} v${String(g.version)}.r${String(g.run)} ${g.status}`);

  it('are created once and activated once, however many workers try', async () => {
    await announce(shop, 'a');
    await Promise.all(Array.from({ length: 6 }, () => coordinatorOver(shop).ensureFirstGenerations()));
    expect(await labels()).toEqual(['customer-daily v1.r1 candidate', 'order-summary v1.r1 candidate']);
    const [daily] = (await shop.generations()).map(({ generation }) => generation);
    const results = await Promise.all(Array.from({ length: 6 }, () => coordinatorOver(shop).activateFirst(daily!)));
    expect(results.filter((result) => result === 'activated')).toHaveLength(1);
    expect(results.filter((result) => result === 'already-active')).toHaveLength(5);
    expect(await labels()).toEqual(['customer-daily v1.r1 active', 'order-summary v1.r1 candidate']);
  });

  it('wait until they have folded what there was when they were created', async () => {
    await shop.emit(orders(0, 10));
    await announce(shop, 'a');
    await coordinatorOver(shop).ensureFirstGenerations();
    const [daily] = (await shop.generations()).map(({ generation }) => generation);
    expect(await coordinatorOver(shop).activateFirst(daily!)).toBe('waiting');
    await expect(shop.query('customer_daily' as never)).rejects.toMatchObject({ code: 'projection.not-active' });
  });

  it('give way where another version became active meanwhile', async () => {
    await announce(shop, 'a');
    const coordinator = coordinatorOver(shop);
    await coordinator.ensureFirstGenerations();
    const [v1] = (await shop.generations()).map(({ generation }) => generation);
    await coordinator.activateFirst(v1!);
    const catalog = shop.container.resolve(TOKENS.catalog);
    const late = await catalog.create({
      ...v1!,
      version: 2,
      definition: {},
      firstBuild: true,
      headsAtStart: {},
      begin: [{ topic: 'orders', partition: 0, offset: 0 }],
    });
    expect(await coordinator.activateFirst(late)).toBe('superseded');
    expect(await labels()).toEqual(['customer-daily v1.r1 active', 'customer-daily v2.r1 retired', 'order-summary v1.r1 candidate']);
  });

  it('get their table from another worker if their creator died before it made one', async () => {
    await announce(shop, 'a');
    const coordinator = coordinatorOver(shop);
    await coordinator.ensureFirstGenerations();
    const pool = shop.container.resolve(TOKENS.pool);
    await pool.query('DROP TABLE order_summary__v1_r1');
    const summary = (await shop.generations()).map(({ generation }) => generation).find(({ model }) => model === 'order_summary')!;
    const definition = shop.app.projections.find(({ name }) => name === 'order-summary')!;
    const store = shop.container.resolve(TOKENS.stores).get('postgres')!;
    await expect(store.open(summary, definition)).rejects.toMatchObject({ code: 'generation.not-provisioned' });
    await expect(store.open({ ...summary, status: 'active' }, definition)).rejects.toMatchObject({ code: 'store.schema-drift' });
    await coordinatorOver(shop).ensureFirstGenerations();
    expect((await pool.query(`SELECT to_regclass('order_summary__v1_r1')::text AS t`)).rows).toEqual([{ t: 'order_summary__v1_r1' }]);
  });

  it('are of the highest announced version, left to the worker that has its code', async () => {
    const second = await open(shopV2);
    try {
      await announce(shop, 'old');
      await announce(second, 'new');
      await coordinatorOver(shop).ensureFirstGenerations();
      expect(await labels()).toEqual(['order-summary v1.r1 candidate']);
      await coordinatorOver(second).ensureFirstGenerations();
      expect(await labels()).toEqual(['customer-daily v2.r1 candidate', 'order-summary v1.r1 candidate']);
    } finally {
      await second.close();
    }
  });

  it('leave the candidate of another version alone that came between the look and the creation', async () => {
    const second = await open(shopV2);
    try {
      await announce(shop, 'old');
      await coordinatorOver(shop).ensureFirstGenerations();
      await announce(second, 'new');
      const catalog = second.container.resolve(TOKENS.catalog);
      const blind = { list: async () => [], liveWorkers: (ms: number) => catalog.liveWorkers(ms), create: (g: NewGeneration) => catalog.create(g) };
      const late = coordinatorOver(second, { rewire: (parts) => ({ ...parts, catalog: blind as never }) });
      expect((await late.ensureFirstGenerations()).map(({ projection }) => projection)).toEqual(['order-summary']);
      expect(await labels()).toEqual(['customer-daily v1.r1 candidate', 'order-summary v1.r1 candidate']);
    } finally {
      await second.close();
    }
  });

  it('never replace a table or view that is not theirs', async () => {
    const pool = shop.container.resolve(TOKENS.pool);
    await pool.query('CREATE VIEW public.customer_daily AS SELECT 1 AS mine');
    await announce(shop, 'a');
    await coordinatorOver(shop).ensureFirstGenerations();
    const [daily] = (await shop.generations()).map(({ generation }) => generation);
    await expect(coordinatorOver(shop).activateFirst(daily!)).rejects.toMatchObject({ code: 'store.name-taken', facts: { name: 'public.customer_daily' } });
    expect((await pool.query('SELECT * FROM public.customer_daily')).rows).toEqual([{ mine: 1 }]);
  });

  it('become active on an empty log under a real worker', async () => {
    const worker = shop.worker({ options: { pollMs: 20 } });
    const ended = worker.run();
    await until(async () => (await labels()).every((label) => label.endsWith('active')) && (await labels()).length === 2, 'both are active');
    worker.stop();
    await ended;
    expect(await shop.query('customer_daily' as never)).toEqual([]);
  });
});
