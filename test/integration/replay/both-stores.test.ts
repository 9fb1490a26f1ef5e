import { connect, type ConnectedApp } from '../../../src/app/connect';
import { defineApp } from '../../../src/app/define-app';
import { TOKENS } from '../../../src/app/container';
import { Decimal } from '../../../src/kernel/decimal';
import { RefoldError } from '../../../src/kernel/errors';
import { projection } from '../../../src/projections/projection';
import { tumbling } from '../../../src/projections/windows/window';
import { caughtUp, until } from '../../support/harness';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { OrderErased, OrderPlaced, OrderShipped, customerDaily, orderSummary, shopEvents, type OrderRow } from '../../support/shop';
import { ClickHouseProbe } from '../../../src/replay/adapters/clickhouse/probe';
import { coordinatorOver, orders, replacing, startWorker, type WorkerHandle } from './world';

const BOTH = ['postgres', 'clickhouse'] as const;

const summary = projection({ name: 'order-summary', version: 1, store: BOTH, into: orderSummary })
  .on(OrderPlaced, (e): OrderRow => ({ order_id: e.orderId, customer_id: e.customerId, status: 'placed', amount: e.amount, changed_at: e.placedAt }))
  .on(OrderShipped, { missing: 'skip' }, (e, row): OrderRow => ({ ...row, status: 'shipped', changed_at: e.shippedAt }))
  .on(OrderErased, () => undefined);

const daily = (version: number, counts: (e: OrderPlaced) => number): typeof summary => {
  const value = projection({ name: 'customer-daily', version, store: BOTH, into: customerDaily, window: tumbling('1 day', { grace: '400 days' }) }).on(
    OrderPlaced,
    (e) => customerDaily.contribution({ customer_id: e.customerId }, { orders: counts(e), revenue: e.amount, largest: e.amount, smallest: e.amount }),
  );
  return value as unknown as typeof summary;
};

const shop = defineApp({
  name: 'shop',
  events: [...shopEvents],
  projections: [summary, daily(1, () => 1), daily(2, (e) => (e.amount.equals(Decimal.parse('0.00')) ? 0 : 1))],
});
const shopV1 = defineApp({ name: 'shop', events: [...shopEvents], projections: [summary, daily(1, () => 1)] });

describeWithClickHouse('a projection in both stores', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let connection: ConnectedApp;
  let worker: WorkerHandle;

  const open = async (app: unknown): Promise<ConnectedApp> =>
    await connect(app as typeof shop, {
      configuration: { postgresUrl: database.url, clickhouseUrl: analytics.url },
      environment: {},
    });

  const query = (model: string, store: (typeof BOTH)[number]): Promise<readonly object[]> => connection.query(model, { store });

  /** The rows of a model, which must be the same in both stores once every generation has caught up. */
  const agreed = async (model: string): Promise<readonly object[]> => {
    await until(async () => {
      const catalog = connection.container.resolve(TOKENS.catalog);
      const following = (await catalog.list()).filter(({ status }) => status !== 'retired');
      return (await Promise.all(following.map((generation) => caughtUp(catalog, connection.log, generation)))).every(Boolean);
    }, 'all generations have caught up');
    const [inPostgres, inClickHouse] = await Promise.all([query(model, 'postgres'), query(model, 'clickhouse')]);
    expect(inClickHouse).toEqual(inPostgres);
    return inPostgres;
  };
  const countOf = async (): Promise<bigint> => (await agreed('customer_daily')).reduce((sum, row) => sum + (row as { orders: bigint }).orders, 0n);
  const statuses = async (): Promise<readonly string[]> =>
    (await connection.container.resolve(TOKENS.catalog).list())
      .filter((g) => g.projection === 'customer-daily')
      .map((g) => `${g.store} v${String(g.version)}.r${String(g.run)} ${g.status}`);

  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('both-stores'), freshClickHouse('both-stores')]);
    connection = await open(shopV1);
    await connection.migrate();
    await connection.emit([...orders(0, 120), new OrderShipped('o3', new Date('2026-02-01')), new OrderErased('o4'), new OrderErased('o5'), ...orders(5, 6)]);
    worker = startWorker(connection, 'first');
    await until(
      async () => (await connection.generations()).filter(({ generation }) => generation.status === 'active').length === 4,
      'both are active in both stores',
    );
    await worker.stop();
    await connection.close();
    connection = await open(shop);
    worker = startWorker(connection, 'second');
  });
  afterAll(async () => {
    await worker.stop();
    await connection.close();
    await Promise.all([database.drop(), analytics.drop()]);
  });

  it('holds the same rows in both, after updates and deletions too', async () => {
    const rows = await agreed('order_summary');
    expect(rows).toHaveLength(119); // 4 is erased, 5 was placed again
    expect(rows).toContainEqual(expect.objectContaining({ order_id: 'o3', status: 'shipped' }));
    expect(await countOf()).toBe(121n);
  });

  it('plans for both, and asks each what it knows', async () => {
    const coordinator = coordinatorOver(connection);
    const wanted = { projections: [{ name: 'customer-daily', version: 2 }] };
    const { members, disk, statements, events, refusals } = await coordinator.plan(wanted);
    expect(members.map(({ store, switchOrder }) => [store, switchOrder])).toEqual([
      ['postgres', 0],
      ['clickhouse', 1],
    ]);
    expect(events).toBe(2 * 124);
    const [inPostgres, inClickHouse] = disk;
    expect(inPostgres!.free).toBeUndefined();
    expect(inClickHouse!.needed).toBeGreaterThan(0);
    expect(inClickHouse!.free).toBeGreaterThan(inClickHouse!.needed);
    expect(statements.filter(({ store }) => store === 'clickhouse').map(({ when }) => when)).toEqual(['at the start', 'at the start', 'at the cutover']);
    expect(refusals).toEqual([]);
    const clickhouse = connection.container.resolve(TOKENS.clickhouse);
    await clickhouse.command('CREATE TABLE customer_daily__v2_r1 (n Int32) ENGINE = MergeTree ORDER BY n');
    await expect(coordinator.start(wanted)).rejects.toMatchObject({ code: 'store.name-taken' });
    await clickhouse.command('DROP TABLE customer_daily__v2_r1 SYNC');
    // The embedded engine grants everything to everybody: what a server says is played.
    const rows = (sql: string): Promise<readonly (readonly number[])[]> => Promise.resolve(/^CHECK GRANT (?:INSERT|DROP VIEW) /.test(sql) ? [[0]] : [[1]]);
    const poor = { rows: (sql: string) => (sql.startsWith('CHECK') ? rows(sql) : Promise.resolve([])) } as unknown as typeof clickhouse;
    const probes = new Map([['clickhouse', new ClickHouseProbe({ clickhouse: poor })]] as const);
    const refused = coordinatorOver(connection, { rewire: (parts) => ({ ...parts, probes }) }).start(wanted);
    await expect(refused).rejects.toMatchObject({ code: 'store.access-denied', facts: { missing: ['INSERT', 'DROP VIEW'] } });
  });

  it('switches both in one replay, forth and back, and names the same changed rows', async () => {
    const coordinator = coordinatorOver(connection);
    const { id } = await coordinator.start({ projections: [{ name: 'customer-daily', version: 2 }] });
    expect(await coordinator.runUntil(id, 'ready')).toMatchObject({ state: 'ready', error: undefined });
    const verdict = await coordinator.diff(id);
    const [first, second] = verdict.members;
    expect([first!.store, second!.store]).toEqual(BOTH);
    expect(first).toMatchObject({ changed: 12, onlyBefore: 0, onlyAfter: 0, changedByColumn: { orders: 12 }, keyColumns: ['customer_id', 'window_start'] });
    const { samples: _a, store: _b, before: _c, after: _d, ...sameInBoth } = first!;
    expect(second).toMatchObject(sameInBoth);
    expect(second!.samples.map(({ kind, key, changes }) => [kind, key['customer_id'], changes])).toEqual(
      first!.samples.map(({ kind, key, changes }) => [kind, key['customer_id'], changes]),
    );
    const { verification } = await coordinator.diff(id);
    const kept = await coordinator.differingRows(verification!);
    expect([0, 1].map((member) => kept.filter((row) => row.member === member).length)).toEqual([12, 12]);
    await coordinator.verify(id, {
      rules: {
        allowColumns: ['orders'],
        tolerances: { revenue: 0.01 },
        checks: [
          { sql: 'SELECT customer_id FROM {after} WHERE orders < 0' },
          { sql: 'SELECT count(*) AS n FROM {before} HAVING count(*) > 0', store: 'clickhouse' },
          { sql: 'DROP VIEW {after}', store: 'clickhouse' },
          { sql: 'SELECT sleepEachRow(1) FROM numbers(100) WHERE {before} = 1', store: 'clickhouse' },
        ],
      },
    });
    const { outcomes } = await coordinator.diff(id);
    expect(outcomes!.map(({ rule, store, passed }) => `${store} ${rule} ${String(passed)}`).sort()).toEqual([
      ...['clickhouse allow-columns true', 'clickhouse check false', 'clickhouse check false', 'clickhouse check false', 'clickhouse check true'],
      ...['postgres allow-columns true', 'postgres check true'],
    ]);
    expect(outcomes!.find(({ rows }) => rows !== undefined)).toMatchObject({ found: '1 row', rows: [{ n: expect.anything() }] });
    await expect(coordinator.cutover(id)).rejects.toMatchObject({ code: 'cutover.rules-failed' });
    await coordinator.verify(id, { rules: { allowColumns: ['orders'] } });
    await coordinator.cutover(id);
    expect(await statuses()).toEqual(['clickhouse v1.r1 standby', 'clickhouse v2.r1 active', 'postgres v1.r1 standby', 'postgres v2.r1 active']);
    await connection.emit(orders(200, 240));
    expect(await countOf()).toBe(121n - 12n + 36n);
    await coordinator.rollback(id);
    expect(await countOf()).toBe(161n);
    await coordinator.cutover(id);
    await coordinator.retire(id);
    expect(await countOf()).toBe(145n);
  });

  /** A coordinator that dies with its lease when Postgres has switched and ClickHouse has not. */
  const dieBetween = async (id: number, command: 'cutover' | 'rollback'): Promise<void> => {
    const death = { dead: false };
    const dying = coordinatorOver(connection, {
      death,
      options: { leaseMs: 2_000 },
      observe: ({ step, facts }) => {
        if (step === 'cutting-over:switched') {
          expect(facts['store']).toBe('postgres');
          death.dead = true;
          throw new Error('this process is dead');
        }
      },
    });
    await expect(dying[command](id)).rejects.toThrow('dead');
  };
  const active = async (): Promise<readonly string[]> => (await statuses()).filter((one) => one.endsWith(' active'));

  it.each([
    ['cutover', 'done', ['clickhouse v2.r1 active', 'postgres v2.r2 active']],
    ['rollback', 'ready', ['clickhouse v2.r2 active', 'postgres v2.r1 active']],
    ['cutover', 'done', ['clickhouse v2.r1 active', 'postgres v2.r2 active']],
  ] as const)('has a worker complete a %s of which a crash left one store behind', async (command, state, split) => {
    const coordinator = coordinatorOver(connection);
    const open = (await coordinator.list())[0]!;
    const id =
      open.state === 'done' && command === 'cutover'
        ? (await coordinator.start({ projections: [{ name: 'customer-daily', version: 2 }], again: true })).id
        : open.id;
    if (id !== open.id) {
      await coordinator.runUntil(id, 'ready');
    }
    await dieBetween(id, command);
    expect(await active()).toEqual(split);
    await until(async () => (await coordinator.status(id)).state === state, 'a worker has come by');
    const run = command === 'cutover' ? 'r2' : 'r1';
    expect(await active()).toEqual([`clickhouse v2.${run} active`, `postgres v2.${run} active`]);
    expect(await countOf()).toBe(145n);
    const told = (await coordinator.history(id)).filter(({ what, facts }) => what === 'switched' || facts['switched'] !== undefined).slice(-2);
    expect(told.map(({ facts }) => facts['store'])).toEqual(BOTH);
  });

  it('turns a set that cannot be completed, waits where that may pass, and is turned by the other command', async () => {
    const coordinator = coordinatorOver(connection);
    const { id } = (await coordinator.list())[0]!;
    const refusing = (error: RefoldError): ReturnType<typeof coordinatorOver> =>
      coordinatorOver(connection, {
        rewire: (parts) => ({
          ...parts,
          switches: new Map(
            [...parts.switches].map(([kind, store]) => [kind, kind === 'postgres' ? store : replacing(store, 'planSwitch', () => Promise.reject(error))]),
          ),
        }),
      });
    const recovered = async (by: typeof coordinator): Promise<unknown> => {
      let found: readonly unknown[] = [];
      await until(async () => (found = await by.recoverSwitches()).length > 0, 'the lease of the dead process has run out');
      return found[0];
    };
    await dieBetween(id, 'rollback');
    await worker.stop();
    const unreachable = new RefoldError('store.unreachable', 'away');
    expect(await recovered(refusing(unreachable))).toMatchObject({ replay: id, outcome: 'waiting', error: { code: 'store.unreachable' } });
    expect(await coordinator.status(id)).toMatchObject({ state: 'cutting-over', error: { code: 'store.unreachable' }, legal: ['cutover', 'rollback'] });
    expect(await recovered(refusing(new RefoldError('cutover.dependents', 'somebody is there')))).toMatchObject({ outcome: 'turned' });
    expect((await coordinator.status(id)).state).toBe('done');
    expect(await active()).toEqual(['clickhouse v2.r2 active', 'postgres v2.r2 active']);
    expect(await coordinator.recoverSwitches()).toEqual([]);

    worker = startWorker(connection, 'third');
    await until(async () => (await coordinator.status(id)).waitingFor === undefined, 'the worker has announced itself');
    await dieBetween(id, 'rollback');
    await worker.stop();
    await until(async () => (await coordinator.status(id)).coordinatedBy === undefined, 'the lease of the dead process has run out');
    expect((await coordinator.cutover(id, { reason: 'not after all' })).state).toBe('done');
    expect(await active()).toEqual(['clickhouse v2.r2 active', 'postgres v2.r2 active']);
    expect((await coordinator.history(id)).find(({ what, reason }) => what === 'turned' && reason === 'not after all')).toBeDefined();
    worker = startWorker(connection, 'fourth');
    expect(await countOf()).toBe(145n);
  });

  it('corrects the control schema from the views of ClickHouse', async () => {
    const coordinator = coordinatorOver(connection);
    const catalog = connection.container.resolve(TOKENS.catalog);
    // Readers of ClickHouse see the second run; let the control schema have forgotten it.
    const pool = connection.container.resolve(TOKENS.pool);
    await pool.query(`UPDATE refold.generations SET status = 'standby' WHERE projection = 'customer-daily' AND store = 'clickhouse' AND status = 'active'`);
    expect(await coordinator.reconcile()).toEqual(['customer-daily']);
    expect((await catalog.list()).find((g) => g.store === 'clickhouse' && g.projection === 'customer-daily' && g.status === 'active')).toMatchObject({
      version: 2,
      run: 2,
    });
  });

  it('reads a wrong event otherwise in both once they are replayed', async () => {
    const at = await connection.errata.look({ topic: 'orders', partition: 0, offset: 0 });
    const before = await agreed('order_summary');
    await connection.errata.add({ event: at, read: 'skip', reason: 'never was' });
    expect(await agreed('order_summary')).toEqual(before);
    const coordinator = coordinatorOver(connection);
    const { id } = await coordinator.start({ projections: [{ name: 'order-summary', version: 1 }], again: true });
    await coordinator.runUntil(id, 'ready');
    const { members } = await coordinator.diff(id);
    expect(members.map(({ store, onlyBefore, onlyAfter, changed }) => ({ store, onlyBefore, onlyAfter, changed }))).toEqual(
      BOTH.map((store) => ({ store, onlyBefore: 1, onlyAfter: 0, changed: 0 })),
    );
    await coordinator.cutover(id);
    expect(await agreed('order_summary')).toEqual(before.filter((row) => (row as { order_id: string }).order_id !== at.key));
  });
});
