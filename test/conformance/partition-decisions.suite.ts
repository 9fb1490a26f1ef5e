import fc from 'fast-check';
import type { MemoryEventLog } from '../../src/events/adapters/memory/memory-event-log';
import { MemoryErrata } from '../../src/events/adapters/memory/errata';
import { systemClock } from '../../src/kernel/clock';
import { Decimal } from '../../src/kernel/decimal';
import { redrive } from '../../src/projections/engine/redrive';
import type { Generation } from '../../src/projections/generations';
import type { ProjectionDefinition } from '../../src/projections/definition';
import type { PartitionDecisions } from '../../src/projections/partition-decisions';
import { chained, type Mistake } from '../support/failing';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, totals, until, type Bench, type RunningRunner } from '../support/harness';
import { CustomerDaily, OrderErased, OrderPlaced } from '../support/shop';
import type { StoreUnderTest } from './read-model-store.suite';

export interface PartitionDecisionsUnderTest extends StoreUnderTest {
  readonly decisions: PartitionDecisions;
  /** As a replay leaves it, so that the next candidate can be made. */
  activate(generation: Generation): Promise<void>;
}

const day = (n: number): Date => new Date(Date.UTC(2026, 0, n));
const order = (key: string, customer: string, n = 1): OrderPlaced => new OrderPlaced(key, customer, Decimal.parse('1.00'), day(n));
const who = { by: 'ann', reason: 'more load' };
const daily = definitionOf(CustomerDaily);

/** An event of one of several keys; the customer tells which one it was. */
type Step = readonly [key: string, action: 'place' | 'erase'];

const keyOf = fc.constantFrom(...Array.from({ length: 12 }, (_, i) => `k${String(i)}`));
const steps: fc.Arbitrary<readonly Step[]> = fc.array(fc.tuple(keyOf, fc.constantFrom<Step[1]>('place', 'place', 'place', 'erase')), { maxLength: 30 });

const eventsOf = (given: readonly Step[], from: number): readonly object[] =>
  given.map(([key, action], i) => (action === 'erase' ? new OrderErased(key) : order(key, `${String(from + i)};`)));

/** The rows as one pass over the events in the order of their appending has them. */
const reference = (given: readonly object[]): Record<string, string> => {
  const rows = new Map<string, string>();
  for (const event of given) {
    if (event instanceof OrderPlaced) {
      rows.set(event.orderId, `${rows.get(event.orderId) ?? ''}${event.customerId}`);
    } else {
      rows.delete((event as OrderErased).orderId);
    }
  }
  return Object.fromEntries([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
};

/** Growth of topics and idle partitions, with every store. `runs`: of the property. */
export const partitionDecisionsSuite = (make: () => Promise<PartitionDecisionsUnderTest>, runs: number): void => {
  let subject: PartitionDecisionsUnderTest;
  let bench: Bench;
  let log: MemoryEventLog;
  let running: RunningRunner[] = [];
  const begin = async (partitions: number): Promise<void> => {
    subject = await make();
    bench = await memoryBench(partitions);
    log = bench.log as MemoryEventLog;
  };
  const end = async (): Promise<void> => {
    const all = running;
    running = [];
    await Promise.all(all.map((one) => one.stop()));
    await subject.close();
  };
  const heads = () => log.heads(['orders']);
  const accept = () => subject.decisions.accept({ topic: 'orders', heads, ...who });
  const run = (generation: Generation, definition: ProjectionDefinition, options = {}): RunningRunner => {
    const one = startRunner(bench, subject.store, generation, definition, { waitMs: 5, holdRetryMs: 1, ...options });
    running.push(one);
    return one;
  };
  const folded = (generation: Generation): Promise<void> =>
    until(
      async () => (await subject.catalog.checkpoints(generation.id)).length === (await heads()).length && (await caughtUp(subject.catalog, log, generation)),
      'everything is folded',
    );
  const customers = async (generation: Generation, definition: ProjectionDefinition) =>
    Object.fromEntries((await subject.rows(generation, definition)).map((row) => [row['order_id'], row['customer_id']]));
  const replayed = async (definition: ProjectionDefinition, number: number, options = {}, workers = 1): Promise<Generation> => {
    const generation = await buildGeneration(subject.catalog, subject.store, log, definition, number);
    Array.from({ length: workers }, (_, i) => run(generation, definition, { ...options, worker: `replay-${String(number)}-${String(i)}` }));
    await folded(generation);
    await subject.activate(generation);
    return generation;
  };

  describe('growth', () => {
    afterEach(end);

    it('stops rows that are folded by key until somebody accepts it, and goes on by itself then', async () => {
      await begin(1);
      const definition = chained({ present: false });
      const generation = await buildGeneration(subject.catalog, subject.store, log, definition);
      for (let starts = 0; starts < 3; starts += 1) {
        const before = run(generation, definition); // each start raises the epoch of the partition
        await until(() => before.events.some(({ kind }) => kind === 'assigned'), 'it has begun');
        await before.stop();
      }
      const live = run(generation, definition);
      await bench.append(['a', 'b', 'c', 'd'].map((key) => order(key, '1;')));
      await folded(generation);
      log.grow('orders', 4);
      const stopped = () => live.events.flatMap((event) => (event.kind === 'stopped' ? [event.failure] : []));
      await until(() => stopped().length > 0, 'the growth is noticed');
      expect(stopped()[0]).toMatchObject({
        topic: 'orders',
        error: { code: 'partitions.not-accepted', facts: { topic: 'orders', added: ['orders/1', 'orders/2', 'orders/3'] } },
      });
      await bench.append(['a', 'b', 'c', 'd'].map((key) => order(key, '2;')));
      expect((await heads()).filter(({ end: last }) => last > 0).length).toBeGreaterThan(1); // keys have moved
      await until(
        async () => (await subject.catalog.checkpoints(generation.id)).some(({ stoppedBy }) => stoppedBy?.code === 'partitions.not-accepted'),
        'the stop is recorded',
      );
      expect(await customers(generation, definition)).toEqual({ a: '1;', b: '1;', c: '1;', d: '1;' });

      const accepted = await accept();
      expect(accepted.added).toHaveLength(3);
      expect(accepted.barrier.map(({ offset }) => offset)).toEqual([(await heads())[0]!.end, 0, 0, 0]);
      await folded(generation);
      expect(await customers(generation, definition)).toEqual({ a: '1;2;', b: '1;2;', c: '1;2;', d: '1;2;' });
      expect((await subject.catalog.checkpoints(generation.id)).map(({ stoppedBy }) => stoppedBy)).toEqual([undefined, undefined, undefined, undefined]);
      await expect(accept()).rejects.toMatchObject({ code: 'partitions.nothing-added', facts: { topic: 'orders' } });
    });

    it('lets models with measures go on', async () => {
      await begin(1);
      const generation = await buildGeneration(subject.catalog, subject.store, log, daily);
      run(generation, daily);
      await bench.append([order('a', 'ann')]);
      await folded(generation);
      log.grow('orders', 3);
      await bench.append(Array.from({ length: 8 }, (_, i) => order(`k${String(i)}`, 'ann')));
      await folded(generation);
      expect(await subject.rows(generation, daily)).toMatchObject([{ customer_id: 'ann', orders: 9n }]);
      await expect(accept()).rejects.toMatchObject({ code: 'partitions.nothing-added' });
    });

    it('is not accepted over what a generation has folded already', async () => {
      await begin(1);
      const definition = chained({ present: false });
      const generation = await buildGeneration(subject.catalog, subject.store, log, definition);
      await subject.activate(generation);
      log.grow('orders', 2);
      await bench.append(Array.from({ length: 8 }, (_, i) => order(`k${String(i)}`, '1;')));
      await replayed(definition, 2);
      await expect(accept()).rejects.toMatchObject({ code: 'partitions.passed', facts: { topic: 'orders', partition: 1 } });
    });

    it('takes with a key what is parked of it, and folds that first', async () => {
      await begin(1);
      const mistake: Mistake = { present: true };
      const definition = chained(mistake);
      const generation = await buildGeneration(subject.catalog, subject.store, log, definition);
      run(generation, definition);
      const moving = Array.from({ length: 8 }, (_, i) => `k${String(i)}`);
      await bench.append(moving.map((key) => order(key, 'X;')));
      await folded(generation);
      log.grow('orders', 2);
      await accept();
      await bench.append(moving.map((key) => order(key, '2;')));
      await folded(generation);
      expect(totals(await subject.catalog.checkpoints(generation.id))).toMatchObject({ parked: 16, applied: 0 });

      mistake.present = false;
      const decoder = bench.serde.decoder(definition.events, definition.reading);
      const parts = { generation, definition, store: subject.store, log, decoder, errata: new MemoryErrata(), clock: systemClock };
      const opened = await subject.store.open(generation, definition);
      const parked = async (partition: number) => opened.parkedSequences([{ topic: 'orders', partition }]);
      const there = await parked(1);
      expect(there.length).toBeGreaterThan(0);
      expect(await redrive(parts, there[0]!)).toMatchObject({ folded: 0, left: 1, cause: { message: 'earlier events of the key are parked in orders/0' } });
      for (const sequence of [...(await parked(0)), ...there]) {
        expect(await redrive(parts, sequence)).toMatchObject({ left: 0 });
      }
      await bench.append(moving.map((key) => order(key, '3;')));
      await folded(generation);
      expect(await customers(generation, definition)).toEqual(Object.fromEntries(moving.map((key) => [key, 'X;2;3;'])));
    });

    it('any keys, batches, workers and two growths: live and replayed from zero as one pass in order of appending', async () => {
      const growths = fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 }));
      const ways = fc.record({ replayBatch: fc.integer({ min: 1, max: 9 }), workers: fc.integer({ min: 1, max: 3 }) });
      const property = fc.asyncProperty(steps, steps, steps, growths, ways, async (first, second, third, [partitions, more, evenMore], way) => {
        await begin(partitions);
        const definition = chained({ present: false });
        const generation = await buildGeneration(subject.catalog, subject.store, log, definition);
        Array.from({ length: way.workers }, (_, i) => run(generation, definition, { ...way, worker: `w${String(i)}` }));
        const given = [eventsOf(first, 0), eventsOf(second, 100), eventsOf(third, 200)];
        await bench.append(given[0]!);
        log.grow('orders', partitions + more);
        await accept();
        await bench.append(given[1]!);
        log.grow('orders', partitions + more + evenMore);
        await accept();
        await bench.append(given[2]!);
        await folded(generation);
        const expected = reference(given.flat());
        expect(await customers(generation, definition)).toEqual(expected);
        await subject.activate(generation);
        const again = await replayed(definition, 2, { replayBatch: way.replayBatch }, 4 - way.workers);
        expect(await customers(again, definition)).toEqual(expected);
        expect(totals(await subject.catalog.checkpoints(again.id))).toMatchObject({ parked: 0, read: given.flat().length });
        await end();
      });
      await fc.assert(property, { numRuns: runs, interruptAfterTimeLimit: 30_000, markInterruptAsFailure: false });
      await begin(1); // something to end
    });
  });

  describe('an idle partition', () => {
    const afterGrace = day(9);
    beforeEach(() => begin(2));
    afterEach(end);
    const advance = (partition: number, to: Date) => subject.decisions.advance({ topic: 'orders', partition, streamTime: to.getTime(), heads, ...who });
    const inPartition = async (partition: number, ...events: readonly object[]): Promise<void> =>
      void (await log.append(events.map((event) => ({ ...bench.serde.encode(event), partition }))));
    const late = async (generation: Generation): Promise<number> => totals(await subject.catalog.checkpoints(generation.id))['late']!;

    it('is as late as was said, from the position on at which that was said, live and replayed', async () => {
      const generation = await buildGeneration(subject.catalog, subject.store, log, daily);
      run(generation, daily);
      await inPartition(0, order('a', 'ann', 1), order('a', 'ann', 2));
      await inPartition(1, order('b', 'bob', 1));
      await folded(generation);
      expect(await advance(0, afterGrace)).toEqual({ topic: 'orders', partition: 0, offset: 2, streamTime: afterGrace.getTime() });
      expect((await subject.catalog.checkpoints(generation.id)).map(({ streamTime }) => streamTime)).toEqual([afterGrace.getTime(), day(1).getTime()]);
      await inPartition(0, order('a', 'ann', 2));
      await inPartition(1, order('b', 'bob', 1));
      await folded(generation);
      expect(await late(generation)).toBe(1);
      await subject.activate(generation);

      for (const [i, replayBatch] of [1, 100].entries()) {
        const again = await replayed(daily, 2 + i, { replayBatch });
        expect(await late(again)).toBe(1);
        expect(await subject.rows(again, daily)).toEqual(await subject.rows(generation, daily));
        expect((await subject.catalog.checkpoints(again.id)).map(({ streamTime }) => streamTime)).toEqual([afterGrace.getTime(), day(1).getTime()]);
      }
    });

    it('may be advanced again where it stands, and the highest time counts', async () => {
      const generation = await buildGeneration(subject.catalog, subject.store, log, daily);
      run(generation, daily);
      await advance(1, afterGrace);
      await advance(1, day(3));
      await inPartition(1, order('b', 'bob', 2));
      await folded(generation);
      expect(await late(generation)).toBe(1);
    });

    it('has to be there', async () => {
      await expect(advance(7, afterGrace)).rejects.toMatchObject({ code: 'log.unknown-partition', facts: { topic: 'orders', partition: 7 } });
    });

    it('any advances between any events: a replay in other batches has the same rows and the same late ones', async () => {
      const moves = fc.array(
        fc.oneof(
          fc.nat(12).map((n) => ({ advance: n })),
          fc.tuple(fc.nat(1), fc.nat(12)).map(([partition, at]) => ({ partition, at })),
        ),
        { maxLength: 20 },
      );
      const property = fc.asyncProperty(moves, fc.integer({ min: 1, max: 5 }), fc.nat(1), async (given, replayBatch, paced) => {
        await end();
        await begin(2);
        const generation = await buildGeneration(subject.catalog, subject.store, log, daily);
        run(generation, daily, { replayBatch: 3 });
        for (const [i, move] of given.entries()) {
          if ('advance' in move) {
            await advance(i % 2, day(1 + move.advance));
          } else {
            await inPartition(move.partition, order(`k${String(move.partition)}`, `c${String(i % 3)}`, 1 + move.at));
          }
          if (paced === 1) {
            await folded(generation);
          }
        }
        for (const partition of [0, 1]) {
          await inPartition(partition, order('last', 'last', 1)); // with nothing to read nobody claims, and what was decided is not taken in
        }
        await folded(generation);
        await subject.activate(generation);
        const again = await replayed(daily, 2, { replayBatch });
        expect(await subject.rows(again, daily)).toEqual(await subject.rows(generation, daily));
        expect(await late(again)).toBe(await late(generation));
        const times = async ({ id }: Generation) => (await subject.catalog.checkpoints(id)).map(({ streamTime }) => streamTime);
        expect(await times(again)).toEqual(await times(generation));
      });
      await fc.assert(property, { numRuns: runs, interruptAfterTimeLimit: 30_000, markInterruptAsFailure: false });
    });
  });
};
