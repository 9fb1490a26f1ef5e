import { MemoryErrata } from '../../../../src/events/adapters/memory/errata';
import { Corrections } from '../../../../src/events/corrections';
import { Decimal } from '../../../../src/kernel/decimal';
import { overlayOf } from '../../../../src/events/errata';
import { MemoryCatalog } from '../../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../../src/projections/adapters/memory/store';
import { NOTHING_DECIDED } from '../../../../src/projections/partition-decisions';
import { Parking } from '../../../../src/projections/engine/parking';
import { PARK_ALL } from '../../../../src/projections/failure-rules';
import { repeatBatch } from '../../../../src/projections/engine/repeat';
import type { Generation } from '../../../../src/projections/generations';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, totals, until, type Bench } from '../../../support/harness';
import { CustomerDaily, OrderPlaced, OrderSummary, shopEvents } from '../../../support/shop';

const summary = definitionOf(OrderSummary);
const daily = definitionOf(CustomerDaily);
const day = (n: number): Date => new Date(Date.UTC(2026, 0, n));
const placed = (id: string, amount: string, at = day(1)): OrderPlaced => new OrderPlaced(id, 'ann', Decimal.parse(amount), at);

describe('a generation and the errata', () => {
  let bench: Bench;
  let book: MemoryErrata;
  let corrections: Corrections;
  let catalog: MemoryCatalog;
  let store: MemoryReadModelStore;

  beforeEach(async () => {
    bench = await memoryBench(1);
    book = new MemoryErrata();
    const [ready, decoder] = [() => Promise.resolve(), bench.serde.decoder(shopEvents)];
    corrections = new Corrections({ log: bench.log, serde: bench.serde, ready, decoder, book, topics: ['orders'], by: 'test' });
    catalog = new MemoryCatalog({ app: 'shop', errata: book });
    store = new MemoryReadModelStore({ catalog });
  });

  const fold = async (generation: Generation, definition = summary, liveBatch = 100): Promise<void> => {
    const runner = startRunner(bench, store, generation, definition, { errata: book, liveBatch, replayBatch: liveBatch });
    await until(() => caughtUp(catalog, bench.log, generation), 'caught up');
    await runner.stop();
  };
  const build = async (run: number, definition = summary): Promise<Generation> => {
    const generation = await buildGeneration(catalog, store, bench.log, definition, run);
    catalog.setStatus(generation.id, 'active');
    return generation;
  };
  const amounts = ({ id }: Generation): Record<string, string> =>
    Object.fromEntries(store.rows(id).map((row) => [row['order_id'] as string, String(row['amount'])]));
  const replaceFirst = () =>
    corrections.add({
      event: { topic: 'orders', partition: 0, offset: 0 },
      read: { fields: { orderId: 'a', customerId: 'ann', amount: '2.00', placedAt: day(1).toISOString() } },
      reason: 'wrong amount',
    });

  it('reads by the version it has pinned, after a restart too', async () => {
    await bench.append([placed('a', '1.00'), placed('b', '5.00')]);
    const live = await build(1);
    await fold(live);
    await replaceFirst();
    await corrections.add({ event: { topic: 'orders', partition: 0, offset: 1 }, read: 'skip', reason: 'never was' });
    await bench.append([placed('c', '7.00')]);
    await fold(live); // which begins anew from the checkpoint, as after a crash
    expect(live.errataVersion).toBe(0);
    expect(amounts(live)).toEqual({ a: '1.00', b: '5.00', c: '7.00' });

    const rebuilt = await build(2);
    expect(rebuilt.errataVersion).toBe(2);
    await corrections.withdraw({ version: 1, reason: 'after it was made' });
    await fold(rebuilt);
    expect(amounts(rebuilt)).toEqual({ a: '2.00', c: '7.00' });
    expect(totals(await catalog.checkpoints(rebuilt.id))).toMatchObject({ read: 3, applied: 2, errata: 1, discarded: 0, control: 0 });

    const third = await build(3);
    await fold(third);
    expect(amounts(third)).toEqual({ a: '1.00', c: '7.00' });
  });

  it('makes the same rows when it is interrupted after each record and others are decided meanwhile', async () => {
    await bench.append(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => placed(id, '1.00')));
    await replaceFirst();
    await corrections.add({ event: { topic: 'orders', partition: 0, offset: 3 }, read: 'skip', reason: 'never was' });
    const [whole, pieces] = [await build(1), await build(2)];
    await fold(whole);
    for (let offset = 0; offset < 6; offset += 1) {
      const runner = startRunner(bench, store, pieces, summary, { errata: book, liveBatch: 1 });
      await until(async () => (await catalog.checkpoints(pieces.id))[0]!.next > offset, 'one more is folded');
      await runner.stop();
      await corrections.add({ event: { topic: 'orders', partition: 0, offset }, read: 'skip', reason: 'later' });
    }
    await fold(pieces);
    expect(store.rows(pieces.id)).toEqual(store.rows(whole.id));
    expect(totals(await catalog.checkpoints(pieces.id))).toEqual(totals(await catalog.checkpoints(whole.id)));
  });

  it('takes the stream time of what it reads: neither that of a skipped event nor the wrong one of a replaced event', async () => {
    await bench.append([placed('a', '1.00', day(900)), placed('b', '1.00', day(800)), placed('c', '1.00', day(1))]);
    const wrong = await build(1, daily);
    await fold(wrong, daily);
    expect(store.late(wrong.id)).toHaveLength(2);
    await corrections.add({ event: { topic: 'orders', partition: 0, offset: 0 }, read: 'skip', reason: 'a clock ran ahead' });
    const fields = { orderId: 'b', customerId: 'ann', amount: '1.00', placedAt: day(1).toISOString() };
    await corrections.add({ event: { topic: 'orders', partition: 0, offset: 1 }, read: { fields }, reason: 'a clock ran ahead' });
    const right = await build(2, daily);
    await fold(right, daily);
    expect(store.late(right.id)).toEqual([]);
    expect(store.rows(right.id)).toMatchObject([{ customer_id: 'ann', orders: 2n, window_start: day(1) }]);
    expect((await catalog.checkpoints(right.id))[0]).toMatchObject({ streamTime: day(1).getTime(), fingerprint: { offset: 2 } });
  });

  it('goes over a record that cannot be decoded', async () => {
    await bench.log.append([{ topic: 'orders', key: Buffer.from('a'), value: Buffer.from('garbage'), headers: {} }]);
    await bench.append([placed('b', '5.00')]);
    await corrections.add({ event: { topic: 'orders', partition: 0, offset: 0 }, read: 'skip', reason: 'garbage' });
    const generation = await build(1);
    await fold(generation);
    expect(amounts(generation)).toEqual({ b: '5.00' });
  });

  it('stops at an event that is not the one its erratum was recorded for', async () => {
    await bench.append([placed('b', '5.00'), placed('a', '1.00')]);
    const erratum = await corrections.add({ event: { topic: 'orders', partition: 0, offset: 1 }, read: 'skip', reason: 'r' });
    await book.add({ ...erratum, eventId: 'of another topic of that name' });
    const generation = await build(1);
    const runner = startRunner(bench, store, generation, summary, { errata: book });
    await until(() => runner.events.some(({ kind }) => kind === 'stopped'), 'the partition has stopped');
    await runner.stop();
    expect((await catalog.checkpoints(generation.id))[0]).toMatchObject({ next: 1, stoppedBy: { code: 'errata.event-changed', offset: 1 } });
    expect(amounts(generation)).toEqual({ b: '5.00' });
  });

  it('folds a batch in doubt once more by the same version', async () => {
    await bench.append([placed('a', '1.00'), placed('b', '5.00')]);
    await replaceFirst();
    await corrections.add({ event: { topic: 'orders', partition: 0, offset: 1 }, read: 'skip', reason: 'never was' });
    const generation = await build(1);
    await corrections.withdraw({ version: 2, reason: 'later' });
    const opened = await store.open(generation, summary);
    const [checkpoint] = await opened.claim([{ topic: 'orders', partition: 0 }], 'worker');
    const parts = { definition: summary, log: bench.log, decoder: bench.serde.decoder(summary.events), generation };
    const rulings = { decisions: [], errata: overlayOf(await book.list(generation.errataVersion)), folding: NOTHING_DECIDED };
    const advance = await repeatBatch(parts, opened, { ...checkpoint!, repeatTo: 2 }, rulings, new Parking(PARK_ALL));
    expect(advance?.counters).toMatchObject({ read: 2, applied: 1, errata: 1 });
    expect(amounts(generation)).toEqual({ a: '2.00' });
  });
});
