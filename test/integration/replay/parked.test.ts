import { Decimal } from '../../../src/kernel/decimal';
import { defineApp } from '../../../src/app/define-app';
import { projection } from '../../../src/projections/projection';
import { tumbling } from '../../../src/projections/windows/window';
import { OrderPlaced, OrderSummary, CustomerDaily, customerDaily, shopEvents } from '../../support/shop';
import { poolOf } from '../../support/connected';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { DAILY_V2, openWorld, type World } from './world';

let bad: string | undefined = 'c3';
const picky = projection({ name: 'customer-daily', version: 2, into: customerDaily, window: tumbling('1 day') }).on(OrderPlaced, (e) => {
  if (e.customerId === bad) {
    throw new TypeError('it cannot take this customer');
  }
  return customerDaily.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount, smallest: e.amount });
});
const app = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary, CustomerDaily, picky] });

describeWithPostgres('a candidate that parks what the active generation folds', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-parked', orders: 100, app });
  });
  afterAll(() => world.close());

  it('parks by itself, shows in the comparison, and is not cut over to unless somebody says so', async () => {
    const coordinator = world.coordinator();
    const { id } = await coordinator.start({ projections: DAILY_V2 });
    const { verdict } = await coordinator.runUntil(id, 'ready');
    const [member] = verdict!.members;
    expect(member!.parked!.before).toEqual({ sequences: 0, events: 0, keys: [] });
    expect(member!.parked!.after.keys).toEqual(['o26', 'o3', 'o49', 'o72', 'o95']);
    expect(member!.counters.after.parked).toBe(5);
    expect(verdict!.identical).toBe(false);
    await expect(coordinator.cutover(id)).rejects.toMatchObject({ code: 'cutover.more-parked', facts: { keys: ['o26', 'o3', 'o49', 'o72', 'o95'] } });
    expect((await coordinator.status(id)).state).toBe('ready');
    expect((await coordinator.cutover(id, { allowParked: true })).state).toBe('done');
    expect((await world.total()).orders).toBe(95);

    bad = undefined;
    const redriven = await world.shop.parked.redrive({ projection: 'customer-daily' });
    expect(redriven.map(({ result }) => result)).toEqual(Array.from({ length: 5 }, () => ({ folded: 1, left: 0, cause: undefined })));
    expect((await world.total()).orders).toBe(100);
    await world.shop.emit([new OrderPlaced('o3', 'c3', Decimal.parse('1.00'), new Date(Date.UTC(2026, 0, 9)))]);
    await until(async () => (await world.total()).orders === 101, 'the worker goes on with a key that was parked');
  });

  it('what a generation has parked goes with its tables', async () => {
    bad = 'c4';
    const coordinator = world.coordinator();
    const { id } = await coordinator.start({ projections: DAILY_V2, again: true });
    await coordinator.runUntil(id, 'ready');
    const parked = async (): Promise<readonly number[]> => {
      const counts = ['sequences', 'events'].map((of) => poolOf(world.shop).query<{ n: number }>(`SELECT count(*) AS n FROM refold.parked_${of}`));
      return (await Promise.all(counts)).map(({ rows }) => rows[0]!.n);
    };
    expect((await parked()).every((n) => n > 0)).toBe(true);
    await coordinator.abort(id);
    expect(await parked()).toEqual([0, 0]);
  });
});
