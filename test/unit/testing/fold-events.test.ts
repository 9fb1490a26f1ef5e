import { randomUUID } from 'node:crypto';
import { Decimal } from '../../../src/kernel/decimal';
import { integer, json, text, timestamp } from '../../../src/projections/columns';
import { On, Projection, projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import type { EventContext } from '../../../src/projections/event-context';
import { foldEvents } from '../../../src/testing';
import { CustomerDaily, OrderErased, OrderPlaced, OrderShipped, OrderSummary, customerDaily } from '../../support/shop';

const AT = new Date('2026-03-01T10:00:00Z');
const placed = (id: string, at = AT): OrderPlaced => new OrderPlaced(id, 'ann', Decimal.parse('2.00'), at);

const seen = readModel('seen', { order_id: text().key(), event_id: text(), place: text(), at: timestamp(), n: integer(), list: json<number[]>() });

@Projection({ name: 'seen', version: 1 })
class Seen {
  readonly into = seen;

  @On(OrderPlaced)
  placed(_: OrderPlaced, row: { n: number } | undefined, { key, eventId, position, index, time }: EventContext) {
    const place = `${position.topic}/${String(position.partition)}@${String(position.offset)}.${String(index)}`;
    return { order_id: key, event_id: eventId, place, at: time, n: (row?.n ?? 0) + 1, list: [2, 1] };
  }
}

const impure = (handler: (e: OrderPlaced, row: { readonly list: number[] } | undefined) => Partial<{ event_id: string; at: Date; n: number }>) =>
  projection({ name: 'impure', version: 1, into: seen }).on(OrderPlaced, (e, row) => ({
    order_id: e.orderId,
    event_id: '',
    place: '',
    at: e.placedAt,
    n: 0,
    list: [2, 1],
    ...handler(e, row),
  }));

describe('foldEvents', () => {
  it('handlers are told id, time, key and position of their event', async () => {
    const { rows } = await foldEvents(Seen, [placed('a'), new OrderErased('x'), placed('b')]);
    expect(rows).toEqual([
      { order_id: 'a', event_id: expect.stringMatching(/^[0-9a-f-]{36}$/), place: 'orders/0@0.0', at: AT, n: 1, list: [2, 1] },
      { order_id: 'b', event_id: expect.stringMatching(/^[0-9a-f-]{36}$/), place: 'orders/0@2.0', at: AT, n: 1, list: [2, 1] },
    ]);
    expect(new Set(rows.map(({ event_id }) => event_id)).size).toBe(2);
  });

  it('handlers of contributions are told too', async () => {
    const byKey = projection({ name: 'by-key', version: 1, into: customerDaily, window: { kind: 'tumbling', sizeMs: 86_400_000, graceMs: 0 } }).on(
      OrderPlaced,
      (e, { key, position }) =>
        customerDaily.contribution({ customer_id: `${key} ${String(position.offset)}` }, { orders: 1, largest: e.amount, smallest: e.amount }),
    );
    const { rows } = await foldEvents(byKey, [placed('a'), placed('b')]);
    expect(rows.map(({ customer_id }) => customer_id)).toEqual(['a 0', 'b 1']);
  });

  it.each([1, 3])('records that are delivered twice count once, in %i partitions', async (partitions) => {
    const events = [...'abcdefgh'].flatMap((id) => [placed(id), new OrderShipped(id, AT), ...(id < 'd' ? [new OrderErased(id)] : [])]);
    for (const model of [Seen, OrderSummary, CustomerDaily]) {
      const once = await foldEvents(model, events, { partitions });
      const rows = once.rows.map((row) => ({ ...row, event_id: '' }));
      expect(rows.length).toBeGreaterThan(0);
      const twice = await foldEvents(model, events, { partitions, numberOfTimes: 3 });
      expect({ ...twice, rows: twice.rows.map((row) => ({ ...row, event_id: '' })) }).toEqual({ ...once, rows });
    }
  });

  it.each([
    ['Date.now()', impure(() => ({ n: Date.now() % 7 })), /context\.time/],
    ['new Date()', impure(() => ({ at: new Date() })), /context\.time/],
    ['performance.now()', impure(() => ({ n: Math.floor(performance.now()) })), /context\.time/],
    ['process.hrtime()', impure(() => ({ n: process.hrtime()[1] % 7 })), /context\.time/],
    ['process.hrtime.bigint()', impure(() => ({ n: Number(process.hrtime.bigint() % 7n) })), /context\.time/],
    ['Math.random()', impure(() => ({ n: Math.floor(Math.random() * 9) })), /context\.eventId/],
    ['crypto.randomUUID()', impure(() => ({ event_id: randomUUID() })), /context\.eventId/],
    ['crypto.randomUUID()', impure(() => ({ event_id: globalThis.crypto.randomUUID() })), /context\.eventId/],
  ])('a handler that calls %s is refused with the place', async (name, given, remedy) => {
    await expect(foldEvents(given, [placed('a')])).rejects.toMatchObject({
      code: 'handler.impure',
      message: expect.stringContaining(`the handler of shop.OrderPlaced is no pure function: it calls ${name} at `),
      facts: { projection: 'impure v1', event: 'shop.OrderPlaced', key: 'a', offset: 0 },
      remedy: expect.stringMatching(remedy),
    });
    await expect(foldEvents(given, [placed('a')])).rejects.toThrow(/fold-events\.test\.ts:\d+/);
    expect((await foldEvents(given, [placed('a')], { checkHandlers: 'off' })).rows).toHaveLength(1);
  });

  it.each([
    ['a date of its event', impure((e) => ({ n: e.placedAt.setUTCFullYear(2030) % 7 })), /event that it was given: placedAt was "Date \d+" and is "Date \d+"/],
    [
      'a field of its event',
      impure((e) => Object.assign(e, { orderId: 'a', customerId: 'bob' }) && {}),
      /event that it was given: customerId was "ann" and is "bob"/,
    ],
    ['JSON of its row', impure((_, row) => (row?.list.sort(), {})), /changes what it was given: .*read only property '0'/],
    ['its row', impure((_, row) => (row && Object.assign(row, { n: 3 }), {})), /row that it was given: n was \d+ and is 3/],
  ])('a handler that changes %s is refused with what it changed', async (_, given, what) => {
    const folded = foldEvents(given, [placed('a'), placed('a')]);
    await expect(folded).rejects.toMatchObject({ code: 'handler.impure', message: expect.stringMatching(what), remedy: expect.stringContaining('{ ...row') });
  });

  it('clocks and chance are what they were afterwards, and dates that are said are none', async () => {
    const before = [Date, Date.now, Math.random, performance.now.bind(performance)(), randomUUID, process.hrtime, globalThis.crypto.randomUUID].map(String);
    const sameDay = impure((e) => ({
      at: new Date(e.placedAt.getTime()),
      n: Number(e.placedAt instanceof Date) + Number(new Date(0) instanceof Date) + Date.UTC(1970, 0),
    }));
    expect((await foldEvents(sameDay, [placed('a')])).rows[0]).toMatchObject({ at: AT, n: 2 });
    const after = [Date, Date.now, Math.random, 0, randomUUID, process.hrtime, globalThis.crypto.randomUUID].map(String);
    expect(after.filter((_, i) => i !== 3)).toEqual(before.filter((__, i) => i !== 3));
    expect(Object.hasOwn(performance, 'now')).toBe(false);
    expect(new Date()).toBeInstanceOf(Date);
  });
});
