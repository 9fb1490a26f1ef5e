import fc from 'fast-check';
import { Decimal } from '../../src/kernel/decimal';
import { countIf, every, some } from '../../src/projections/aggregates/columns';
import { bigint, count, decimal, integer, max, min, sum, text, timestamp } from '../../src/projections/columns';
import type { ProjectionDefinition } from '../../src/projections/definition';
import { NO_COUNTS, type Generation, type MeasureStorage } from '../../src/projections/generations';
import { projection } from '../../src/projections/projection';
import { readModel, type NamedColumn } from '../../src/projections/read-model';
import type { BatchCommit, Merge, StampedRow } from '../../src/projections/read-model-store';
import { tumbling } from '../../src/projections/windows/window';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, totals, until, type Bench } from '../support/harness';
import { OrderPlaced, customerDaily } from '../support/shop';
import type { StoreUnderTest } from './read-model-store.suite';
import { plainTotals } from './support/plain-totals';

export interface PartialsUnderTest extends StoreUnderTest {
  /** Rows as they are kept, not merged, by partition and key; values canonical. */
  stored(generation: Generation, definition: ProjectionDefinition): Promise<readonly StampedRow[]>;
}

/** The columns beside those of the model, the partition first: rows are read in order of their keys. */
export const STAMPS: readonly NamedColumn[] = [
  { name: '_partition', ...integer().key().definition },
  { name: '_topic', ...text().definition },
  { name: '_offset', ...integer().definition },
];

/** Rows that were read with these columns. */
export const unstamped = (rows: readonly Readonly<Record<string, unknown>>[]): readonly StampedRow[] =>
  rows.map(({ _topic: topic, _partition: partition, _offset: offset, ...row }) => ({
    row,
    stamp: { topic: String(topic), partition: Number(partition), offset: Number(offset) },
  }));

const day = (n: number): Date => new Date(Date.UTC(2026, 0, n));
const dec = Decimal.parse;
const daily = definitionOf(
  projection({ name: 'customer-daily', version: 1, into: customerDaily, window: tumbling('1 day'), storage: 'partials' }).on(OrderPlaced, (e) =>
    customerDaily.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount, smallest: e.amount }),
  ),
);

/** Every law over every type that can have it. */
const totalsOf = (storage: MeasureStorage): ProjectionDefinition => {
  const model = readModel(`totals_${storage}`, {
    customer_id: text().key(),
    orders: count(),
    revenue: sum(decimal(18, 2)),
    digits: sum(integer()),
    whole: sum(bigint()),
    largest: max(decimal(12, 2)),
    smallest: min(integer().nullable()),
    last: max(timestamp()),
    first_order: min(text()),
    last_order: max(text().nullable()),
    cheap: countIf(),
    all_even: every(),
    any_cheap: some(),
  });
  return definitionOf(
    projection({ name: `totals-${storage}`, version: 1, into: model, storage }).on(OrderPlaced, (e) => {
      const cents = Number(e.amount.unscaled);
      const isThird = cents % 3 === 0;
      const flags = { cheap: cents < 100, ...(cents % 5 === 0 ? {} : { all_even: cents % 2 === 0, any_cheap: cents < 50 }) };
      const always = { orders: cents % 2, revenue: e.amount, whole: e.amount.unscaled, largest: e.amount, last: e.placedAt, first_order: e.orderId, ...flags };
      return model.contribution({ customer_id: e.customerId }, isThird ? always : { ...always, digits: -cents, smallest: cents, last_order: e.orderId });
    }),
  );
};

/**
 * What a store promises that keeps partials.
 * @param options.storages those it can keep; in each the same contributions give the same rows
 * @param options.runs how often that is tried
 */
export const partialsSuite = (
  make: () => Promise<PartialsUnderTest>,
  options: { readonly storages: readonly MeasureStorage[]; readonly runs: number },
): void => {
  let subject: PartialsUnderTest;
  beforeEach(async () => {
    subject = await make();
  });
  afterEach(() => subject.close());

  const appendTo = async (bench: Bench, partition: number, events: readonly object[]): Promise<void> =>
    void (await bench.log.append(events.map((event) => ({ ...bench.serde.encode(event), partition }))));
  const foldAll = async (bench: Bench, definition: ProjectionDefinition, workers: readonly string[] = ['w'], batch = 1_000): Promise<Generation> => {
    const generation = await buildGeneration(subject.catalog, subject.store, bench.log, definition);
    const running = workers.map((worker) => startRunner(bench, subject.store, generation, definition, { worker, replayBatch: batch, waitMs: 5 }));
    await until(() => caughtUp(subject.catalog, bench.log, generation), 'the generation has caught up');
    await Promise.all(running.map((one) => one.stop()));
    return generation;
  };
  const storedOrders = async (generation: Generation): Promise<unknown> =>
    (await subject.stored(generation, daily)).map(({ row, stamp }) => [row['customer_id'], stamp.partition, stamp.offset, row['orders']]);

  it('keeps one row per group, window and source partition, and shows one per group and window', async () => {
    const bench = await memoryBench(2);
    await appendTo(bench, 0, [new OrderPlaced('a', 'ann', dec('3.00'), day(1)), new OrderPlaced('b', 'ann', dec('0.50'), day(1))]);
    await appendTo(bench, 1, [new OrderPlaced('c', 'bob', dec('9.00'), day(1)), new OrderPlaced('d', 'ann', dec('7.00'), day(1))]);
    await appendTo(bench, 1, [new OrderPlaced('e', 'ann', dec('1.00'), day(2))]);
    const generation = await foldAll(bench, daily, ['one', 'two'], 2);
    const shown = { window_start: day(1), window_end: day(2) };
    expect(await subject.rows(generation, daily)).toEqual([
      { ...shown, customer_id: 'ann', orders: 3n, revenue: dec('10.50'), largest: dec('7.00'), smallest: dec('0.50') },
      { customer_id: 'ann', window_start: day(2), window_end: day(3), orders: 1n, revenue: dec('1.00'), largest: dec('1.00'), smallest: dec('1.00') },
      { ...shown, customer_id: 'bob', orders: 1n, revenue: dec('9.00'), largest: dec('9.00'), smallest: dec('9.00') },
    ]);
    expect(await storedOrders(generation)).toEqual([
      ['ann', 0, 1, 2n],
      ['ann', 1, 1, 1n],
      ['ann', 1, 2, 1n],
      ['bob', 1, 0, 1n],
    ]);
  });

  it('keeps late contributions aside: a partition is late by its own stream time only', async () => {
    const bench = await memoryBench(2);
    await appendTo(bench, 0, [new OrderPlaced('a', 'ann', dec('1.00'), day(20)), new OrderPlaced('b', 'ann', dec('2.00'), day(1))]);
    await appendTo(bench, 1, [new OrderPlaced('c', 'ann', dec('4.00'), day(1))]);
    const generation = await foldAll(bench, daily);
    expect((await subject.rows(generation, daily)).map((row) => [row['window_start'], row['revenue']])).toEqual([
      [day(1), dec('4.00')],
      [day(20), dec('1.00')],
    ]);
    expect(await subject.lateCount(generation)).toBe(1);
    expect(totals(await subject.catalog.checkpoints(generation.id))).toMatchObject({ read: 3, applied: 2, late: 1 });
  });

  const batch = (partition: number, from: number, next: number, epoch: number): BatchCommit => {
    const place = { topic: 'orders', partition };
    const counters = { ...NO_COUNTS, read: next - from, applied: next - from };
    const merge: Merge = {
      stamp: { ...place, offset: next - 1 },
      group: { customer_id: 'ann' },
      window: { start: day(1).getTime(), end: day(2).getTime() },
      measures: { orders: BigInt(next - from), revenue: dec('1.00'), largest: dec('1.00'), smallest: dec('1.00') },
      isStored: true,
      id: `${String(partition)} ann`,
    };
    const advance = { ...place, from, next, epoch, counters, streamTime: 1_000, fingerprint: undefined };
    return { advances: [advance], upserts: [], deletes: [], merges: [merge], late: [], parked: [] };
  };

  it('workers write only the rows of their partitions, in the same group at the same time; a zombie writes nothing', async () => {
    const bench = await memoryBench(2);
    const generation = await buildGeneration(subject.catalog, subject.store, bench.log, daily);
    const [one, two, zombie] = await Promise.all(['one', 'two', 'zombie'].map(() => subject.store.open(generation, daily)));
    const [old] = await zombie!.claim([{ topic: 'orders', partition: 0 }], 'zombie');
    const [first] = await one!.claim([{ topic: 'orders', partition: 0 }], 'one');
    const [second] = await two!.claim([{ topic: 'orders', partition: 1 }], 'two');
    await Promise.all([one!.commit(batch(0, 0, 3, first!.epoch)), two!.commit(batch(1, 0, 5, second!.epoch))]);
    expect(await storedOrders(generation)).toEqual([
      ['ann', 0, 2, 3n],
      ['ann', 1, 4, 5n],
    ]);
    expect(await zombie!.commit(batch(0, 0, 3, old!.epoch))).toMatchObject({ status: 'fenced' });
    expect(await one!.commit(batch(0, 0, 3, first!.epoch))).toMatchObject({ status: 'fenced' });
    expect(await two!.commit(batch(1, 5, 6, second!.epoch))).toEqual({ status: 'committed' });
    expect(await storedOrders(generation)).toEqual([
      ['ann', 0, 2, 3n],
      ['ann', 1, 5, 6n],
    ]);
    expect((await subject.rows(generation, daily)).map((row) => row['orders'])).toEqual([9n]);
  });

  it('an owner that comes back adds to what others have written meanwhile, not to what it remembers', async () => {
    const bench = await memoryBench(1);
    const generation = await buildGeneration(subject.catalog, subject.store, bench.log, daily);
    const [one, two] = await Promise.all(['one', 'two'].map(() => subject.store.open(generation, daily)));
    const adds = async (store: typeof one, from: number, next: number, epoch: number): Promise<void> =>
      expect(await store!.commit(batch(0, from, next, epoch))).toEqual({ status: 'committed' });
    const claims = async (store: typeof one, owner: string): Promise<number> => (await store!.claim([{ topic: 'orders', partition: 0 }], owner))[0]!.epoch;
    const first = await claims(one, 'one');
    await adds(one, 0, 1, first);
    await adds(one, 1, 3, first);
    await adds(two, 3, 10, await claims(two, 'two'));
    await adds(one, 10, 11, await claims(one, 'one'));
    expect(await storedOrders(generation)).toEqual([['ann', 0, 10, 11n]]);
  });

  const orders = fc.array(
    fc.record({
      key: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 }).filter((key) => !key.includes('\0')),
      customer: fc.constantFrom('ann', 'bob', 'Ünal'),
      cents: fc.integer({ min: -99_999, max: 99_999 }),
      time: fc.integer({ min: -1e12, max: 4e12 }),
      partitions: fc.tuple(fc.nat(2), fc.nat(2)),
    }),
    { maxLength: 30 },
  );

  it('the same contributions give the same rows however they are spread over partitions and batches', async () => {
    const definitions = options.storages.map(totalsOf);
    const foldSpread = async (given: readonly (readonly [object, number])[], definition: ProjectionDefinition, size: number): Promise<unknown> => {
      const bench = await memoryBench(3);
      for (const [event, partition] of given) {
        await appendTo(bench, partition, [event]);
      }
      return subject.rows(await foldAll(bench, definition, ['w'], size), definition);
    };
    await fc.assert(
      fc
        .asyncProperty(orders, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 2 }), async (given, sizes) => {
          const events = given.map(({ key, customer, cents, time }) => new OrderPlaced(key, customer, new Decimal(BigInt(cents), 2), new Date(time)));
          const shown: unknown[] = [];
          for (const [i, definition] of definitions.entries()) {
            const spread = events.map((event, n) => [event, given[n]!.partitions[i]!] as const);
            shown.push(await foldSpread(spread, definition, sizes[i]!));
          }
          expect(shown).toEqual(definitions.map(() => plainTotals(events)));
        })
        .beforeEach(async () => {
          await subject.close();
          subject = await make();
        }),
      { numRuns: options.runs },
    );
  });
};
