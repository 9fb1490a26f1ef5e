import { Decimal } from '../../../../src/kernel/decimal';
import { RefoldError } from '../../../../src/kernel/errors';
import { partitionId, type TopicPartition } from '../../../../src/events/position';
import { MemoryCatalog } from '../../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../../src/projections/adapters/memory/store';
import { count, integer, text, windowStart } from '../../../../src/projections/columns';
import { projection } from '../../../../src/projections/projection';
import { readModel } from '../../../../src/projections/read-model';
import { tumbling } from '../../../../src/projections/windows/window';
import type { BatchCommit, CommitResult, GenerationStore, ReadModelStore } from '../../../../src/projections/read-model-store';
import { seeded } from '../../../e2e/support/command-plan';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, totals, until } from '../../../support/harness';
import { OrderErased, OrderPlaced, OrderShipped } from '../../../support/shop';

const tally = readModel('tally', { id: text().key(), n: integer(), shipped: integer() });
/** Calls of the handler below. */
let handled = 0;
const counting = definitionOf(
  projection({ name: 'tally', version: 1, into: tally })
    .on(OrderPlaced, (e, row) => {
      handled += 1;
      return { id: e.orderId, n: (row?.n ?? 0) + 1, shipped: row?.shipped ?? 0 };
    })
    .on(OrderShipped, { missing: 'skip' }, (_, row) => ({ ...row, shipped: row.shipped + 1 }))
    .on(OrderErased, () => undefined),
);

const DAY = 86_400_000;
const perDay = readModel('per_day', { customer: text().key(), day: windowStart(), orders: count() });
const windowed = definitionOf(
  projection({ name: 'per-day', version: 1, into: perDay, window: tumbling('1 day', { grace: '1 day' }) }).on(OrderPlaced, (e) =>
    perDay.contribution({ customer: e.customerId }, { orders: 1 }),
  ),
);

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const AT = new Date(Date.UTC(2026, 0, 1));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Something that several wait for. */
class Signal {
  readonly given: Promise<void>;
  give!: () => void;

  constructor() {
    this.given = new Promise((resolve) => (this.give = resolve));
  }
}

/** Reads like a database, as of when it was asked; commits take their time, and now and then something stands in their way. */
class Troubled implements ReadModelStore {
  readonly kind = 'postgres';
  readonly viewSchema = 'public';
  /** What befell commits, for the test to see that it did. */
  readonly befell: Record<string, number> = {};
  /** Commits that began while another was under way. */
  beside = 0;
  /** Events that were folded while a commit was under way. */
  foldedBeside = 0;
  loads = 0;
  #underWay = 0;

  constructor(
    private readonly inner: MemoryReadModelStore,
    private readonly random: () => number,
    private readonly share: number,
  ) {}

  provision: ReadModelStore['provision'] = (generation) => this.inner.provision(generation);

  open: ReadModelStore['open'] = async (generation, definition) => {
    const opened = await this.inner.open(generation, definition);
    return {
      claim: (...args) => opened.claim(...args),
      parkedSequences: (...args) => opened.parkedSequences(...args),
      parkedEvents: (...args) => opened.parkedEvents(...args),
      readmittable: () => Promise.resolve([]),
      decisions: (...args) => opened.decisions(...args),
      errataVersion: () => opened.errataVersion(),
      checkpoints: () => opened.checkpoints(),
      begin: (...args) => opened.begin(...args),
      recordStop: (...args) => opened.recordStop(...args),
      load: async (keys) => {
        this.loads += 1;
        const rows = await opened.load(keys);
        await pause(this.random() * 3);
        return rows;
      },
      commit: (batch) => this.#commit(batch, opened),
    };
  };

  async #commit(batch: BatchCommit, opened: GenerationStore): Promise<CommitResult> {
    this.beside += this.#underWay;
    this.#underWay += 1;
    const before = handled;
    await pause(this.random() * 3);
    this.foldedBeside += handled - before;
    this.#underWay -= 1;
    return (await this.#trouble(batch)) ?? opened.commit(batch);
  }

  async #trouble({ advances, upserts, deletes }: BatchCommit): Promise<CommitResult | undefined> {
    if (this.random() >= this.share) {
      return undefined;
    }
    const advance = advances[Math.floor(this.random() * advances.length)]!;
    const kinds = ['held', 'fenced', ...(upserts.length + deletes.length > 1 ? ['refused'] : [])];
    const kind = kinds[Math.floor(this.random() * kinds.length)]!;
    this.befell[kind] = (this.befell[kind] ?? 0) + 1;
    if (kind === 'refused') {
      throw new RefoldError('store.value-refused', 'something of this batch');
    }
    return kind === 'fenced'
      ? { status: 'fenced', partitions: [advance] }
      : { status: 'held', holds: new Map([[partitionId(advance), advance.from + Math.floor(this.random() * (advance.next - advance.from))]]) };
  }
}

const eventsOf = (random: () => number): object[] =>
  Array.from({ length: 400 }, () => {
    const key = KEYS[Math.floor(random() * KEYS.length)]!;
    const what = random();
    return what < 0.6 ? new OrderPlaced(key, 'ann', Decimal.parse('1.00'), AT) : what < 0.85 ? new OrderShipped(key, AT) : new OrderErased(key);
  });

const folded = (events: readonly object[]): Record<string, unknown> => {
  const rows = new Map<string, { id: string; n: number; shipped: number }>();
  for (const event of events as readonly (OrderPlaced | OrderShipped | OrderErased)[]) {
    const row = rows.get(event.orderId);
    if (event instanceof OrderErased) {
      rows.delete(event.orderId);
    } else if (event instanceof OrderPlaced) {
      rows.set(event.orderId, { id: event.orderId, n: (row?.n ?? 0) + 1, shipped: row?.shipped ?? 0 });
    } else if (row !== undefined) {
      rows.set(event.orderId, { ...row, shipped: row.shipped + 1 });
    }
  }
  return Object.fromEntries([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
};

const foldedUnder = async (seed: number, share: number): Promise<Troubled> => {
  const random = seeded(seed);
  const bench = await memoryBench(4);
  const events = eventsOf(random);
  await bench.append(events);
  const catalog = new MemoryCatalog({ app: 'shop' });
  const inner = new MemoryReadModelStore({ catalog });
  const store = new Troubled(inner, random, share);
  const generation = await buildGeneration(catalog, inner, bench.log, counting);
  catalog.setStatus(generation.id, 'active');
  const batch = 1 + Math.floor(random() * 30);
  const rowCacheBytes = random() < 0.5 ? 1 : 1_000_000;
  const status = random() < 0.5 ? 'active' : 'candidate';
  const options = { replayBatch: batch, liveBatch: batch, rowCacheBytes, holdRetryMs: 1 };
  const runner = startRunner(bench, store, { ...generation, status }, counting, options);
  await until(() => caughtUp(catalog, bench.log, generation), 'caught up');
  await runner.stop();
  const rows = [...inner.rows(generation.id)].sort((a, b) => ((a['id'] as string) < (b['id'] as string) ? -1 : 1));
  expect(Object.fromEntries(rows.map((row) => [row['id'], { ...row }]))).toEqual(folded(events));
  const { read, ...others } = totals(await catalog.checkpoints(generation.id));
  expect([read, Object.values(others).reduce((sum, one) => sum + one, 0)]).toEqual([400, 400]);
  return store;
};

describe('folding beside the commit of the batch before', () => {
  const seeds = Array.from({ length: 12 }, (_, i) => 1_000 + i);

  it.each(seeds)('makes the rows of folding one event after the other, seed %d', async (seed) => {
    const { beside, foldedBeside } = await foldedUnder(seed, 0);
    expect(beside).toBe(0); // two commits never overlap: their order is that of the log
    expect(foldedBeside).toBeGreaterThan(0); // but more is folded meanwhile
  });

  it.each([
    ['a rebuild writes at once what fits into one commit', 'candidate', 1_000, [400]],
    ['and as much as fits otherwise', 'candidate', 150, [150, 150, 100]],
  ] as const)('%s', async (_, status, replayBatch, sizes) => {
    const bench = await memoryBench(1);
    await bench.append(Array.from({ length: 400 }, (__, i) => new OrderPlaced(`k${String(i % 50)}`, 'ann', Decimal.parse('1.00'), AT)));
    const catalog = new MemoryCatalog({ app: 'shop' });
    const store = new MemoryReadModelStore({ catalog });
    const generation = await buildGeneration(catalog, store, bench.log, counting);
    const runner = startRunner(bench, store, { ...generation, status }, counting, { replayBatch });
    await until(() => caughtUp(catalog, bench.log, generation), 'caught up');
    await runner.stop();
    const committed = runner.events.flatMap((event) => (event.kind === 'committed' ? [event] : []));
    expect(committed.map(({ advances }) => advances[0]!.counters.read)).toEqual(sizes);
    expect(committed.map(({ upserts }) => upserts.length)).toEqual(sizes.map(() => 50)); // each row once
  });

  it('a live generation commits one event at once, and what came meanwhile together', async () => {
    const bench = await memoryBench(1);
    const catalog = new MemoryCatalog({ app: 'shop' });
    const inner = new MemoryReadModelStore({ catalog });
    const generation = await buildGeneration(catalog, inner, bench.log, counting);
    const gate = new Signal();
    const store: ReadModelStore = Object.assign(Object.create(inner) as ReadModelStore, {
      kind: 'memory',
      open: async (...given: Parameters<ReadModelStore['open']>): Promise<GenerationStore> => {
        const opened = await inner.open(...given);
        const commit = async (batch: BatchCommit): Promise<CommitResult> => {
          await gate.given;
          return opened.commit(batch);
        };
        return new Proxy(opened, {
          get: (target, name) => {
            const value: unknown = name === 'commit' ? commit : Reflect.get(target, name);
            return typeof value === 'function' ? (value.bind(target) as unknown) : value;
          },
        });
      },
    });
    const place = (i: number) => bench.append([new OrderPlaced(`k${String(i)}`, 'ann', Decimal.parse('1.00'), AT)]);
    const runner = startRunner(bench, store, { ...generation, status: 'active' }, counting, { waitMs: 1_000 });
    handled = 0;
    for (let i = 0; i < 20; i += 1) {
      await place(i);
      await until(() => Promise.resolve(handled === i + 1), 'it is folded'); // the first one's commit is under way all the time
    }
    gate.give();
    await until(() => caughtUp(catalog, bench.log, generation), 'caught up');
    await runner.stop();
    const reads = runner.events.flatMap((event) => (event.kind === 'committed' ? [event.advances[0]!.counters.read] : []));
    expect(reads).toEqual([1, 19]);
  });

  it.each(seeds)('decides what is late by the stream time of all events before, seed %d', async (seed) => {
    const random = seeded(seed);
    const bench = await memoryBench(1);
    const events = Array.from({ length: 200 }, (_, i) => new OrderPlaced(String(i), 'ann', Decimal.parse('1.00'), new Date((i / 20 + random() * 4) * DAY)));
    await bench.append(events);
    let streamTime = Number.NEGATIVE_INFINITY;
    let late = 0;
    for (const { placedAt } of events) {
      streamTime = Math.max(streamTime, placedAt.getTime());
      late += Math.floor(placedAt.getTime() / DAY) * DAY + 2 * DAY <= streamTime ? 1 : 0;
    }
    const catalog = new MemoryCatalog({ app: 'shop' });
    const inner = new MemoryReadModelStore({ catalog });
    const generation = await buildGeneration(catalog, inner, bench.log, windowed);
    const runner = startRunner(bench, new Troubled(inner, random, 0.1), generation, windowed, { replayBatch: 5, holdRetryMs: 1 });
    await until(() => caughtUp(catalog, bench.log, generation), 'caught up');
    await runner.stop();
    const [checkpoint] = await catalog.checkpoints(generation.id);
    expect(late).toBeGreaterThan(0);
    expect(checkpoint).toMatchObject({ streamTime, counters: { late, applied: 200 - late } });
  });

  it('goes on with what a new assignment has brought where the commit of the one before it is fenced', async () => {
    const bench = await memoryBench(2);
    const place = (ids: readonly number[]) => bench.append(ids.map((i) => new OrderPlaced(`k${String(i)}`, 'ann', Decimal.parse('1.00'), AT)));
    const catalog = new MemoryCatalog({ app: 'shop' });
    const inner = new MemoryReadModelStore({ catalog });
    const generation = await buildGeneration(catalog, inner, bench.log, counting);
    await place(Array.from({ length: 10 }, (_, i) => i));
    const before = startRunner(bench, inner, generation, counting); // so that both partitions have rows, and the worker has to look for them
    await until(() => caughtUp(catalog, bench.log, generation), 'the first are folded');
    await before.stop();
    await place(Array.from({ length: 30 }, (_, i) => i + 10));
    const said = { claimedAgain: new Signal(), committing: new Signal(), foldedAgain: new Signal() };
    const calls = { claims: 0, loads: 0, commits: 0 };
    let kept: readonly TopicPartition[] = [];
    /** The partitions are claimed anew, by the same worker, right before its first commit; that lands after the next batch was folded. */
    const store: ReadModelStore = Object.assign(Object.create(inner) as ReadModelStore, {
      kind: 'memory',
      open: async (...given: Parameters<ReadModelStore['open']>): Promise<GenerationStore> => {
        const opened = await inner.open(...given);
        const changed: Pick<GenerationStore, 'claim' | 'load' | 'commit'> = {
          claim: async (partitions, owner) => {
            const claimed = await opened.claim(partitions, owner);
            calls.claims += 1;
            if (calls.claims === 2) {
              kept = partitions;
              said.claimedAgain.give();
              await said.committing.given;
            }
            return claimed;
          },
          load: async (keys) => {
            calls.loads += 1;
            if (calls.loads === 1) {
              await bench.log.subscribe({ group: generation.group, topics: ['orders'], positions: () => Promise.resolve(new Map()) });
              await said.claimedAgain.given;
            } else {
              said.foldedAgain.give();
            }
            return opened.load(keys);
          },
          commit: async (batch) => {
            calls.commits += 1;
            if (calls.commits === 1) {
              said.committing.give();
              await said.foldedAgain.given;
            }
            return opened.commit(batch);
          },
        };
        return new Proxy(opened, {
          get: (target, name) => {
            const value: unknown = Reflect.get(name in changed ? changed : target, name);
            return typeof value === 'function' ? (value.bind(target) as unknown) : value;
          },
        });
      },
      provision: (of: typeof generation) => inner.provision(of),
    });
    const runner = startRunner(bench, store, generation, counting);
    await until(async () => {
      const [head] = (await bench.log.heads(['orders'])).filter(({ partition }) => kept[0]?.partition === partition);
      return head !== undefined && head.stable > 0 && catalog.rows(generation.id).get(partitionId(head))?.next === head.stable;
    }, 'what it kept is folded');
    await runner.stop();
    expect(kept).toHaveLength(1);
    expect(runner.events.filter(({ kind }) => kind === 'fenced')).toHaveLength(1);
  });

  it('makes them too where commits are refused, held and fenced', async () => {
    const befell: Record<string, number> = {};
    for (const seed of seeds) {
      const store = await foldedUnder(seed, 0.3);
      Object.entries(store.befell).forEach(([kind, times]) => (befell[kind] = (befell[kind] ?? 0) + times));
    }
    expect(Object.keys(befell).sort()).toEqual(['fenced', 'held', 'refused']);
  }, 60_000);
});
