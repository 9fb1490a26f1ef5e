import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { READINGS, startReaders } from '../../support/switching-readers';
import { startWriter } from '../../support/steady-writer';
import { DAILY_V2, openWorld, orders, type World } from './world';

describeWithPostgres('readers of a view that is switched', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-readers', orders: 300 });
  });
  afterAll(() => world.close());

  it('see no error and no empty, mixed or older result while it goes back and forth under writes', async () => {
    const coordinator = world.coordinator();
    const { id } = await coordinator.start({ projections: DAILY_V2 });
    await coordinator.runUntil(id, 'ready');
    const readers = await startReaders(world.url, READINGS, { connections: 16, perSecond: 400 });
    const writer = startWriter(world.shop, { from: 300, perSecond: 200 });
    for (let round = 0; round < 3; round += 1) {
      await readers.during(() => coordinator.cutover(id));
      await readers.during(() => coordinator.rollback(id));
    }
    await readers.during(() => coordinator.cutover(id));
    await readers.stop();
    const written = await writer.stop();
    expect(readers.findings.took.length).toBeGreaterThan(100);
    await until(async () => (await world.total()).orders === written * 0.9, 'the view shows everything written');
    const locks = (await coordinator.history(id)).flatMap(({ facts }) => (typeof facts['lockMs'] === 'number' ? [facts['lockMs']] : []));
    expect(locks).toHaveLength(7);
  });

  it('go on under a worker that loses one generation after the other while events arrive', async () => {
    const coordinator = world.coordinator();
    let written = (await world.shop.log.heads(['orders'])).reduce((sum, { stable }) => sum + stable, 0); // the log knows, whoever lags behind
    const stop = new AbortController();
    const write = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        await world.shop.emit(orders(written, written + 20));
        written += 20;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const writing = write();
    for (let round = 0; round < 3; round += 1) {
      const { id } = await coordinator.start({ projections: DAILY_V2, again: true });
      await coordinator.runUntil(id, round % 2 === 0 ? 'done' : 'ready');
      await (round % 2 === 0 ? coordinator.retire(id) : coordinator.abort(id));
    }
    stop.abort();
    await writing;
    await until(async () => (await world.total()).orders === written * 0.9, 'the worker still folds');
  });
});
