import { switchText } from '../../../src/app/cli/history-text';
import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { defineApp } from '../../../src/app/define-app';
import { customerDailyV2, shopEvents } from '../../support/shop';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { DAILY_V2, openWorld, orders, startWorker, type World } from './world';

/** What is deployed once nobody thinks of version 1 any more. */
const newer = defineApp({ name: 'shop', events: [...shopEvents], projections: [customerDailyV2] });

describeWithPostgres('a rollback to a generation that has fallen behind', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-stale', orders: 60 });
  });
  afterAll(() => world.close());

  it('is refused, and done where an older state may be seen, which is recorded', async () => {
    const { id } = await world.coordinator().start({ projections: DAILY_V2 });
    await world.coordinator().runUntil(id, 'done');
    await world.rest();
    const connection = (await connect(newer, { configuration: { postgresUrl: world.url }, environment: {} })) as unknown as ConnectedApp;
    const worker = startWorker(connection, 'newer');
    try {
      await world.shop.emit(orders(60, 90));
      await until(async () => (await world.total()).orders === 81, 'version 2 goes on');
      const coordinator = world.coordinator({ options: { holdMs: 300, holdAttempts: 1, liveWithinMs: 400 } });
      await until(async () => (await coordinator.status(id)).waitingFor !== undefined, 'version 1 has no worker');
      await expect(coordinator.rollback(id)).rejects.toMatchObject({ code: 'replay.no-worker' });
      const v1 = world.shop.app.projections.find(({ name, version }) => name === 'customer-daily' && version === 1)!;
      await world.shop.container.resolve(TOKENS.catalog).announce({
        worker: 'sleeper',
        host: 'nowhere',
        pid: 1,
        announced: [{ projection: v1.name, version: 1, definitionHash: v1.hash }],
        reactors: [],
      });
      await expect(world.coordinator({ options: { holdMs: 300, holdAttempts: 1, liveWithinMs: 3_600_000 } }).rollback(id)).rejects.toMatchObject({
        code: 'hold.timed-out',
      });
      expect(await coordinator.status(id)).toMatchObject({ state: 'done', error: { code: 'hold.timed-out' } });
      expect((await world.total()).orders).toBe(81);

      const status = await coordinator.rollback(id, { stale: true, reason: 'version 2 is worse' });
      expect(status.state).toBe('ready');
      expect((await world.total()).orders).toBe(60);
      expect(switchText(status.steps).join()).toContain('warning: readers see an older state than before');
      const history = await coordinator.history(id);
      expect(history.map(({ what }) => what).slice(-5)).toEqual(['refused', 'cutting-over', 'done', 'cutting-over', 'ready']);
      expect(history.at(-2)).toMatchObject({ what: 'cutting-over', reason: 'version 2 is worse', facts: { stale: true } });
      expect(history.at(-1)).toMatchObject({ what: 'ready', facts: { missing: 30, lockMs: expect.any(Number) } });
      const older = history.at(-1)!.facts['older'] as readonly { readonly next: number; readonly at: number }[];
      expect(older.reduce((sum, { at, next }) => sum + at - next, 0)).toBe(30);
      world.work();
      await until(async () => (await world.total()).orders === 90, 'it has caught up');
    } finally {
      await worker.stop();
      await connection.close();
    }
    await world.coordinator().abort(id, { reason: 'given up' });
    expect((await world.coordinator().history(id)).filter(({ reason }) => reason === 'given up')).toHaveLength(1);
  });
});
