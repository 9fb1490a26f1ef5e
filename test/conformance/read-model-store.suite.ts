import { Decimal } from '../../src/kernel/decimal';
import type { GenerationCatalog, Generation } from '../../src/projections/generations';
import type { ProjectionDefinition } from '../../src/projections/definition';
import type { Advance, BatchCommit, ReadModelStore } from '../../src/projections/read-model-store';
import { NO_COUNTS } from '../../src/projections/generations';
import { CustomerDaily, OrderErased, OrderPlaced, OrderShipped, OrderSummary } from '../support/shop';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, totals, until, type Bench } from '../support/harness';

export interface StoreUnderTest {
  readonly catalog: GenerationCatalog;
  readonly store: ReadModelStore;
  /** Rows of a generation in order of key, values canonical, as text. */
  rows(generation: Generation, definition: ProjectionDefinition): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Sets a hold as a coordinator does, at one offset or one per partition; `undefined` lifts it. */
  hold(generation: Generation, at: number | Readonly<Record<number, number>> | undefined): Promise<void>;
  lateCount(generation: Generation): Promise<number>;
  close(): Promise<void>;
}

const day = (n: number, hour = 12): Date => new Date(Date.UTC(2026, 0, n, hour));
const dec = Decimal.parse;
const summary = definitionOf(OrderSummary);
const daily = definitionOf(CustomerDaily);
const nothing: BatchCommit = { advances: [], upserts: [], deletes: [], merges: [], late: [], parked: [] };
const advance = (from: number, next: number, epoch: number): Advance => ({
  topic: 'orders',
  partition: 0,
  from,
  next,
  epoch,
  counters: { ...NO_COUNTS, read: next - from, applied: next - from },
  streamTime: 1_000,
  fingerprint: { offset: next - 1, timestamp: 5, id: 'e' },
});

/** What every store of read models promises. `make` answers a fresh one. */
export const readModelStoreSuite = (make: () => Promise<StoreUnderTest>): void => {
  let subject: StoreUnderTest;
  let bench: Bench;
  beforeEach(async () => {
    subject = await make();
    bench = await memoryBench(2);
  });
  afterEach(() => subject.close());

  const provisioned = (definition: ProjectionDefinition): Promise<Generation> => buildGeneration(subject.catalog, subject.store, bench.log, definition);
  const foldAll = async (definition: ProjectionDefinition, options = {}): Promise<Generation> => {
    const generation = await provisioned(definition);
    const running = startRunner(bench, subject.store, generation, definition, options);
    await until(() => caughtUp(subject.catalog, bench.log, generation), 'the generation has caught up');
    await running.stop();
    return generation;
  };

  it('has one candidate per projection, which its name answers again', async () => {
    const first = await provisioned(summary);
    expect(await buildGeneration(subject.catalog, subject.store, bench.log, summary)).toEqual(first);
    await expect(buildGeneration(subject.catalog, subject.store, bench.log, summary, 2)).rejects.toMatchObject({
      code: 'replay.candidate-exists',
      facts: { projection: 'order-summary', store: subject.store.kind },
    });
    expect(await subject.catalog.list()).toEqual([first]);
  });

  it.each([1, 100])('stops a partition that brings a key of another one, whichever comes first, in batches of %d', async (replayBatch) => {
    const placed = (key: string, partition: number) => ({ ...bench.serde.encode(new OrderPlaced(key, 'ann', dec('1.00'), day(1))), partition });
    await bench.log.append([placed('a', 0), placed('moved', 0), placed('b', 0), placed('c', 1), placed('moved', 1), placed('d', 1)]);
    const generation = await provisioned(summary);
    const running = startRunner(bench, subject.store, generation, summary, { replayBatch });
    const stopped = () => running.events.flatMap((event) => (event.kind === 'stopped' ? [event.failure] : []));
    await until(async () => stopped().length > 0 && (await subject.rows(generation, summary)).length === 4, 'one partition is folded, the other one stopped');
    await running.stop();
    expect(stopped()).toMatchObject([{ offset: 1, error: { code: 'key.moved', facts: { key: 'moved', offset: 1 } } }]);
    const { partition } = stopped()[0]!;
    const stops = (await subject.catalog.checkpoints(generation.id)).map((checkpoint) => [checkpoint.next, checkpoint.stoppedBy?.code]);
    expect(stops[partition]).toEqual([1, 'key.moved']);
    expect(stops[1 - partition]).toEqual([3, undefined]);
  });

  it('folds rows: inserts, changes, deletes, and keeps every value exact', async () => {
    await bench.append([
      new OrderPlaced('a', 'ann', dec('9999999999.99'), day(1)),
      new OrderPlaced('b', 'bob', dec('0.10'), new Date(-1)),
      new OrderShipped('a', day(2)),
      new OrderPlaced('c', 'cy', dec('5'), day(3)),
      new OrderErased('c'),
      new OrderShipped('nobody', day(3)),
    ]);
    const generation = await foldAll(summary, { replayBatch: 2 });
    const rows = await subject.rows(generation, summary);
    expect(rows).toEqual([
      { order_id: 'a', customer_id: 'ann', status: 'shipped', amount: dec('9999999999.99'), changed_at: day(2) },
      { order_id: 'b', customer_id: 'bob', status: 'placed', amount: dec('0.10'), changed_at: new Date(-1) },
    ]);
    expect(totals(await subject.catalog.checkpoints(generation.id))).toMatchObject({ read: 6, applied: 5, filtered: 1, control: 0 });
  });

  it('merges contributions into windows, exactly', async () => {
    const amounts = Array.from({ length: 60 }, (_, i) => dec((i * 0.01).toFixed(2)));
    await bench.append(amounts.map((amount, i) => new OrderPlaced(`o${String(i)}`, i % 2 === 0 ? 'ann' : 'bob', amount, day(1 + Math.floor(i / 20)))));
    const generation = await foldAll(daily, { replayBatch: 7 });
    const rows = await subject.rows(generation, daily);
    expect(rows).toHaveLength(6);
    const sum = rows.reduce((total, row) => total.plus(row['revenue'] as Decimal), dec('0'));
    expect(sum).toEqual(dec('17.70'));
    expect(rows[0]).toEqual({
      customer_id: 'ann',
      window_start: new Date(Date.UTC(2026, 0, 1)),
      window_end: new Date(Date.UTC(2026, 0, 2)),
      orders: 10n,
      revenue: dec('0.90'),
      largest: dec('0.18'),
      smallest: dec('0.00'),
    });
  });

  it('keeps late contributions aside and counts them', async () => {
    await bench.append([new OrderPlaced('x', 'ann', dec('1'), day(10))]);
    await bench.append([new OrderPlaced('x', 'ann', dec('2'), day(1))]); // the same key, hence the same partition
    const generation = await foldAll(daily);
    expect(await subject.rows(generation, daily)).toHaveLength(1);
    expect(await subject.lateCount(generation)).toBe(1);
    expect(totals(await subject.catalog.checkpoints(generation.id))).toMatchObject({ read: 2, applied: 1, late: 1 });
  });

  it('claims raise the epoch, so an earlier owner is fenced and nothing of its batch is written', async () => {
    const generation = await provisioned(summary);
    const [first, second] = await Promise.all([subject.store.open(generation, summary), subject.store.open(generation, summary)]);
    const partition = { topic: 'orders', partition: 0 };
    const [before] = await first.claim([partition], 'zombie');
    const [after] = await second.claim([partition], 'new owner');
    expect(after!.epoch).toBe(before!.epoch + 1);
    const row = {
      row: { order_id: 'z', customer_id: 'z', status: 'placed', amount: dec('1.00'), changed_at: day(1) },
      stamp: { ...partition, offset: 0 },
      isStored: false,
    };
    expect(await first.commit({ ...nothing, advances: [advance(0, 1, before!.epoch)], upserts: [row] })).toMatchObject({ status: 'fenced' });
    expect(await subject.rows(generation, summary)).toEqual([]);
    expect(await second.commit({ ...nothing, advances: [advance(0, 1, after!.epoch)], upserts: [row] })).toEqual({ status: 'committed' });
    expect(await subject.rows(generation, summary)).toHaveLength(1);
  });

  it('refuses a batch that does not begin where the checkpoint stands', async () => {
    const generation = await provisioned(summary);
    const opened = await subject.store.open(generation, summary);
    const [claimed] = await opened.claim([{ topic: 'orders', partition: 0 }], 'w');
    expect(await opened.commit({ ...nothing, advances: [advance(0, 3, claimed!.epoch)] })).toEqual({ status: 'committed' });
    for (const from of [0, 2, 4]) {
      // again, overlapping, and with a gap: a record that was read by the former owner and never written would be lost
      expect(await opened.commit({ ...nothing, advances: [advance(from, 5, claimed!.epoch)] })).toMatchObject({ status: 'fenced' });
    }
    const [checkpoint] = await subject.catalog.checkpoints(generation.id);
    expect(checkpoint).toMatchObject({ next: 3, streamTime: 1_000, fingerprint: { offset: 2, timestamp: 5, id: 'e' }, owner: 'w' });
    expect(checkpoint!.counters).toMatchObject({ read: 3, applied: 3 });
  });

  it('a hold refuses to go beyond it and says where it is', async () => {
    const generation = await provisioned(summary);
    const opened = await subject.store.open(generation, summary);
    const [claimed] = await opened.claim([{ topic: 'orders', partition: 0 }], 'w');
    await subject.hold(generation, 2);
    expect(await opened.commit({ ...nothing, advances: [advance(0, 3, claimed!.epoch)] })).toEqual({ status: 'held', holds: new Map([['orders/0', 2]]) });
    expect(await opened.commit({ ...nothing, advances: [advance(0, 2, claimed!.epoch)] })).toEqual({ status: 'committed' });
    await subject.hold(generation, undefined);
    expect(await opened.commit({ ...nothing, advances: [advance(2, 3, claimed!.epoch)] })).toEqual({ status: 'committed' });
  });

  it('a runner arrives exactly at a hold, waits there, and goes on when it is lifted', async () => {
    await bench.append(Array.from({ length: 40 }, (_, i) => new OrderPlaced(`o${String(i)}`, 'ann', dec('1.00'), day(1))));
    const generation = await provisioned(daily);
    await subject.hold(generation, 3);
    const running = startRunner(bench, subject.store, generation, daily);
    const next = async (): Promise<readonly number[]> => (await subject.catalog.checkpoints(generation.id)).map((checkpoint) => checkpoint.next);
    await until(async () => (await next()).every((offset) => offset === 3), 'both partitions arrived at the hold');
    await until(() => running.events.filter(({ kind }) => kind === 'held').length > 2, 'the runner tried again');
    expect(await next()).toEqual([3, 3]);
    await subject.hold(generation, undefined);
    await until(() => caughtUp(subject.catalog, bench.log, generation), 'the generation has caught up');
    await running.stop();
    const rows = await subject.rows(generation, daily);
    expect(rows.map((row) => row['orders'])).toEqual([40n]);
  });

  it('a partition that waits at its hold does not keep another from arriving at its own', async () => {
    await bench.append(Array.from({ length: 60 }, (_, i) => new OrderPlaced(`o${String(i)}`, 'ann', dec('1.00'), day(1))));
    const generation = await provisioned(daily);
    await subject.hold(generation, { 0: 2, 1: 20 });
    const running = startRunner(bench, subject.store, generation, daily, { replayBatch: 5 });
    const next = async (): Promise<readonly number[]> => (await subject.catalog.checkpoints(generation.id)).map((checkpoint) => checkpoint.next);
    await until(async () => (await next()).join() === '2,20', 'both partitions arrived at their holds');
    await subject.hold(generation, undefined);
    await until(() => caughtUp(subject.catalog, bench.log, generation), 'the generation has caught up');
    await running.stop();
    expect((await subject.rows(generation, daily)).map((row) => row['orders'])).toEqual([60n]);
  });

  it('a slowed generation arrives at a hold in time all the same', async () => {
    await bench.append(Array.from({ length: 40 }, (_, i) => new OrderPlaced(`o${String(i)}`, 'ann', dec('1.00'), day(1))));
    const generation = await provisioned(daily);
    const running = startRunner(bench, subject.store, generation, daily, { maxRate: 20 });
    await until(() => running.events.some(({ kind }) => kind === 'committed'), 'something was committed');
    const sizes = running.events.flatMap((event) => (event.kind === 'committed' ? event.advances.map(({ counters }) => counters.read) : []));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4);
    await running.stop();
  });

  it('a record key that cannot be a key of the rows stops its partition, not the others', async () => {
    await bench.append([new OrderPlaced('a', 'ann', dec('1.00'), day(1))]);
    const [bad] = [bench.serde.encode(new OrderPlaced('x', 'bob', dec('1.00'), day(1)))];
    const generation = await provisioned(summary);
    const home = (await bench.log.heads(['orders'])).find(({ end }) => end === 1)!.partition;
    await bench.log.append([{ ...bad, partition: 1 - home, key: Buffer.from('x\0y') }]);
    const running = startRunner(bench, subject.store, generation, summary, { failures: 'stop' });
    await until(() => running.events.some(({ kind }) => kind === 'stopped'), 'a partition stopped');
    await until(async () => (await subject.rows(generation, summary)).length === 1, 'the other went on');
    await running.stop();
    const stopped = (await subject.catalog.checkpoints(generation.id)).flatMap(({ stoppedBy }) => stoppedBy ?? []);
    expect(stopped).toMatchObject([{ code: 'row.key-mismatch', partition: 1 - home, offset: 0 }]);
  });

  it('answers only rows that exist, with their stamps', async () => {
    await bench.append([new OrderPlaced('a', 'ann', dec('1.00'), day(1))]);
    const generation = await foldAll(summary);
    const loaded = await (await subject.store.open(generation, summary)).load(['a', 'b']);
    expect([...loaded.keys()]).toEqual(['a']);
    expect(loaded.get('a')!.stamp).toMatchObject({ topic: 'orders', offset: 0 });
  });
};
