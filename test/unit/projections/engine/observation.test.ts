import { Decimal } from '../../../../src/kernel/decimal';
import { MemoryCatalog } from '../../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../../src/projections/adapters/memory/store';
import { oldestOf } from '../../../../src/projections/engine/batch-figures';
import type { RunnerEvent, RunnerOptions } from '../../../../src/projections/engine/runner-parts';
import { RefoldError } from '../../../../src/kernel/errors';
import { chained, type Mistake } from '../../../support/failing';
import { buildGeneration, caughtUp, memoryBench, startRunner, until } from '../../../support/harness';
import { OrderErased, OrderPlaced } from '../../../support/shop';

const placed = (id: string, customer = '1'): OrderPlaced => new OrderPlaced(id, customer, Decimal.parse('1.00'), new Date(0));
type Committed = Extract<RunnerEvent, { readonly kind: 'committed' }>;

/** What a runner tells of folding these events from the beginning. */
const told = async (
  given: readonly object[],
  options: Partial<RunnerOptions> = {},
  mistake: Mistake = { present: false },
  before: readonly object[] = [],
): Promise<readonly RunnerEvent[]> => {
  const bench = await memoryBench(2);
  const definition = chained(mistake);
  const catalog = new MemoryCatalog({ app: 'shop' });
  const store = new MemoryReadModelStore({ catalog });
  const generation = await buildGeneration(catalog, store, bench.log, definition);
  const foldAll = async (events: readonly object[]): Promise<readonly RunnerEvent[]> => {
    await bench.append(events);
    const running = startRunner(bench, store, generation, definition, { waitMs: 1, ...options });
    await until(() => caughtUp(catalog, bench.log, generation), 'everything is read');
    await running.stop();
    return running.events;
  };
  await (before.length > 0 ? foldAll(before) : undefined);
  return foldAll(given);
};
const committedIn = (events: readonly RunnerEvent[]): readonly Committed[] => events.filter((event) => event.kind === 'committed');
const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);

describe('what a runner tells', () => {
  it('is said per batch, however many events are in it', async () => {
    const given = Array.from({ length: 300 }, (_, i) => placed(`o${String(i % 50)}`));
    const events = await told(given, { replayBatch: 1_000 });
    expect(events.length).toBeLessThan(10);
    expect(events[0]).toMatchObject({ kind: 'assigned', next: new Map([['orders/0', 0], ['orders/1', 0]]) }); // prettier-ignore
    expect(sum(events.map((event) => (event.kind === 'decoded' ? event.records : 0)))).toBe(300);
    const [committed, ...more] = committedIn(events);
    expect(more).toEqual([]);
    expect(committed!.upserts).toHaveLength(50); // each row once
    expect(sum(committed!.batches.map(({ records }) => records.length))).toBe(300);
    expect(committed!.figures).toMatchObject({ cacheHits: 50, cacheMisses: 0 }); // nothing was ever written, so nothing can be there
    expect(committed!.figures.cacheBytes).toBeGreaterThan(50 * 100);
    expect(committed!.figures.committedAt).toBeGreaterThanOrEqual(committed!.figures.startedAt);
    expect(Math.min(committed!.figures.loadMs, committed!.figures.foldMs, committed!.figures.commitMs)).toBeGreaterThan(0);
  });

  it('counts rows known in memory as hits, those asked of the store as misses', async () => {
    const given = ['a', 'b', 'a', 'b', 'a', 'c'].map((id) => placed(id));
    const whole = await told([...given, new OrderErased('a'), placed('a')], { replayBatch: 1 }, { present: false }, [placed('z')]);
    const figures = committedIn(whole).map((one) => one.figures);
    expect(figures).toHaveLength(8);
    expect(sum(figures.map(({ cacheMisses }) => cacheMisses))).toBe(3);
    expect(sum(figures.map(({ cacheHits }) => cacheHits))).toBe(5); // that a row was deleted is known too
  });

  it('knows the oldest record that was committed', () => {
    const batch = { topic: 'orders', partition: 1, records: [{ offset: 3, timestamp: 50 }, { offset: 4, timestamp: 40 }] }; // prettier-ignore
    const other = { topic: 'orders', partition: 2, records: [{ offset: 0, timestamp: 20 }] };
    const advance = (partition: number, next: number) => ({ topic: 'orders', partition, next });
    expect(oldestOf([advance(1, 4), advance(2, 0)], [batch, other])).toBe(50); // of the other the first record failed
    expect(oldestOf([advance(1, 4), advance(2, 1)], [batch, other])).toBe(20);
    expect(oldestOf([advance(3, 9)], [batch, other])).toBeUndefined();
  });

  it('tells of an event that is tried again, each time', async () => {
    let failures = 0;
    const onBad = (): void => {
      failures += 1;
      if (failures <= 2) {
        throw new RefoldError('store.unreachable', 'not now');
      }
      mistake.present = false;
      throw new RefoldError('store.unreachable', 'not now, for the last time');
    };
    const mistake: Mistake = { present: true, onBad };
    const events = await told([placed('a', 'X'), placed('b')], { retryMs: 1 }, mistake);
    const retried = events.filter((event) => event.kind === 'retried');
    expect(failures).toBe(3);
    expect(retried).toHaveLength(2); // what fails while folding ahead is folded again at once, and is no retry yet
    expect(retried[0]).toMatchObject({ failure: { topic: 'orders', error: { code: 'store.unreachable' } } });
    expect(sum(committedIn(events).flatMap(({ advances }) => advances.map(({ counters }) => counters.applied)))).toBe(2);
  });
});
