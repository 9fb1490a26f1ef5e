import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { defineApp } from '../../../src/app/define-app';
import { Decimal } from '../../../src/kernel/decimal';
import { RefoldError } from '../../../src/kernel/errors';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { text } from '../../../src/projections/columns';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { ClickHouseSwitch } from '../../../src/replay/adapters/clickhouse/switch';
import { showGenerations } from '../../../src/replay/adapters/clickhouse/views';
import { PostgresSwitchControl } from '../../../src/replay/adapters/postgres/control';
import type { ReplayCoordinator } from '../../../src/replay/coordinator';
import { until } from '../../support/harness';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { OrderPlaced, orderSummary, shopEvents, type OrderRow } from '../../support/shop';
import { coordinatorOver, orders, replacing, startWorker, type WorkerHandle } from './world';

const summary = (version: number) =>
  projection({ name: 'order-summary', version, store: 'clickhouse', into: orderSummary }).on(OrderPlaced, (e): OrderRow => ({
    order_id: e.orderId,
    customer_id: e.customerId,
    status: 'placed',
    amount: version === 1 ? e.amount : Decimal.parse('1.00'),
    changed_at: e.placedAt,
  }));

const named = readModel('payers', { order_id: text().key(), customer: text() });
const nameless = readModel('payers', { order_id: text().key() });
const payers = projection({ name: 'payers', version: 1, store: 'clickhouse', into: named }).on(OrderPlaced, (e) => ({
  order_id: e.orderId,
  customer: e.customerId,
}));
const withoutNames = projection({ name: 'payers', version: 2, store: 'clickhouse', into: nameless }).on(OrderPlaced, (e) => ({ order_id: e.orderId }));

/** In Postgres, which switches first. */
const entries = readModel('ledger', { order_id: text().key(), entry: text() });
const ledger = (version: number) =>
  projection({ name: 'ledger', version, store: 'postgres', into: entries }).on(OrderPlaced, (e) => ({ order_id: e.orderId, entry: `v${String(version)}` }));

const first = defineApp({ name: 'shop', events: [...shopEvents], projections: [ledger(1), summary(1), payers] });
const both = defineApp({ name: 'shop', events: [...shopEvents], projections: [ledger(1), ledger(2), summary(1), summary(2), payers, withoutNames] });

/** A shop with everything in ClickHouse, built by version 1, beside a worker that folds version 2 too. */
interface Place {
  readonly connection: ConnectedApp;
  readonly coordinator: ReplayCoordinator;
  readonly analytics: TestClickHouse;
  readonly worker: WorkerHandle;
  close(): Promise<void>;
}

const openPlace = async (name: string): Promise<Place> => {
  const [database, analytics]: [TestDatabase, TestClickHouse] = await Promise.all([freshDatabase(name), freshClickHouse(name)]);
  const open = async (app: unknown): Promise<ConnectedApp> =>
    await connect(app as typeof first, { configuration: { postgresUrl: database.url, clickhouseUrl: analytics.url }, environment: {} });
  const before = await open(first);
  await before.migrate();
  await before.emit(orders(0, 20));
  const builder = startWorker(before, 'first');
  await until(async () => (await before.generations()).filter(({ generation }) => generation.status === 'active').length === 3, 'version 1 is active');
  await builder.stop();
  await before.close();
  const connection = await open(both);
  const worker = startWorker(connection, 'second');
  await until(
    async () => (await connection.container.resolve(TOKENS.catalog).liveWorkers(5_000)).some(({ worker: w }) => w === 'second'),
    'the worker has announced itself',
  );
  const close = async (): Promise<void> => {
    await worker.stop();
    await connection.close();
    await Promise.all([database.drop(), analytics.drop()]);
  };
  return { connection, coordinator: coordinatorOver(connection), analytics, worker, close };
};

const statuses = async ({ connection }: Place, name = 'order-summary'): Promise<readonly string[]> =>
  (await connection.container.resolve(TOKENS.catalog).list())
    .filter(({ projection: of }) => of === name)
    .map((g) => `v${String(g.version)}.r${String(g.run)} ${g.status}`);

const amounts = async ({ connection }: Place): Promise<ReadonlySet<string>> =>
  new Set((await connection.query('order_summary' as never, { store: 'clickhouse' })).map((row) => String((row as { amount: Decimal }).amount)));

const SEEN_BY_V2 = new Set(['1.00']);

describeWithClickHouse('a switch in ClickHouse that is interrupted', () => {
  let place: Place;
  beforeAll(async () => {
    place = await openPlace('clickhouse-faults');
  });
  afterAll(() => place.close());

  /** Over a ClickHouse that does what it is told and does not answer. */
  const deafening = (): ReplayCoordinator => {
    const { container } = place.connection;
    const clickhouse = container.resolve(TOKENS.clickhouse);
    const silent = replacing(clickhouse, 'command', async (sql, parameters) => {
      await clickhouse.command(sql, parameters);
      if (sql.startsWith('CREATE OR REPLACE VIEW')) {
        throw new RefoldError('store.unreachable', 'clickhouse: Timeout error.');
      }
    });
    const pool = container.resolve(TOKENS.pool);
    const copies = new ClickHouseReadModelStore({ clickhouse, control: new PostgresCheckpointControl(pool) });
    const deaf = new ClickHouseSwitch({ clickhouse: silent, control: new PostgresSwitchControl({ pool, app: 'shop' }), copies, app: 'shop' });
    return coordinatorOver(place.connection, {
      rewire: (parts) => ({ ...parts, switches: new Map([...parts.switches].map(([kind, store]) => [kind, kind === 'clickhouse' ? deaf : store])) }),
    });
  };

  it('changes no view of several where one of them is refused', async () => {
    const { coordinator } = place;
    const before = await amounts(place);
    const { id } = await coordinator.start({
      projections: [
        { name: 'order-summary', version: 2 },
        { name: 'payers', version: 2 },
      ],
    });
    await coordinator.runUntil(id, 'ready');
    await expect(coordinator.cutover(id)).rejects.toMatchObject({ code: 'cutover.incompatible-columns' });
    expect(await amounts(place)).toEqual(before);
    expect(await coordinator.status(id)).toMatchObject({ state: 'ready' });
    await coordinator.abort(id);
    expect(await amounts(place)).toEqual(before);
  });

  it('changes no store of several where the views of another one are refused', async () => {
    const { coordinator } = place;
    const { id } = await coordinator.start({
      projections: [
        { name: 'ledger', version: 2 },
        { name: 'payers', version: 2 },
      ],
    });
    await coordinator.runUntil(id, 'ready');
    await expect(coordinator.cutover(id)).rejects.toMatchObject({ code: 'cutover.incompatible-columns' });
    expect(await coordinator.status(id)).toMatchObject({ state: 'ready' });
    expect(await statuses(place, 'ledger')).toEqual(['v1.r1 active', 'v2.r1 candidate']);
    await coordinator.abort(id);
  });

  it('begins no other comparison before all stores have ended theirs', async () => {
    const steps: string[] = [];
    let attempts = 0;
    const coordinator = coordinatorOver(place.connection, {
      rewire: (parts) => ({
        ...parts,
        switches: new Map(
          [...parts.switches].map(([kind, store]) => [
            kind,
            replacing(store, 'compare', async (request) => {
              if (kind === 'postgres') {
                attempts += 1;
                if (attempts === 1) {
                  throw new RefoldError('hold.lost', 'the hold expired or was replaced by another');
                }
              }
              steps.push(`${kind} begins`);
              return store.compare(request).finally(() => steps.push(`${kind} ends`));
            }),
          ]),
        ),
      }),
      options: { holdMs: 60_000 },
    });
    const { id } = await coordinator.start({
      projections: [
        { name: 'ledger', version: 2 },
        { name: 'order-summary', version: 2 },
      ],
    });
    await coordinator.runUntil(id, 'ready');
    expect(attempts).toBe(2);
    expect(steps.filter((step) => step.startsWith('clickhouse'))).toEqual(['clickhouse begins', 'clickhouse ends', 'clickhouse begins', 'clickhouse ends']);
    await coordinator.abort(id);
  });

  it('does not abort what readers see, whatever the control schema knows of it', async () => {
    const { coordinator } = place;
    const { id } = await coordinator.start({ projections: [{ name: 'order-summary', version: 2 }] });
    await coordinator.runUntil(id, 'ready');
    const { container } = place.connection;
    const to = (await container.resolve(TOKENS.catalog).list()).find((g) => g.projection === 'order-summary' && g.status === 'candidate')!;
    await showGenerations(container.resolve(TOKENS.clickhouse), [{ to }], 'forward', false); // a statement that was given up arrives late
    await expect(coordinator.abort(id)).rejects.toMatchObject({ code: 'replay.wrong-state' });
    expect(await amounts(place)).toEqual(SEEN_BY_V2);
    expect(await coordinator.cutover(id)).toMatchObject({ state: 'done' });
    await coordinator.rollback(id);
    await coordinator.retire(id);
    expect(await amounts(place)).not.toEqual(SEEN_BY_V2);
  });

  it('goes on where the view was replaced and no answer came, and cannot be aborted then', async () => {
    const { coordinator } = place;
    const { id } = await coordinator.start({ projections: [{ name: 'order-summary', version: 2 }] });
    await coordinator.runUntil(id, 'ready');
    await expect(deafening().cutover(id)).rejects.toMatchObject({ code: 'store.unreachable' });
    expect(await amounts(place)).toEqual(SEEN_BY_V2);
    await expect(coordinator.abort(id)).rejects.toMatchObject({ code: 'replay.wrong-state' });
    expect(await amounts(place)).toEqual(SEEN_BY_V2);
    expect(await coordinator.cutover(id)).toMatchObject({ state: 'done' });
    expect(await amounts(place)).toEqual(SEEN_BY_V2);
  });

  it('leaves alone what views of another database on the same server show', async () => {
    const other = await openPlace('clickhouse-staging');
    try {
      const [shown] = (await place.connection.container.resolve(TOKENS.catalog).list()).filter(
        (g) => g.projection === 'order-summary' && g.status === 'active',
      );
      // Two environments number their generations alike.
      await other.connection.container
        .resolve(TOKENS.pool)
        .query(`SELECT setval(pg_get_serial_sequence('refold.generations', 'generation_id'), $1)`, [shown!.id - 1]);
      const { id } = await other.coordinator.start({ projections: [{ name: 'order-summary', version: 2 }] });
      await other.coordinator.runUntil(id, 'ready');
      const before = await statuses(other);
      expect(await other.coordinator.reconcile()).toEqual([]);
      expect(await statuses(other)).toEqual(before);
    } finally {
      await other.close();
    }
  });
});
