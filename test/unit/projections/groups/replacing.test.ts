import fc from 'fast-check';
import {
  avg,
  count,
  countIf,
  decimal,
  histogram,
  integer,
  max,
  projection,
  readModel,
  session,
  sum,
  text,
  windowEnd,
  windowStart,
  type Decimal,
} from '../../../../src/index';
import { MemoryCatalog } from '../../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../../src/projections/adapters/memory/store';
import { projectionFaults, type ProjectionDefinition } from '../../../../src/projections/definition';
import { projectionSource } from '../../../../src/projections/projection';
import { hopping } from '../../../../src/projections/windows/window';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, totals, until } from '../../../support/harness';
import { Said, saidEvents, saidOf } from '../../../support/groups/models';
import type { Fact } from '../../../support/groups/reference';

const measures = { facts: count(), total: sum(integer()), mean: avg(integer()), even: countIf(), sizes: histogram(integer(), [0, 5]) };
const tables = readModel('tables', { word: text().key(), ...measures });
const windowed = readModel('windowed', { word: text().key(), start: windowStart(), end: windowEnd(), ...measures });
const brought = ({ n }: Fact | Said) => ({ facts: 1, total: n, mean: n, even: n % 2 === 0, sizes: n });

interface Time {
  readonly size: number;
  readonly advance: number;
  readonly grace: number;
}
const definitionFor = (time: Time | undefined, emptied: 'delete' | 'keep'): ProjectionDefinition =>
  definitionOf(
    time === undefined
      ? projection({ name: 'facts', version: 1, into: tables, replaces: emptied === 'keep' ? { emptied } : true }).on(Said, (e) =>
          e.n === 0 ? undefined : tables.contribution({ word: e.word }, brought(e)),
        )
      : projection({ name: 'facts', version: 1, into: windowed, window: hopping(time.size, time), replaces: { emptied } }).on(Said, (e) =>
          e.n === 0 ? undefined : windowed.contribution({ word: e.word }, brought(e)),
        ),
  );

interface PlainRow {
  readonly word: string;
  readonly start: number;
  readonly facts: number;
  readonly total: number;
  readonly mean: number | undefined;
  readonly even: number;
  readonly sizes: readonly number[];
}
const inOrder = (rows: readonly PlainRow[]): readonly PlainRow[] =>
  [...rows].sort((a, b) => (a.word === b.word ? a.start - b.start : a.word < b.word ? -1 : 1));
const plain = (row: Readonly<Record<string, unknown>>): PlainRow => ({
  word: row['word'] as string,
  start: (row['start'] as Date | undefined)?.getTime() ?? 0,
  facts: Number(row['facts']),
  total: Number(row['total']),
  mean: row['mean'] === null ? undefined : Number((row['mean'] as Decimal).unscaled),
  even: Number(row['even']),
  sizes: (row['sizes'] as readonly bigint[]).map(Number),
});

/** Facts by key, and the windows that hold them, from scratch: what is replaced is removed from windows that are open. */
const expected = (
  time: Time | undefined,
  facts: readonly Fact[],
  emptied: 'delete' | 'keep',
): { readonly rows: readonly PlainRow[]; readonly late: number } => {
  const windows = new Map<string, Fact[]>();
  const latest = new Map<string, Fact>();
  let [streamTime, late] = [-Infinity, 0];
  const openFor = ({ at, word }: Fact): readonly string[] => {
    const starts: number[] = [];
    for (
      let start = time === undefined ? 0 : Math.floor(at / time.advance) * time.advance;
      time !== undefined && start + time.size > at;
      start -= time.advance
    ) {
      starts.push(...(streamTime < start + time.size + time.grace ? [start] : []));
    }
    return (time === undefined ? [0] : starts).map((start) => JSON.stringify([word, start]));
  };
  for (const fact of facts) {
    streamTime = Math.max(streamTime, fact.at);
    const before = latest.get(fact.key);
    for (const name of before === undefined ? [] : openFor(before)) {
      windows.set(
        name,
        windows.get(name)!.filter((one) => one !== before),
      );
    }
    latest.delete(fact.key);
    if (fact.n !== 0) {
      const open = openFor(fact);
      open.forEach((name) => windows.set(name, [...(windows.get(name) ?? []), fact]));
      late += open.length === 0 ? 1 : 0;
      if (open.length > 0) {
        latest.set(fact.key, fact);
      }
    }
  }
  const rows = [...windows]
    .filter(([, held]) => held.length > 0 || emptied === 'keep')
    .map(([name, held]): PlainRow => {
      const [word, start] = JSON.parse(name) as [string, number];
      const total = held.reduce((all, { n }) => all + n, 0);
      const scaled = (Math.abs(total) * 10_000) / held.length;
      const sizes = [held.filter(({ n }) => n < 0), held.filter(({ n }) => n >= 0 && n < 5), held.filter(({ n }) => n >= 5)].map(({ length }) => length);
      return {
        word,
        start,
        facts: held.length,
        total,
        mean: held.length === 0 ? undefined : Math.sign(total) * Math.round(scaled) + 0,
        even: held.filter(({ n }) => n % 2 === 0).length,
        sizes,
      };
    });
  return { rows: inOrder(rows), late };
};

const someFacts = fc.array(
  fc.record({
    key: fc.constantFrom('p', 'q', 'r', 's'),
    n: fc.integer({ min: -3, max: 9 }),
    word: fc.constantFrom('a', 'b', 'c'),
    at: fc.integer({ min: -60, max: 60 }),
    gap: fc.constant(0),
  }),
  { maxLength: 40 },
);
const someTime = fc.option(
  fc.record({ share: fc.integer({ min: 1, max: 4 }), advance: fc.integer({ min: 1, max: 20 }), grace: fc.oneof(fc.nat(30), fc.constant(1e6)) }),
  { nil: undefined },
);

describe('events that replace what those of their key before have brought', () => {
  it.each(['delete', 'keep'] as const)(
    'leave what the last ones bring, however batches are cut; what is emptied: %s',
    async (emptied) => {
      await fc.assert(
        fc.asyncProperty(someTime, someFacts, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }), async (some, facts, sizes) => {
          const time = some && { size: some.advance * some.share, advance: some.advance, grace: some.grace };
          const definition = definitionFor(time, emptied);
          const catalog = new MemoryCatalog({ app: 'replacing' });
          const store = new MemoryReadModelStore({ catalog });
          const bench = await memoryBench(1, saidEvents);
          const generation = await buildGeneration(catalog, store, bench.log, definition);
          const share = Math.ceil(facts.length / sizes.length);
          for (const [i, size] of sizes.entries()) {
            await bench.append(facts.slice(i * share, (i + 1) * share).map(saidOf));
            const running = startRunner(bench, store, generation, definition, { replayBatch: size, liveBatch: size, rowCacheBytes: size % 2 === 0 ? 0 : 1e8 });
            await until(() => caughtUp(catalog, bench.log, generation), 'all is folded');
            await running.stop();
          }
          const { rows, late } = expected(time, facts, emptied);
          expect(inOrder(store.rows(generation.id).map(plain))).toEqual(rows);
          expect(store.late(generation.id).length).toBe(late);
          expect(totals(await catalog.checkpoints(generation.id))['read']).toBe(facts.length);
        }),
        { numRuns: 60 },
      );
    },
    120_000,
  );

  it('are refused where what was brought cannot be taken back, with the columns', () => {
    const highest = readModel('highest', { word: text().key(), high: max(decimal(9, 2)) });
    const faults = (given: Parameters<typeof projectionSource>[0]): string => projectionFaults(projectionSource(given), new Set(saidEvents)).join('\n');
    const options = { name: 'p', version: 1, replaces: true } as const;
    expect(faults(projection({ ...options, into: highest as unknown as typeof tables }).on(Said, () => undefined))).toContain(
      'column high cannot: there is no undo of max',
    );
    expect(faults(projection({ ...options, into: windowed, window: session(5) }).on(Said, () => undefined))).toContain('cannot be had with session windows');
    expect(faults(projection({ ...options, into: tables, trigger: { count: 2 } }).on(Said, () => undefined))).toContain('cannot be had with a trigger');
    expect(faults(projection({ ...options, into: tables }).on(Said, () => undefined))).toBe('');
  });
});
