import { TOKENS } from '../../../src/app/container';
import type { ConnectedApp } from '../../../src/app/connect';
import { defineApp, type App } from '../../../src/app/define-app';
import { Decimal } from '../../../src/kernel/decimal';
import { ERROR_CODES } from '../../../src/kernel/errors';
import type { ProjectionDefinition } from '../../../src/projections/definition';
import type { ReadModelStore } from '../../../src/projections/read-model-store';
import { projection } from '../../../src/projections/projection';
import { closedPort } from '../../support/cli';
import { allFolded, ConnectedWorld, expectCountersToAddUp, onlyCheckpoints, poolOf } from '../../support/connected';
import { buildGeneration, caughtUp, definitionOf, startRunner, totals, until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { CustomerDaily, OrderPlaced, OrderShipped, OrderSummary, orderSummary, shopEvents, type OrderRow } from '../../support/shop';

const dec = Decimal.parse;
const at = new Date(Date.UTC(2026, 0, 1));
const orders = (from: number, to: number): OrderPlaced[] =>
  Array.from({ length: to - from }, (_, i) => new OrderPlaced(`o${String(from + i)}`, 'c', dec('1.50'), at));
const shop: App = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary] });

describeWithPostgres('what is refused, and how it goes on', () => {
  let world: ConnectedWorld;
  beforeEach(async () => {
    world = await ConnectedWorld.open('refusals');
  });
  afterEach(() => world.close());

  /** A shop whose first 40 orders are folded; no worker runs. */
  const foldedShop = async (): Promise<ConnectedApp> => {
    const connection = await world.connect(shop);
    await connection.migrate();
    await connection.emit(orders(0, 40));
    const worker = world.work(connection);
    await allFolded(connection);
    await worker.stop();
    return connection;
  };
  const folded80 = async (connection: ConnectedApp): Promise<void> => {
    world.work(connection);
    await allFolded(connection);
    const checkpoints = await onlyCheckpoints(connection);
    expectCountersToAddUp(checkpoints);
    expect(totals(checkpoints)).toMatchObject({ read: 80, applied: 80 });
  };
  const nexts = async (connection: ConnectedApp): Promise<readonly number[]> => (await onlyCheckpoints(connection)).map(({ next }) => next);

  it('code that differs from what a generation was built with folds nothing; the right code goes on', async () => {
    const connection = await foldedShop();
    await connection.emit(orders(40, 80));
    const before = await nexts(connection);
    const other = projection({ name: 'order-summary', version: 1, into: orderSummary })
      .on(OrderPlaced, (e): OrderRow => ({ order_id: e.orderId, customer_id: '', status: 'placed', amount: e.amount, changed_at: e.placedAt }))
      .on(OrderShipped, { missing: 'park' }, (_, row): OrderRow => row);
    const changed = await world.connect(defineApp({ name: 'shop', events: [...shopEvents], projections: [other] }) as App);
    await expect(world.work(changed).ended).rejects.toMatchObject({
      code: 'generation.definition-changed',
      facts: { projection: 'order-summary', version: 1 },
      remedy: ERROR_CODES['generation.definition-changed'].remedy,
    });
    expect(await nexts(connection)).toEqual(before);
    await folded80(connection);
  });

  it('the late batch of a worker that lost its partitions is refused whole, and the rows count everything once', async () => {
    const connection = await world.connect(shop);
    await connection.migrate();
    await connection.emit(orders(0, 40));
    const { container, log } = connection;
    const [catalog, serde] = [container.resolve(TOKENS.catalog), container.resolve(TOKENS.serde)];
    const store = container.resolve(TOKENS.stores).get('postgres')!;
    const definition = definitionOf(CustomerDaily);
    const generation = await buildGeneration(catalog, store, log, definition);
    const gate = new Gate();
    // In a group of its own it believes that the partitions are its own, as one does whose session has timed out.
    const zombie = startRunner({ log, serde }, gate.before(store), { ...generation, group: 'zombie' }, definition, { worker: 'zombie' });
    await until(() => gate.waiting, 'the zombie is about to commit');
    const owner = startRunner({ log, serde }, store, generation, definition, { worker: 'owner' });
    await until(() => caughtUp(catalog, log, generation), 'the owner has folded everything');
    gate.open();
    await until(() => zombie.events.some(({ kind }) => kind === 'fenced'), 'the zombie is fenced');
    expect(zombie.events.filter(({ kind }) => kind === 'committed')).toEqual([]);
    await zombie.stop();
    await connection.emit(orders(40, 80));
    await until(() => caughtUp(catalog, log, generation), 'what came later is folded');
    await owner.stop();
    const checkpoints = await catalog.checkpoints(generation.id);
    expectCountersToAddUp(checkpoints);
    expect(totals(checkpoints)).toMatchObject({ read: 80, applied: 80 });
    const { rows } = await poolOf(connection).query(`SELECT orders::int, revenue::text FROM ${generation.table}`);
    expect(rows).toEqual([{ orders: 80, revenue: '120.00' }]);
  });

  it('a log that was truncated beyond a checkpoint ends the worker; restored, it goes on', async () => {
    const connection = await foldedShop();
    await connection.emit(orders(40, 80));
    const before = await nexts(connection);
    const start = (value: number) => poolOf(connection).query('UPDATE refold.log_partitions SET start_offset = $1 WHERE partition = 2', [value]);
    await start(before[2]! + 1);
    await expect(world.work(connection).ended).rejects.toMatchObject({
      code: 'log.truncated',
      facts: { topic: 'orders', partition: 2, offset: before[2], start: before[2]! + 1 },
      remedy: ERROR_CODES['log.truncated'].remedy,
    });
    expect((await nexts(connection))[2]).toBe(before[2]);
    await start(0);
    await folded80(connection);
  });

  it.each([
    ['time of appending', 'appended_ms = appended_ms + 1', 'appended_ms = appended_ms - 1'],
    ['id of the event', `headers = replace(headers, '"ce_id":"', '"ce_id":"x')`, `headers = replace(headers, '"ce_id":"x', '"ce_id":"')`],
  ])('a log that holds another record at a checkpoint ends the worker; restored, it goes on: %s', async (_, change, restore) => {
    const connection = await foldedShop();
    await connection.emit(orders(40, 80));
    const before = await nexts(connection);
    const last = before[3]! - 1;
    const update = (set: string) => poolOf(connection).query(`UPDATE refold.log_records SET ${set} WHERE partition = 3 AND record_offset = $1`, [last]);
    await update(change);
    await expect(world.work(connection).ended).rejects.toMatchObject({
      code: 'log.rewound',
      facts: { topic: 'orders', partition: 3, offset: last },
      remedy: ERROR_CODES['log.rewound'].remedy,
    });
    expect((await nexts(connection))[3]).toBe(before[3]);
    await update(restore);
    await folded80(connection);
  });

  it('without a control schema everything says so, and works once it is made', async () => {
    const connection = await world.connect(shop);
    const missing = { code: 'store.not-migrated', remedy: ERROR_CODES['store.not-migrated'].remedy };
    await expect(world.work(connection).ended).rejects.toMatchObject(missing);
    await expect(connection.emit(orders(0, 1))).rejects.toMatchObject(missing);
    await expect(connection.generations()).rejects.toMatchObject(missing);
    await expect(connection.replays.list()).rejects.toMatchObject(missing);
    await connection.migrate();
    await connection.emit(orders(0, 80));
    await folded80(connection);
  });

  it('events that are not valid are refused before any of the call is appended', async () => {
    const connection = await world.connect(shop);
    await connection.migrate();
    const good = orders(0, 3);
    await expect(connection.emit([...good, { orderId: 'o' }])).rejects.toMatchObject({ code: 'event.not-registered' });
    await expect(connection.emit([...good, new OrderPlaced('', 'c', dec('1'), at)])).rejects.toMatchObject({ code: 'event.invalid' });
    await expect(connection.emit([...good, new OrderPlaced('o', 'c', dec('1'), new Date(Number.NaN))])).rejects.toMatchObject({ code: 'event.invalid' });
    expect((await connection.log.heads(['orders'])).map(({ end }) => end)).toEqual([0, 0, 0, 0]);
  });

  it('an append that the database refuses names its partitions and writes none of it', async () => {
    const connection = await world.connect(shop);
    await connection.migrate();
    await poolOf(connection).query(`ALTER TABLE refold.log_records ADD CONSTRAINT small CHECK (partition <> 2)`);
    await expect(connection.emit(orders(0, 40))).rejects.toMatchObject({
      code: 'log.append-failed',
      facts: { constraint: 'small', partitions: ['orders/0', 'orders/1', 'orders/2', 'orders/3'] },
    });
    expect((await connection.log.heads(['orders'])).map(({ end }) => end)).toEqual([0, 0, 0, 0]);
  });

  it('a database that is not there is named by every call, soon', async () => {
    const port = await closedPort();
    const connection = await world.connect(shop, { configuration: { postgresUrl: `postgres://nobody:secret@127.0.0.1:${String(port)}/none` } });
    const unreachable = { code: 'store.unreachable', facts: { address: '127.0.0.1', port }, message: expect.not.stringContaining('secret') as string };
    await expect(connection.migrate()).rejects.toMatchObject(unreachable);
    await expect(connection.emit(orders(0, 1))).rejects.toMatchObject(unreachable);
    await expect(world.work(connection, { startMs: 200 }).ended).rejects.toMatchObject(unreachable);
  });

  it('connections that the database cuts are made again, and nothing is folded twice', async () => {
    const connection = await foldedShop();
    const worker = world.work(connection);
    await until(() => worker.events.some(({ kind }) => kind === 'assigned'), 'the worker has its partitions');
    await poolOf(await world.connect(shop)).query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    const emitting = await world.connect(shop);
    await emitting.emit(orders(40, 80));
    await allFolded(emitting);
    await worker.stop();
    const checkpoints = await onlyCheckpoints(emitting);
    expectCountersToAddUp(checkpoints);
    expect(totals(checkpoints)).toMatchObject({ read: 80, applied: 80 });
  });

  it('a database that is gone for good ends the worker', async () => {
    const connection = await foldedShop();
    const worker = world.work(connection, { restarts: 1 });
    await until(() => worker.events.some(({ kind }) => kind === 'assigned'), 'the worker has its partitions');
    await world.database.drop();
    await expect(worker.ended).rejects.toMatchObject({ code: expect.stringMatching(/^(store|log)\.(unreachable|access-denied|failed)$/) as string });
  });

  it('a broker that does not answer is named, and ends a worker after its restarts', async () => {
    const address = `127.0.0.1:${String(await closedPort())}`;
    const connection = await world.connect(shop, { configuration: { log: 'kafka', kafka: { brokers: [address] } } });
    const unreachable = { code: 'log.unreachable', facts: { brokers: [address] }, remedy: ERROR_CODES['log.unreachable'].remedy };
    await expect(connection.migrate()).rejects.toMatchObject(unreachable);
    await expect(connection.emit(orders(0, 1))).rejects.toMatchObject(unreachable);
    await expect(world.work(connection, { startMs: 200 }).ended).rejects.toMatchObject(unreachable);
  }, 90_000);
});

/** Lets the first commit of a store wait. */
class Gate {
  waiting = false;
  open: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => (this.open = resolve));

  before(store: ReadModelStore): ReadModelStore {
    return {
      kind: store.kind,
      viewSchema: store.viewSchema,
      provision: (generation, definition) => store.provision(generation, definition),
      open: async (generation, definition: ProjectionDefinition) => {
        const opened = await store.open(generation, definition);
        return {
          claim: (partitions, owner) => opened.claim(partitions, owner),
          decisions: (checkpoints) => opened.decisions(checkpoints),
          errataVersion: () => opened.errataVersion(),
          checkpoints: () => opened.checkpoints(),
          begin: (positions) => opened.begin(positions),
          load: (keys) => opened.load(keys),
          parkedSequences: (partitions) => opened.parkedSequences(partitions),
          parkedEvents: (sequence, limit) => opened.parkedEvents(sequence, limit),
          readmittable: () => Promise.resolve([]),
          recordStop: (partition, epoch, stop) => opened.recordStop(partition, epoch, stop),
          commit: async (batch) => {
            this.waiting = true;
            await this.#opened;
            return opened.commit(batch);
          },
        };
      },
    };
  }
}
