import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { idOfOrder, openWorld, orders, type World } from './world';

const AGAIN = { projections: [{ name: 'order-summary', version: 1 }], again: true };

describeWithPostgres('a wrong event', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'errata', orders: 60 });
  });
  afterAll(() => world.close());

  const amounts = async (): Promise<Record<string, string>> => {
    const rows = await world.shop.query('order_summary' as never);
    return Object.fromEntries((rows as readonly { order_id: string; amount: unknown }[]).map((row) => [row.order_id, String(row.amount)]));
  };
  const idOf = (order: string): Promise<string> => idOfOrder(world, order);

  it('is corrected by a replay, which shows precisely the rows that change', async () => {
    const { errata } = world.shop;
    const before = await amounts();
    const wrong = { id: await idOf('o7') };
    const { events } = await errata.look(wrong);
    const fields = { ...(events[0]!.fields as object), amount: '4711.50' };
    expect(await errata.add({ event: wrong, read: { fields }, reason: 'the till was wrong', by: 'ann' })).toMatchObject({
      version: 1,
      by: 'ann',
      fullReplay: false,
    });
    expect(await errata.add({ event: { id: await idOf('o8') }, read: 'skip', reason: 'a test order' })).toMatchObject({ version: 2, action: 'skip' });
    expect((await errata.list()).map(({ version, reason, by, at }) => [version, reason, by === 'ann', at > 0])).toEqual([
      [1, 'the till was wrong', true, true],
      [2, 'a test order', false, true],
    ]);
    await world.shop.emit(orders(60, 70));
    await until(async () => Object.keys(await amounts()).length === 70, 'the live generation goes on');
    expect(await amounts()).toMatchObject(before);

    const coordinator = world.coordinator();
    const { id } = await coordinator.start(AGAIN);
    expect((await coordinator.status(id)).steps[0]!.facts).toMatchObject({ errata: 2 });
    const ready = await coordinator.runUntil(id, 'ready');
    expect(ready.members).toMatchObject([{ from: { errata: 0 }, to: { errata: 2 } }]);
    const [member] = (await coordinator.diff(id)).members;
    expect(member).toMatchObject({ onlyBefore: 1, onlyAfter: 0, changed: 1, changedByColumn: { amount: 1 } });
    expect(member!.counters).toMatchObject({ before: { read: 70, applied: 70, errata: 0 }, after: { read: 70, applied: 69, errata: 1 } });
    expect(member!.samples).toMatchObject([
      { kind: 'changed', key: { order_id: 'o7' }, changes: [{ column: 'amount', before: before['o7'], after: '4711.50' }] },
      { kind: 'before', key: { order_id: 'o8' } },
    ]);
    await coordinator.cutover(id);
    const after = await amounts();
    const { o7: _wrong, o8: _never, ...others } = before;
    expect(after).toMatchObject({ ...others, o7: '4711.50' });
    expect(after).not.toHaveProperty('o8');
    await coordinator.rollback(id);
    expect(await amounts()).toMatchObject(before);
    await coordinator.cutover(id);
    await coordinator.retire(id);
  });

  it('is read by the pinned version whatever is decided meanwhile and whichever worker dies', async () => {
    const before = await amounts();
    const coordinator = world.coordinator();
    const { id } = await coordinator.start(AGAIN);
    await until(async () => (await coordinator.status(id)).state === 'replaying' || !(await coordinator.advance(id)), 'the candidate is made');
    await world.rest(); // what it has folded so far stays
    await world.shop.errata.withdraw({ version: 2, reason: 'it was no test' });
    world.work();
    const ready = await coordinator.runUntil(id, 'ready');
    expect(ready.members[0]!.to).toMatchObject({ errata: 2 });
    expect((await coordinator.diff(id)).identical).toBe(true);
    await coordinator.abort(id);
    expect(await amounts()).toEqual(before);

    const next = await coordinator.start(AGAIN);
    expect((await coordinator.runUntil(next.id, 'done')).members[0]!.to).toMatchObject({ errata: 3 });
    expect(await amounts()).toHaveProperty('o8');
    await expect(world.shop.errata.withdraw({ version: 2, reason: 'again' })).rejects.toMatchObject({ code: 'errata.not-in-force' });
  });

  it('gets versions without gaps from many who decide at once', async () => {
    const { errata } = world.shop;
    const event = { topic: 'orders', partition: 0, offset: 0 };
    const added = await Promise.all(Array.from({ length: 12 }, () => errata.add({ event, read: 'skip', reason: 'r' })));
    expect(added.map(({ version }) => version).sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i + 4));
    expect(await errata.version()).toBe(15);
    await expect(errata.show(16)).rejects.toMatchObject({ code: 'errata.unknown' });
    expect(await errata.show(1)).toMatchObject({ replacement: { type: 'shop.OrderPlaced', value: expect.any(Buffer) as Buffer } });
  });
});
