import { TOKENS } from '../../../src/app/container';
import { modelCorrectionsOf, type ModelCorrections } from '../../../src/app/model-corrections';
import { caughtUp, until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { openWorld, orders, type World } from '../replay/world';
import { OrderErased, OrderShipped } from '../../support/shop';

describeWithPostgres('a repair in Postgres', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'repair', orders: 200 });
    await world.shop.emit([new OrderErased('o4'), new OrderErased('o5'), ...orders(5, 6), new OrderShipped('o6', new Date('2026-03-01'))]);
    await settled();
  });
  afterAll(() => world.close());

  const settled = async (): Promise<void> => {
    const catalog = world.shop.container.resolve(TOKENS.catalog);
    await until(async () => {
      const following = (await catalog.list()).filter(({ status }) => status === 'active');
      return (await Promise.all(following.map((generation) => caughtUp(catalog, world.shop.log, generation)))).every(Boolean);
    }, 'all have caught up');
  };
  const table = async (projection: string): Promise<string> =>
    (await world.shop.container.resolve(TOKENS.catalog).list()).find((g) => g.projection === projection && g.status === 'active')!.table;
  const rows = async (of: string): Promise<readonly string[]> =>
    (await world.pool.query<{ row: string }>(`SELECT t::text AS row FROM ${of} t ORDER BY 1`)).rows.map(({ row }) => row);
  const dying = (at: string): ModelCorrections =>
    modelCorrectionsOf(
      world.shop.app,
      world.shop.container,
      () => Promise.resolve(),
      (step) => {
        if (step === at) {
          throw new Error(`dead at ${at}`);
        }
      },
    );
  /** Nothing but the generations that workers follow. */
  const left = async (): Promise<readonly string[]> => {
    const { rows: found } = await world.pool.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relname LIKE '%\\_\\_v%\\_c%' AND relkind IN ('r', 'v')
       UNION ALL SELECT 'checkpoint' FROM refold.checkpoints c JOIN refold.generations g USING (generation_id) WHERE g.run < 0
       UNION ALL SELECT 'keys' FROM refold.correction_keys UNION ALL SELECT 'apart' FROM refold.generations WHERE status = 'apart'`,
    );
    return found.map(({ name }) => name);
  };

  it('puts right the rows of the keys given, and only these, while events go on', async () => {
    const summary = await table('order-summary');
    const before = await rows(summary);
    await world.pool.query(`UPDATE ${summary} SET amount = 1 WHERE order_id IN ('o10', 'o11', 'o12')`);
    await world.pool.query(`DELETE FROM ${summary} WHERE order_id = 'o13'`);
    await world.pool.query(
      `INSERT INTO ${summary} SELECT 'o4', customer_id, status, amount, changed_at, _topic, (_partition + 1) % 4, 0 FROM ${summary} WHERE order_id = 'o10'`,
    );
    const plan = { projection: 'order-summary', keys: ['o10', 'o11', 'o13', 'o4', 'o5', 'nobody'] };
    const [dry] = await world.shop.corrections.repair({ ...plan, dryRun: true });
    expect(dry).toMatchObject({ dryRun: true, keys: 6, compared: 6, changed: 2, added: 1, removed: 1, store: 'postgres' });
    expect(dry!.scan.records).toBeGreaterThan(50);
    expect(dry!.samples.map(({ kind, key }) => `${kind} ${String(key['order_id'])}`).sort()).toEqual(['after o13', 'before o4', 'changed o10', 'changed o11']);
    const [done] = await world.shop.corrections.repair({ ...plan, reason: 'by hand' });
    expect(done).toMatchObject({ dryRun: false, keys: 6, changed: 2, added: 1, removed: 1 });
    const after = await rows(summary);
    expect(after.filter((row) => !before.includes(row))).toEqual([expect.stringContaining('(o12,')]);
    expect(after).toHaveLength(before.length);
    await world.shop.corrections.repair({ projection: 'order-summary', keys: ['o12'] });
    expect(await rows(summary)).toEqual(before);
    expect(await left()).toEqual([]);
    expect((await world.shop.corrections.list())[1]).toMatchObject({ kind: 'repair', state: 'done', reason: 'by hand' });
  });

  it.each(['apart:created', 'apart:provisioned', 'repair:planned', 'repair:folded', 'repair:writing', 'repair:compared'])(
    'goes on after it died at %s',
    async (at) => {
      const summary = await table('order-summary');
      const before = await rows(summary);
      await world.pool.query(`UPDATE ${summary} SET status = 'lost' WHERE order_id IN ('o20', 'o21')`);
      const request = { projection: 'order-summary', where: `order_id IN ('o20', 'o21')` };
      await expect(dying(at).repair(request)).rejects.toThrow(`dead at ${at}`);
      await expect(world.shop.corrections.repair({ projection: 'order-summary', keys: ['o1'] })).rejects.toMatchObject({ code: 'correction.in-progress' });
      await world.shop.corrections.repair(request);
      expect(await rows(summary)).toEqual(before);
      expect(await left()).toEqual([]);
    },
  );

  it('puts right windows by key, by time and all of them, exactly, while events go on', async () => {
    const daily = await table('customer-daily');
    let next = 300;
    const traffic = setInterval(() => void world.shop.emit(orders(next, (next += 3))), 30);
    try {
      await world.pool.query(`UPDATE ${daily} SET orders = orders + 5 WHERE customer_id IN ('c1', 'c2')`);
      await world.pool.query(`DELETE FROM ${daily} WHERE customer_id = 'c3'`);
      const [byKey] = await world.shop.corrections.repair({ projection: 'customer-daily', keys: ['c1'] });
      expect(byKey!.changed).toBeGreaterThan(0);
      expect(byKey!.added).toBe(0);
      const from = Date.UTC(2026, 0, 2);
      await world.shop.corrections.repair({ projection: 'customer-daily', fromTime: from, toTime: from + 86_400_000 });
      await world.shop.corrections.repair({ projection: 'customer-daily', all: true });
    } finally {
      clearInterval(traffic);
    }
    await settled();
    const [audited] = await world.shop.corrections.audit({ projection: 'customer-daily' });
    expect(audited).toMatchObject({ drift: 0 });
    const { rows: applied } = await world.pool.query<{ n: number }>(
      `SELECT sum(applied_count)::int AS n FROM refold.checkpoints JOIN refold.generations USING (generation_id) WHERE projection = 'customer-daily'`,
    );
    expect((await world.total()).orders).toBe(applied[0]!.n);
    expect(await left()).toEqual([]);
  });
});
