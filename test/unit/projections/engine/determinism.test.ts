import fc from 'fast-check';
import { Decimal } from '../../../../src/kernel/decimal';
import { MemoryCatalog } from '../../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../../src/projections/adapters/memory/store';
import { CustomerDaily, OrderErased, OrderNoted, OrderPlaced, OrderShipped, OrderSummary } from '../../../support/shop';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, totals, until, type Bench } from '../../../support/harness';

const DAY = 86_400_000;
const definitions = [definitionOf(OrderSummary), definitionOf(CustomerDaily)];

const keys = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const instants = fc.nat(6).map((n) => new Date(n * DAY + 5));
const events: fc.Arbitrary<object> = fc.oneof(
  fc.tuple(keys, fc.constantFrom('x', 'y'), fc.nat(5_000), instants).map(([k, c, cents, t]) => new OrderPlaced(k, c, new Decimal(BigInt(cents), 2), t)),
  fc.tuple(keys, instants).map(([k, t]) => new OrderShipped(k, t)),
  keys.map((k) => new OrderErased(k)),
  keys.map((k) => new OrderNoted(k, 'n')),
);

interface Way {
  readonly batch: number;
  readonly workers: number;
  /** After so many commits the worker that made the last one is stopped and replaced. */
  readonly interruptAfter: number | undefined;
}

/** Folds everything in one of many ways; answers the rows and the sums of the counters. */
const foldIn = async (bench: Bench, way: Way, definition: (typeof definitions)[number]): Promise<{ rows: unknown; counts: Record<string, number> }> => {
  const catalog = new MemoryCatalog({ app: 'shop' });
  const store = new MemoryReadModelStore({ catalog });
  const generation = await buildGeneration(catalog, store, bench.log, definition);
  const start = (n: number) =>
    startRunner(bench, store, generation, definition, { replayBatch: way.batch, worker: `w${String(n)}`, waitMs: 5, holdRetryMs: 1 });
  let workers = Array.from({ length: way.workers }, (_, n) => start(n));
  let interrupted = way.interruptAfter === undefined;
  await until(async () => {
    const commits = workers.flatMap(({ events: seen }) => seen).filter(({ kind }) => kind === 'committed').length;
    if (!interrupted && commits >= way.interruptAfter!) {
      interrupted = true;
      await workers[0]!.stop();
      workers = [...workers.slice(1), start(99)];
    }
    return caughtUp(catalog, bench.log, generation);
  }, 'everything is folded');
  await Promise.all(workers.map((worker) => worker.stop()));
  return { rows: store.rows(generation.id), counts: totals(await catalog.checkpoints(generation.id)) };
};

describe('a read model is a function of the log', () => {
  const ways: fc.Arbitrary<Way> = fc.record({
    batch: fc.integer({ min: 1, max: 9 }),
    workers: fc.integer({ min: 1, max: 3 }),
    interruptAfter: fc.option(fc.nat(4), { nil: undefined }),
  });

  it.each(definitions.map((definition) => [definition.name, definition] as const))(
    '%s: any batch sizes, workers and interruptions give the same rows and account for every offset',
    async (_, definition) => {
      await fc.assert(
        fc.asyncProperty(fc.array(events, { maxLength: 40 }), ways, async (given, way) => {
          const bench = await memoryBench(3);
          await bench.append(given);
          const whole = await foldIn(bench, { batch: 1_000, workers: 1, interruptAfter: undefined }, definition);
          const otherwise = await foldIn(bench, way, definition);
          expect(otherwise).toEqual(whole);
          const { read, applied, filtered, late, control } = whole.counts;
          expect(read).toBe(given.length);
          expect(applied! + filtered! + late! + control!).toBe(read);
        }),
        { numRuns: 25, interruptAfterTimeLimit: 40_000, markInterruptAsFailure: false },
      );
    },
  );
});
