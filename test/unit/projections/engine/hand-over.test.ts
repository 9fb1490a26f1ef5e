import { Decimal } from '../../../../src/kernel/decimal';
import type { EventLog } from '../../../../src/events/event-log';
import { partitionId, type Position } from '../../../../src/events/position';
import { MemoryCatalog } from '../../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../../src/projections/adapters/memory/store';
import { integer, text } from '../../../../src/projections/columns';
import { NO_COUNTS, type Generation } from '../../../../src/projections/generations';
import { projection } from '../../../../src/projections/projection';
import { readModel } from '../../../../src/projections/read-model';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, until, type Bench } from '../../../support/harness';
import { OrderPlaced } from '../../../support/shop';

const tally = readModel('tally', { id: text().key(), n: integer() });
const counting = definitionOf(projection({ name: 'tally', version: 1, into: tally }).on(OrderPlaced, (e, row) => ({ id: e.orderId, n: (row?.n ?? 0) + 1 })));

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const oneOfEach = (keys: readonly string[] = KEYS): readonly OrderPlaced[] =>
  keys.map((key) => new OrderPlaced(key, 'ann', Decimal.parse('1.00'), new Date(0)));

interface World {
  readonly bench: Bench;
  readonly catalog: MemoryCatalog;
  readonly store: MemoryReadModelStore;
  readonly generation: Generation;
  readonly folded: () => Promise<void>;
  readonly counts: () => Readonly<Record<string, unknown>>;
}

const worldOf = async (partitions: number): Promise<World> => {
  const bench = await memoryBench(partitions);
  const catalog = new MemoryCatalog({ app: 'shop' });
  const store = new MemoryReadModelStore({ catalog });
  const generation = await buildGeneration(catalog, store, bench.log, counting);
  return {
    bench,
    catalog,
    store,
    generation,
    folded: () => until(() => caughtUp(catalog, bench.log, generation), 'caught up'),
    counts: () => Object.fromEntries(store.rows(generation.id).map((row) => [row['id'], row['n']])),
  };
};

const each = (n: number): Readonly<Record<string, number>> => Object.fromEntries(KEYS.map((key) => [key, n]));

describe('what a worker knows when partitions change hands', () => {
  it('a partition that comes back is folded on what others wrote meanwhile, not on rows remembered from before', async () => {
    const { bench, store, generation, folded, counts } = await worldOf(2);
    const stayer = startRunner(bench, store, generation, counting, { worker: 'stayer' });
    await bench.append(oneOfEach());
    await folded();
    const visitor = startRunner(bench, store, generation, counting, { worker: 'visitor' });
    await until(() => visitor.events.some(({ kind }) => kind === 'assigned'), 'the visitor has a partition');
    await bench.append(oneOfEach());
    await folded();
    await until(() => visitor.events.some(({ kind }) => kind === 'committed'), 'the visitor has folded some of it'); // it hears of that right after the store
    await visitor.stop();
    await bench.append(oneOfEach());
    await folded();
    expect(counts()).toEqual(each(3));
    await stayer.stop();
  });

  it('a row that somebody else wrote at the position of the checkpoint is loaded again after the fence', async () => {
    const { bench, catalog, store, generation, folded, counts } = await worldOf(1);
    const runner = startRunner(bench, store, generation, counting);
    await bench.append(oneOfEach(['a', 'a', 'a']));
    await folded();
    const other = await store.open(generation, counting);
    const [claimed] = await other.claim([{ topic: 'orders', partition: 0 }], undefined);
    const { next, epoch, streamTime } = claimed!;
    const place = { topic: 'orders', partition: 0 };
    const advance = { ...place, from: next, next, epoch, streamTime, counters: NO_COUNTS, fingerprint: undefined };
    const row = { row: { id: 'a', n: 100 }, stamp: { ...place, offset: 0 }, isStored: true };
    expect(await other.commit({ advances: [advance], upserts: [row], deletes: [], merges: [], late: [], parked: [] })).toEqual({ status: 'committed' });
    await bench.append(oneOfEach(['a']));
    await folded();
    expect(counts()).toEqual({ a: 101 });
    expect(runner.events.filter(({ kind }) => kind === 'fenced')).toHaveLength(1);
    expect(catalog.rows(generation.id).size).toBe(1);
    await runner.stop();
  });

  it('no record is left out or folded twice while workers come and go with batches under way', async () => {
    const { bench, catalog, store, generation, folded, counts } = await worldOf(4);
    let runners = [startRunner(bench, store, generation, counting, { worker: 'w0', replayBatch: 2 })];
    for (let round = 1; round <= 30; round += 1) {
      await bench.append(oneOfEach());
      if (round % 3 === 0) {
        await runners[0]!.stop();
        runners = runners.slice(1);
      }
      runners.push(startRunner(bench, store, generation, counting, { worker: `w${String(round)}`, replayBatch: 2 }));
      if (runners.length > 3) {
        await Promise.all(runners.splice(0, 2).map((runner) => runner.stop()));
      }
    }
    await folded();
    expect(counts()).toEqual(each(30));
    for (const { next, counters } of await catalog.checkpoints(generation.id)) {
      expect(counters).toEqual({ ...NO_COUNTS, read: next, applied: next });
    }
    await Promise.all(runners.map((runner) => runner.stop()));
  });

  it('the group is told an offset only when the rows before it are committed', async () => {
    const { bench, catalog, store, generation, folded } = await worldOf(2);
    const told: { readonly position: Position; readonly committed: number }[] = [];
    const log = new Proxy(bench.log, {
      get: (target, name) => {
        if (name === 'subscribe') {
          return async (...given: Parameters<EventLog['subscribe']>) => {
            const subscription = await target.subscribe(...given);
            const commit = subscription.commit.bind(subscription);
            subscription.commit = async (positions) => {
              told.push(...positions.map((position) => ({ position, committed: catalog.rows(generation.id).get(partitionId(position))!.next })));
              await commit(positions);
            };
            return subscription;
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const runner = startRunner({ ...bench, log }, store, generation, counting, { replayBatch: 3 });
    await bench.append([...oneOfEach(), ...oneOfEach()]);
    await folded();
    await runner.stop();
    expect(told.length).toBeGreaterThan(2);
    expect(told.filter(({ position, committed }) => position.offset > committed)).toEqual([]);
    const heads = await bench.log.heads(['orders']);
    for (const head of heads.filter(({ end }) => end > 0)) {
      expect(told.filter(({ position }) => position.partition === head.partition).at(-1)?.position.offset).toBe(head.end);
    }
  });
});
