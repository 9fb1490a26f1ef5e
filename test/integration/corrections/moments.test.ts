import { TOKENS } from '../../../src/app/container';
import { modelCorrectionsOf, type ModelCorrections } from '../../../src/app/model-corrections';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { OrderShipped } from '../../support/shop';
import { idOfOrder, openWorld, orders, type World } from '../replay/world';

describeWithPostgres('audits, errata and moments', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'moments', orders: 60 });
  });
  afterAll(() => world.close());

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
  const texts = async (sql: string): Promise<readonly string[]> => (await world.pool.query<{ text: string }>(`SELECT ${sql}`)).rows.map(({ text }) => text);
  const relations = (): Promise<readonly string[]> => texts(`relname AS text FROM pg_class WHERE relname LIKE '%\\_\\_v%\\_c%' AND relkind IN ('r', 'v')`);
  const idOf = (order: string): Promise<string> => idOfOrder(world, order);

  it('finds drift, offers the command, and leaves nothing, though it dies', async () => {
    await world.pool.query(`UPDATE order_summary__v1_r1 SET amount = 7, status = 'lost' WHERE order_id IN ('o1', 'o2')`);
    const [found] = await world.shop.corrections.audit({ projection: 'order-summary' });
    expect(found).toMatchObject({ drift: 2, repair: expect.stringMatching(/^refold replay repair order-summary --store postgres --keys o1,o2 /) as string });
    expect(found!.verdict.changedByColumn).toEqual({ amount: 2, status: 2 });
    await expect(dying('audit:folded').audit({ projection: 'order-summary' })).rejects.toThrow('dead at audit:folded');
    expect(await relations()).toEqual([]);
    // A process that is gone ends nothing: its lease runs out, and whoever comes by clears it away
    await world.pool.query(
      `UPDATE refold.corrections SET state = 'running', resumable = false, lease_until = now() - interval '1 s' WHERE correction_id = (SELECT max(correction_id) FROM refold.corrections)`,
    );
    await world.shop.corrections.sweep();
    expect((await world.shop.corrections.list())[0]).toMatchObject({ kind: 'audit', state: 'given-up' });
    await world.shop.corrections.repair({ projection: 'order-summary', keys: ['o1', 'o2'] });
    expect(await world.shop.corrections.audit({ projection: 'order-summary' })).toMatchObject([{ drift: 0, repair: undefined }]);
    expect(await texts(`consumer_group AS text FROM refold.generations WHERE run < 0 AND dropped_at IS NULL`)).toEqual([]);
  });

  it('moves the pin of the errata with the rows that they change, and no row else', async () => {
    const { errata, corrections } = world.shop;
    const wrong = { id: await idOf('o7') };
    const { events } = await errata.look(wrong);
    await errata.add({ event: wrong, read: { fields: { ...(events[0]!.fields as object), amount: '4711.50' } }, reason: 'the till was wrong' });
    await errata.add({ event: { id: await idOf('o8') }, read: 'skip', reason: 'a test order' });
    const before = await texts(`t::text AS text FROM order_summary t ORDER BY 1`);
    await expect(dying('repair:compared').repair({ projection: 'order-summary', errata: true })).rejects.toThrow('dead');
    const [done] = await corrections.repair({ projection: 'order-summary', errata: true });
    expect(done).toMatchObject({ errata: 2, keys: 2 });
    const after = await texts(`t::text AS text FROM order_summary t ORDER BY 1`);
    expect(before.filter((row) => !after.includes(row)).map((row) => row.split(',')[0])).toEqual(['(o7', '(o8']);
    expect(after.filter((row) => !before.includes(row))).toEqual([expect.stringContaining('4711.50')]);
    expect(await texts(`errata_version::text AS text FROM refold.generations WHERE projection = 'order-summary' AND status = 'active'`)).toEqual(['2']);
    // The worker reads by it from the next claim on: the audit replays by the same version
    await world.shop.emit([new OrderShipped('o7', new Date('2026-03-01'))]);
    await until(async () => (await texts(`status AS text FROM order_summary WHERE order_id = 'o7'`))[0] === 'shipped', 'the worker goes on');
    expect(await corrections.audit({ projection: 'order-summary' })).toMatchObject([{ drift: 0 }]);
    await expect(corrections.repair({ projection: 'customer-daily', errata: true })).rejects.toMatchObject({ code: 'repair.errata-full-replay' });
  });

  it('builds a model as of a moment by appending or by events, goes on after it died, and is dropped by command', async () => {
    await until(async () => (await texts(`now()::text AS text`)).length === 1, 'the clock');
    const [now] = (await world.pool.query<{ now: number }>(`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 2 AS now`)).rows.map(
      ({ now: at }) => Number(at),
    );
    await until(() => Promise.resolve(Date.now() > now!), 'the moment is over');
    const then = await texts(`t::text AS text FROM order_summary t ORDER BY 1`);
    await world.shop.emit(orders(60, 80));
    await until(async () => (await texts('order_id AS text FROM order_summary')).length === 79, 'the worker goes on');
    const request = { projection: 'order-summary', time: now!, into: 'orders_then' };
    await expect(dying('apart:provisioned').until(request)).rejects.toThrow('dead');
    const built = await world.shop.corrections.until(request);
    expect(built).toMatchObject({ table: 'orders_then', schema: 'public', parked: 0 });
    const visible = 'order_id, customer_id, status, amount, changed_at';
    expect(await texts(`(${visible})::text AS text FROM orders_then ORDER BY 1`)).toEqual(then);
    expect(Object.values(built.positions).reduce((sum, n) => sum + n, 0)).toBe(61);
    await expect(world.shop.corrections.until({ ...request, time: now! + 1 })).rejects.toMatchObject({ code: 'store.name-taken' });

    const happened = await world.shop.corrections.until({ projection: 'order-summary', time: Date.UTC(2026, 0, 1, 10), by: 'event' });
    expect(await texts(`order_id AS text FROM ${happened.table} ORDER BY 1`)).toEqual(
      ['o0', 'o1', 'o2', 'o3', 'o4', 'o5', 'o6', 'o7', 'o9'].filter((id) => id !== 'o8'),
    );
    await world.shop.corrections.giveUp(built.correction);
    await world.shop.corrections.giveUp(happened.correction);
    expect([...(await relations()), ...(await texts(`relname AS text FROM pg_class WHERE relname = 'orders_then'`))]).toEqual([]);
    await expect(world.shop.corrections.giveUp(built.correction)).rejects.toMatchObject({ code: 'correction.wrong-state' });
    await expect(world.shop.corrections.giveUp(4_711)).rejects.toMatchObject({ code: 'correction.unknown' });
  });

  it('leaves a row alone whose events are parked on one side only', async () => {
    const [generation] = (await world.shop.container.resolve(TOKENS.catalog).list()).filter((g) => g.projection === 'order-summary' && g.status === 'active');
    await world.pool.query(
      `INSERT INTO refold.parked_sequences (generation_id, topic, partition, sequence, head_offset, head_type, events, code, message, remedy, attempts)
       SELECT $1, 'orders', _partition, 'o3', _offset, '', 1, 'handler.failed', '', '', 1 FROM order_summary__v1_r1 WHERE order_id = 'o3'`,
      [generation!.id],
    );
    await world.pool.query(`UPDATE order_summary__v1_r1 SET amount = 7 WHERE order_id = 'o3'`);
    const request = { projection: 'order-summary', keys: ['o3'] };
    await expect(world.shop.corrections.repair(request)).rejects.toMatchObject({ code: 'repair.parked', facts: { keys: ['o3'] } });
    expect(await texts(`amount::text AS text FROM order_summary WHERE order_id = 'o3'`)).toEqual(['7.00']);
    await world.pool.query(`DELETE FROM refold.parked_sequences WHERE sequence = 'o3'`);
    expect(await world.shop.corrections.repair(request)).toMatchObject([{ changed: 1 }]);
  });

  it('refuses what cannot be chosen', async () => {
    const { corrections } = world.shop;
    const refused = async (request: object, code: string): Promise<void> => {
      await expect(corrections.repair({ projection: 'customer-daily', ...request })).rejects.toMatchObject({ code });
    };
    await refused({}, 'repair.selection-invalid');
    await refused({ all: true, keys: ['c1'] }, 'repair.selection-invalid');
    await refused({ where: 'nothing = 1' }, 'repair.selection-invalid');
    await refused(
      { where: "pg_notify('a', 'b') IS NULL OR set_config('x.y', '1', false) = (SELECT nextval('refold.generations_generation_id_seq')::text)" },
      'repair.selection-invalid',
    );
    await refused({ partition: { topic: 'orders', partition: 0 } }, 'repair.selection-unsupported');
    await refused({ where: `1 = 1); COMMIT; DROP TABLE refold.corrections; --` }, 'repair.selection-invalid');
    expect((await corrections.list()).length).toBeGreaterThan(0);
    await expect(corrections.repair({ projection: 'nobody', all: true })).rejects.toMatchObject({ code: 'projection.unknown' });
  });
});
