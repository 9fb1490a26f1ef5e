import fc from 'fast-check';
import { MemoryCatalog } from '../../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../../src/projections/adapters/memory/store';
import type { Generation } from '../../../../src/projections/generations';
import { Decimal } from '../../../../src/kernel/decimal';
import { aggregate, projection, readModel, text, integer } from '../../../../src/index';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, totals, until } from '../../../support/harness';
import { hoppingCut, sessionCut, slidingCut, someFacts } from '../../../support/groups/folding';
import { plainRows, Said, saidDefinition, saidEvents, saidOf } from '../../../support/groups/models';
import { expectedOf, type Cut, type Fact, type Placed } from '../../../support/groups/reference';

const anyCut: fc.Arbitrary<Cut> = fc.oneof(hoppingCut, sessionCut, slidingCut, fc.constant<Cut>({ kind: 'none' }));

const ground = () => {
  const catalog = new MemoryCatalog({ app: 'groups' });
  return { catalog, store: new MemoryReadModelStore({ catalog }) };
};

/** As they lie in the log: partitions are the choice of the log. */
const inLog = async (bench: Awaited<ReturnType<typeof memoryBench>>, facts: readonly Fact[]): Promise<readonly Placed[]> => {
  const placed: Placed[] = [];
  for (const fact of facts) {
    const [position] = await bench.log.append([bench.serde.encode(saidOf(fact))]);
    placed.push({ ...fact, partition: position!.partition, offset: position!.offset });
  }
  return placed;
};

describe('the engine', () => {
  it('folds groups to the same rows whatever the size of its batches and however many workers take turns', async () => {
    await fc.assert(
      fc.asyncProperty(anyCut, someFacts(60, 60), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }), async (cut, facts, sizes) => {
        const { catalog, store } = ground();
        const bench = await memoryBench(3, saidEvents);
        const definition = saidDefinition(cut);
        const generation = await buildGeneration(catalog, store, bench.log, definition);
        const log: Placed[] = [];
        const share = Math.ceil(facts.length / sizes.length);
        for (const [i, size] of sizes.entries()) {
          log.push(...(await inLog(bench, facts.slice(i * share, (i + 1) * share))));
          const rowCacheBytes = size % 2 === 0 ? 0 : 64 * 1024 * 1024;
          const running = startRunner(bench, store, generation, definition, { replayBatch: size, liveBatch: size, rowCacheBytes, worker: `w${String(i)}` });
          await until(() => caughtUp(catalog, bench.log, generation), 'all is folded');
          await running.stop();
        }
        const expected = expectedOf(cut, log);
        expect(plainRows(store.rows(generation.id))).toEqual(expected.rows);
        expect(store.late(generation.id).length).toBe(expected.late);
        const counted = totals(await catalog.checkpoints(generation.id));
        expect(counted['applied']! + counted['late']! + counted['filtered']!).toBe(facts.length);
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  const folded = async (facts: readonly object[], definition: ReturnType<typeof saidDefinition>, options: object = {}) => {
    const { catalog, store } = ground();
    const bench = await memoryBench(1, saidEvents);
    await bench.append(facts);
    const generation: Generation = await buildGeneration(catalog, store, bench.log, definition);
    const running = startRunner(bench, store, generation, definition, options);
    await until(() => caughtUp(catalog, bench.log, generation), 'all is folded');
    await running.stop();
    return { store, generation, catalog };
  };
  const fact = (n: number, word: string, at: number): Said => saidOf({ key: 'x', n, word, at, gap: 0 });

  it.each([1, 100])('parks the event whose contribution makes a row that cannot be shown, in batches of %d', async (replayBatch) => {
    const picky = readModel('picky', {
      key: text().key(),
      sum: aggregate({
        name: 'picky',
        of: integer(),
        shows: integer(),
        init: 0,
        add: (state, n) => state + n,
        merge: (a, b) => a + b,
        read: (state) => {
          if (Number(state) === 13) {
            throw new RangeError('thirteen');
          }
          return state;
        },
      }),
    });
    const definition = definitionOf(projection({ name: 'picky', version: 1, into: picky }).on(Said, (e) => picky.contribution({ key: e.word }, { sum: e.n })));
    const { store, generation, catalog } = await folded([fact(6, 'a', 1), fact(6, 'b', 2), fact(7, 'b', 3)], definition, { replayBatch });
    expect(store.rows(generation.id)).toEqual([
      { key: 'a', sum: 6 },
      { key: 'b', sum: 6 },
    ]);
    expect(totals(await catalog.checkpoints(generation.id))).toMatchObject({ applied: 2, parked: 1 });
    expect(store.parking(generation.id)!.sequences([{ topic: 'orders', partition: 0 }])).toMatchObject([{ cause: { code: 'store.value-refused' } }]);
  });

  it('writes a window once per commit, though many events touch it', async () => {
    const options = {};
    const { store, generation } = await folded(
      Array.from({ length: 50 }, (_, i) => fact(2, 'a', i)),
      saidDefinition({ kind: 'hopping', size: 1000, advance: 100, offset: 0, grace: 1e6 }, options),
    );
    const rows = plainRows(store.rows(generation.id));
    expect(rows).toHaveLength(10);
    expect(rows.every(({ count, mean }) => count === 50 && mean === 20_000)).toBe(true);
    expect(store.rows(generation.id)[0]!['mean']).toEqual(Decimal.parse('2.0000'));
  });
});
