import { defineApp, type App } from '../../../src/app/define-app';
import type { ConnectedApp, WorkerSettings } from '../../../src/app/connect';
import { selecting } from '../../../src/app/selection';
import { Decimal } from '../../../src/kernel/decimal';
import { lagSnapshot } from '../../../src/app/cli/lag-commands';
import { Projection, projection } from '../../../src/projections/projection';
import { ConnectedWorld } from '../../support/connected';
import { caughtUp, totals, until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { TOKENS } from '../../../src/app/container';
import { CustomerDaily, OrderPlaced, OrderSummary, customerDaily, shopEvents } from '../../support/shop';

const placed = (n: number): OrderPlaced => new OrderPlaced(`o${String(n)}`, `c${String(n % 7)}`, Decimal.parse('1.00'), new Date('2026-01-01T12:00:00.000Z'));
const many = (from: number, to: number): OrderPlaced[] => Array.from({ length: to - from }, (_, i) => placed(from + i));

const shop = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary, CustomerDaily], topics: { orders: { partitions: 4 } } });

describe('choosing what a worker works on', () => {
  const all = [
    { name: 'a', tags: ['x'] },
    { name: 'b', tags: ['x', 'y'] },
    { name: 'c', tags: [] },
  ];
  const chosen = (selection: Parameters<typeof selecting>[0]): readonly string[] => all.filter(selecting(selection, all)).map(({ name }) => name);

  it('takes names and tags together, and all where neither is said', () => {
    expect(chosen({})).toEqual(['a', 'b', 'c']);
    expect(chosen({ only: ['c'] })).toEqual(['c']);
    expect(chosen({ tags: ['y'] })).toEqual(['b']);
    expect(chosen({ only: ['c'], tags: ['y'] })).toEqual(['b', 'c']);
    expect(chosen({ only: [] })).toEqual([]);
  });

  it('refuses what nothing has, with what is known', () => {
    expect(() => selecting({ only: ['a', 'd'] }, all)).toThrow(
      expect.objectContaining({ code: 'config.invalid', facts: { unknown: ['d'], known: ['a', 'b', 'c'] } }),
    );
    expect(() => selecting({ tags: ['z'] }, all)).toThrow(/the tag z; known are x, y/);
  });

  it('does not change what a generation was built with', () => {
    @Projection({ name: 'customer-daily', version: 1, tags: ['finance'] })
    class Tagged {
      readonly into = customerDaily;
    }
    expect(Tagged).toBeDefined();
    const plain = projection({ name: 'p', version: 1, into: customerDaily }).source;
    expect(projection({ name: 'p', version: 1, into: customerDaily, tags: ['finance'] }).source).toEqual({ ...plain, tags: ['finance'] });
  });
});

describeWithPostgres('scaling out', () => {
  let world: ConnectedWorld;
  beforeEach(async () => {
    world = await ConnectedWorld.open('scale_out');
  });
  afterEach(() => world.close());

  const start = async (app: App = shop): Promise<ConnectedApp> => {
    const connection = await world.connect(app);
    await connection.migrate();
    return connection;
  };
  const work = (connection: ConnectedApp, settings: WorkerSettings = {}) => {
    const worker = connection.worker({ options: { pollMs: 20, sessionTimeoutMs: 2_000 }, ...settings });
    return { worker, ended: worker.run() };
  };
  const isFolded = async (connection: ConnectedApp, name: string): Promise<boolean> => {
    const found = (await connection.generations()).find(({ generation }) => generation.projection === name);
    return found !== undefined && (await caughtUp(connection.container.resolve(TOKENS.catalog), connection.log, found.generation));
  };

  it('a worker folds and builds what it was told alone', async () => {
    const connection = await start();
    await connection.emit(many(0, 20));
    expect(() => connection.worker({ only: ['orders'] })).toThrow(/known are customer-daily, order-summary/);
    const { worker, ended } = work(connection, { only: ['customer-daily'] });
    await until(() => isFolded(connection, 'customer-daily'), 'it is folded');
    expect((await connection.generations()).map(({ generation }) => generation.projection)).toEqual(['customer-daily']);
    const other = work(connection, { only: ['order-summary'] });
    await until(() => isFolded(connection, 'order-summary'), 'the other is folded by the other');
    for (const { generation, checkpoints } of await connection.generations()) {
      const name = generation.projection === 'customer-daily' ? worker.name : other.worker.name;
      expect(new Set(checkpoints.map(({ owner }) => owner))).toEqual(new Set([name]));
    }
    worker.stop();
    other.worker.stop();
    await Promise.all([ended, other.ended]);
  });

  it('a paused projection stands still in every version, and goes on where it was', async () => {
    const connection = await start();
    work(connection);
    await connection.emit(many(0, 20));
    await until(async () => (await isFolded(connection, 'order-summary')) && isFolded(connection, 'customer-daily'), 'all is folded');
    await until(async () => (await connection.generations()).every(({ generation }) => generation.status === 'active'), 'both are active');
    const pause = await connection.pauses.pause('projection', 'order-summary', { reason: 'vacuum', by: 'ann' });
    expect(await connection.pauses.pause('projection', 'order-summary', { reason: 'another', by: 'bob' })).toEqual(pause);
    expect(await connection.pauses.list()).toEqual([pause]);
    const group = 'shop.order-summary.postgres.v1.r1';
    await until(async () => ((await connection.log.topicAdmin.groups(group, ['orders']))[0]?.members ?? 0) === 0, 'no worker is in the group any more');
    await connection.emit(many(20, 40));
    await until(() => isFolded(connection, 'customer-daily'), 'the other goes on');
    expect(await isFolded(connection, 'order-summary')).toBe(false);
    const [lag] = (await lagSnapshot(connection)).generations.filter(({ generation }) => generation.projection === 'order-summary');
    expect(lag).toMatchObject({ status: 'paused', lagRecords: 20 });
    expect(lag!.partitions[0]!.reason).toMatch(/^paused since .* by ann: vacuum$/);
    await expect(connection.replays.start({ projections: [{ name: 'order-summary', version: 1 }], again: true })).rejects.toMatchObject({
      code: 'projection.paused',
    });

    await connection.pauses.resume('projection', 'order-summary');
    await until(() => isFolded(connection, 'order-summary'), 'it goes on');
    const { checkpoints } = (await connection.generations()).find(({ generation }) => generation.projection === 'order-summary')!;
    expect(totals(checkpoints)).toMatchObject({ read: 40, applied: 40 });
    await expect(connection.pauses.pause('projection', 'nobody', { reason: 'x' })).rejects.toMatchObject({ code: 'projection.unknown' });
    await expect(connection.pauses.pause('projection', 'order-summary', { reason: ' ' })).rejects.toMatchObject({ code: 'config.invalid' });
  });

  it('a replay of a paused projection waits until it is resumed', async () => {
    const connection = await start();
    work(connection);
    await connection.emit(many(0, 20));
    await until(async () => (await connection.generations()).filter(({ generation }) => generation.status === 'active').length === 2, 'both are active');
    const { id } = await connection.replays.start({ projections: [{ name: 'order-summary', version: 1 }], again: true });
    await connection.pauses.pause('projection', 'order-summary', { reason: 'vacuum' });
    const done = connection.replays.runUntil(id, 'ready', {
      onProgress: ({ waitingFor }) => void (waitingFor === undefined ? undefined : waits.push(waitingFor)),
    });
    const waits: string[] = [];
    await until(() => waits.length > 2, 'it waits');
    expect(waits[0]).toBe('order-summary to be resumed');
    await connection.pauses.resume('projection', 'order-summary');
    expect((await done).state).toBe('ready');
    await connection.pauses.pause('projection', 'order-summary', { reason: 'vacuum' });
    await expect(connection.replays.cutover(id)).rejects.toMatchObject({ code: 'projection.paused' });
    expect((await connection.replays.status(id)).state).toBe('ready');
    await connection.pauses.resume('projection', 'order-summary');
    expect((await connection.replays.cutover(id)).state).toBe('done');
  });

  it('workers join and leave while events come in: a partition is handed over within the session, nothing is lost or doubled', async () => {
    const connection = await start();
    const TOTAL = 1_200;
    let written = 0;
    const writing = (async () => {
      for (; written < TOTAL; written += 40) {
        await connection.emit(many(written, written + 40));
      }
    })();
    const running = [work(connection)];
    for (let round = 0; round < 4; round += 1) {
      const at = written;
      running.push(work(await world.connect(shop)));
      await until(() => written > at || written >= TOTAL, 'more was written');
      const [leaving] = running.splice(0, 1);
      leaving!.worker.stop();
      await leaving!.ended;
      const began = Date.now();
      await until(
        async () =>
          (await connection.generations()).length === 2 &&
          (await connection.generations()).every(({ checkpoints }) => checkpoints.every(({ owner }) => owner === running[0]!.worker.name)),
        'the one that stays owns everything',
      );
      expect(Date.now() - began).toBeLessThan(10_000); // the bound of a member that died, which nobody did
    }
    await writing;
    await until(async () => (await isFolded(connection, 'order-summary')) && isFolded(connection, 'customer-daily'), 'all is folded');
    await until(async () => (await connection.generations()).every(({ generation }) => generation.status === 'active'), 'both are shown');
    for (const { checkpoints } of await connection.generations()) {
      expect(totals(checkpoints)).toMatchObject({ read: TOTAL, applied: TOTAL });
    }
    expect(await connection.query('order_summary' as never)).toHaveLength(TOTAL);
    const days = (await connection.query('customer_daily' as never)) as unknown as readonly { readonly orders: bigint }[];
    expect(days.reduce((sum, { orders }) => sum + orders, 0n)).toBe(BigInt(TOTAL));
    running.forEach(({ worker }) => worker.stop());
    await Promise.all(running.map(({ ended }) => ended));
  });
});
