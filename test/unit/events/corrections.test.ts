import { MemoryErrata } from '../../../src/events/adapters/memory/errata';
import { Corrections } from '../../../src/events/corrections';
import { overlayOf, type Erratum } from '../../../src/events/errata';
import { Decimal } from '../../../src/kernel/decimal';
import { memoryBench, type Bench } from '../../support/harness';
import { OrderErased, OrderPlaced, shopEvents } from '../../support/shop';

const AT = new Date('2026-03-01T12:00:00Z');
const placed = (id: string): OrderPlaced => new OrderPlaced(id, 'ann', Decimal.parse('1.00'), AT);
const RIGHT = { orderId: 'a', customerId: 'ann', amount: '2.00', placedAt: AT.toISOString() };

const erratum = (version: number, more: Partial<Erratum>): Erratum => ({
  version,
  action: 'skip',
  topic: 'orders',
  partition: 0,
  offset: 0,
  eventId: '',
  replacement: undefined,
  withdraws: undefined,
  fullReplay: true,
  reason: 'r',
  by: 'b',
  at: 0,
  ...more,
});

describe('an overlay', () => {
  it('has the newest erratum of each position, and none where that is a withdrawal', () => {
    const errata = [
      erratum(3, { offset: 1 }),
      erratum(1, {}),
      erratum(2, { offset: 1 }),
      erratum(4, { action: 'withdraw', withdraws: 1 }),
      erratum(5, { partition: 1 }),
    ];
    const shown = [...overlayOf(errata)].map(([id, offsets]) => [id, [...offsets.values()].map(({ version }) => version)]);
    expect(shown).toEqual([
      ['orders/0', [3]],
      ['orders/1', [5]],
    ]);
    expect(overlayOf(errata.slice(0, 3)).get('orders/0')?.get(0)?.version).toBe(1);
  });
});

describe('corrections', () => {
  let bench: Bench;
  let corrections: Corrections;
  const refused = async (work: Promise<unknown>, code: string, message = /./): Promise<void> => {
    await expect(work).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(await corrections.version()).toBe(0);
  };

  beforeEach(async () => {
    bench = await memoryBench(2);
    corrections = new Corrections({
      log: bench.log,
      serde: bench.serde,
      ready: () => Promise.resolve(),
      decoder: bench.serde.decoder(shopEvents),
      book: new MemoryErrata(),
      topics: ['orders'],
      by: 'ann@host',
    });
    await bench.log.append([
      { ...bench.serde.encode(placed('a'), { id: 'first' }), partition: 0 },
      { ...bench.serde.encode(new OrderErased('a'), { id: 'second' }), partition: 0, timestamp: 5_000 },
      { ...bench.serde.encode(placed('b'), { id: 'twice' }), partition: 1 },
      { ...bench.serde.encode(placed('b'), { id: 'twice' }), partition: 1 },
      { topic: 'orders', partition: 1, key: Buffer.from('x'), value: Buffer.from('{}'), headers: {} },
    ]);
  });

  it('are numbered, kept with who and why, and can be taken back', async () => {
    const skip = await corrections.add({ event: { id: 'first' }, read: 'skip', reason: 'never happened' });
    expect(skip).toMatchObject({ version: 1, action: 'skip', topic: 'orders', partition: 0, offset: 0, eventId: 'first', fullReplay: true, by: 'ann@host' });
    const replace = await corrections.add({ event: { id: 'first' }, read: { fields: RIGHT }, reason: 'wrong amount', by: 'bob' });
    expect(replace).toMatchObject({ version: 2, action: 'replace', by: 'bob', reason: 'wrong amount', fullReplay: false });
    expect(replace.replacement).toMatchObject({ type: 'shop.OrderPlaced', event: JSON.stringify(RIGHT), time: AT.getTime() });
    await expect(corrections.withdraw({ version: 1, reason: 'x' })).rejects.toMatchObject({ code: 'errata.not-in-force', facts: { version: 1, since: 2 } });
    const withdrawal = await corrections.withdraw({ version: 2, reason: 'it was right' });
    expect(withdrawal).toMatchObject({ version: 3, action: 'withdraw', withdraws: 2, offset: 0, replacement: undefined });
    await expect(corrections.withdraw({ version: 2, reason: 'x' })).rejects.toMatchObject({ code: 'errata.not-in-force' });
    await expect(corrections.withdraw({ version: 3, reason: 'x' })).rejects.toMatchObject({ code: 'errata.not-in-force' });
    await expect(corrections.withdraw({ version: 9, reason: 'x' })).rejects.toMatchObject({ code: 'errata.unknown' });
    await expect(corrections.show(9)).rejects.toMatchObject({ code: 'errata.unknown' });
    expect(await corrections.show(2)).toEqual(replace);
    expect((await corrections.list()).map(({ version }) => version)).toEqual([1, 2, 3]);
    expect(await corrections.version()).toBe(3);
  });

  it('say when the event time is another', async () => {
    const fields = { ...RIGHT, placedAt: '2026-03-02T12:00:00Z' };
    expect(await corrections.add({ event: { id: 'first' }, read: { fields }, reason: 'wrong day' })).toMatchObject({ fullReplay: true });
    const untimed = await corrections.add({
      event: { id: 'second' },
      read: { fields: { orderId: 'a' } },
      reason: 'a type without a time keeps that of the event',
    });
    const { timestamp } = await corrections.look({ id: 'second' });
    expect(untimed.fullReplay).toBe(false);
    expect(timestamp).toBe(5_000);
    expect(untimed.replacement?.time).toBe((await corrections.look({ id: 'second' })).events[0]?.time);
  });

  it('may replace an event by one of another type of its topic', async () => {
    const fields = { orderId: 'a', shippedAt: AT.toISOString() };
    const { replacement } = await corrections.add({ event: { id: 'first' }, read: { type: 'shop.OrderShipped', fields }, reason: 'mixed up' });
    expect(replacement).toMatchObject({ type: 'shop.OrderShipped', event: JSON.stringify(fields) });
  });

  it('show the event, also one that cannot be decoded', async () => {
    expect(await corrections.look({ id: 'first' })).toMatchObject({
      offset: 0,
      key: 'a',
      events: [{ type: 'shop.OrderPlaced', time: AT.getTime(), fields: { ...RIGHT, amount: '1.00' } }],
      error: undefined,
      erratum: undefined,
    });
    const broken = { topic: 'orders', partition: 1, offset: 2 };
    expect(await corrections.look(broken)).toMatchObject({ id: '', events: [], error: expect.stringContaining('wire format') as string });
    await refused(corrections.add({ event: broken, read: { fields: RIGHT }, reason: 'r' }), 'errata.invalid', /does not say its event type/);
    await corrections.add({ event: broken, read: 'skip', reason: 'garbage' });
    expect((await corrections.look(broken)).erratum).toMatchObject({ version: 1 });
  });

  it('find the event or say why not', async () => {
    const add = (event: Parameters<Corrections['add']>[0]['event'], searchLimit?: number): Promise<Erratum> =>
      corrections.add({ event, read: 'skip', reason: 'r', searchLimit });
    await refused(add({ id: 'third' }), 'errata.event-not-found', /no event in the log has the id third/);
    await refused(add({ id: 'first' }, 3), 'errata.event-not-found', /ended at its limit.*partition=1 offset=1 found=1/);
    await refused(add({ id: 'twice' }), 'errata.event-ambiguous', /2 records.*orders:1:0,orders:1:1/);
    await refused(add({ topic: 'orders', partition: 0, offset: 2 }), 'errata.event-not-found');
    await refused(add({ topic: 'orders', partition: 0, offset: 99 }), 'log.truncated');
    await refused(add({ topic: 'orders', partition: 7, offset: 0 }), 'log.unknown-partition');
    await refused(add({ topic: 'others', partition: 0, offset: 0 }), 'errata.event-not-found', /no topic of this application/);
    expect(await add({ id: 'first' }, 5)).toMatchObject({ version: 1 });
  });

  it('refuse what cannot stand in the place of the event', async () => {
    const replace = (fields: unknown, type?: string): Promise<Erratum> => corrections.add({ event: { id: 'first' }, read: { fields, type }, reason: 'r' });
    await refused(replace({ ...RIGHT, orderId: 'b' }), 'errata.key-changed', /key b, the event a.*offset=0/);
    await refused(replace({ ...RIGHT, amount: 'much' }), 'event.invalid', /amount/);
    await refused(replace(RIGHT, 'shop.Other'), 'event.not-registered');
    await refused(corrections.add({ event: { id: 'first' }, read: 'skip', reason: ' ' }), 'errata.invalid', /reason/);
    await refused(corrections.withdraw({ version: 1, reason: '' }), 'errata.invalid', /reason/);
  });
});
