import fc from 'fast-check';
import type { RefinementOptions } from '../../../../src/projections/refinements';
import { batchesOf, foldInPieces, hoppingCut, Kept, placed, sessionCut, someCuts, someFacts } from '../../../support/groups/folding';
import { plainRow, plainRows, saidDefinition } from '../../../support/groups/models';
import { expectedOf, groupsOf, type Cut, type Fact } from '../../../support/groups/reference';

const fact = (at: number, word = 'a', given: Partial<Fact> = {}): Fact => ({ key: 'x', n: 2, word, at, gap: 10, ...given });
const day: Cut = { kind: 'hopping', size: 100, advance: 100, offset: 0, grace: 50 };

/** What readers see after each fact: start and count of each window. */
const seen = (cut: Cut, options: Omit<RefinementOptions, 'replaces'>, facts: readonly Fact[]): readonly (readonly (readonly [number, number])[])[] => {
  const kept = new Kept(saidDefinition(cut, options));
  return placed(facts, 1).map((one) => {
    kept.fold(batchesOf([one]));
    return plainRows(kept.rows()).map(({ start, count }) => [start, count] as const);
  });
};

const cuts: fc.Arbitrary<Cut> = fc.oneof(hoppingCut, sessionCut, fc.constant<Cut>({ kind: 'none' }), fc.constant<Cut>({ kind: 'global' }));
const triggers: fc.Arbitrary<NonNullable<RefinementOptions['trigger']>> = fc
  .record({
    count: fc.integer({ min: 1, max: 4 }),
    every: fc.integer({ min: 1, max: 40 }),
    accumulate: fc.boolean(),
    which: fc.constantFrom('count', 'every', 'both'),
  })
  .map(({ count, every, accumulate, which }) => ({ ...(which === 'every' ? {} : { count }), ...(which === 'count' ? {} : { every }), accumulate }));

describe('a trigger', () => {
  it('that fires with each contribution is none', () => {
    fc.assert(
      fc.property(cuts, someFacts(60), someCuts, (cut, facts, pieces) => {
        const log = placed(facts);
        const kept = foldInPieces(saidDefinition(cut, { trigger: { count: 1 } }), log, pieces);
        const expected = expectedOf(cut, log);
        expect(plainRows(kept.rows())).toEqual(expected.rows);
        expect(kept.late).toBe(expected.late);
      }),
      { numRuns: 150 },
    );
  });

  it('shows the same rows however batches are cut', () => {
    fc.assert(
      fc.property(cuts, triggers, someFacts(60), someCuts, (cut, trigger, facts, pieces) => {
        const definition = saidDefinition(cut, { trigger });
        const log = placed(facts);
        const [one, whole, some] = [[1], [1000], pieces].map((given) => foldInPieces(definition, log, given)) as [Kept, Kept, Kept];
        expect(plainRows(some.rows())).toEqual(plainRows(one.rows()));
        expect(plainRows(whole.rows())).toEqual(plainRows(one.rows()));
        expect([...some.groups.values()].map(({ row }) => row).sort()).toEqual([...one.groups.values()].map(({ row }) => row).sort());
      }),
      { numRuns: 200 },
    );
  });

  it('that discards shows everything once: panes and what waits still are what was brought', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), someFacts(60), (count, some) => {
        const facts = some.filter((one) => new Set(groupsOf(one)).size === groupsOf(one).length); // of two in one record the second is what the row shows
        const kept = new Kept(saidDefinition({ kind: 'none' }, { trigger: { count, accumulate: false } }));
        const shown = placed(facts).flatMap((one) => kept.fold(batchesOf([one])).shown!.upserts.map(({ row }) => plainRow(row).total));
        const waiting = [...kept.groups.values()].map(({ row }) =>
          Number((JSON.parse(row) as { parts: [number, number, number, string[]][] }).parts[0]![3][1]),
        );
        const expected = expectedOf({ kind: 'none' }, placed(facts)).rows.reduce((sum, { total }) => sum + total, 0);
        expect([...shown, ...waiting].reduce((sum, n) => sum + n, 0)).toBe(expected);
      }),
      { numRuns: 100 },
    );
  });

  it('of a count shows each n-th contribution, and what waits when the window is closed', () => {
    const facts = [fact(1), fact(2), fact(3), fact(120), fact(150)];
    expect(seen(day, { trigger: { count: 2 } }, facts)).toEqual([
      [],
      [[0, 2]],
      [[0, 2]],
      [[0, 2]],
      [
        [0, 3],
        [100, 2],
      ],
    ]);
    expect(seen(day, { trigger: { count: 2, accumulate: false } }, facts)).toEqual([
      [],
      [[0, 2]],
      [[0, 2]],
      [[0, 2]],
      [
        [0, 1],
        [100, 2],
      ],
    ]);
  });

  it('of an interval shows what there was at its multiples and at the end of the window, and at once what comes behind it', () => {
    const facts = [fact(1), fact(29), fact(30), fact(95), fact(101), fact(40), fact(149)];
    expect(seen(day, { trigger: { every: 30 } }, facts)).toEqual([
      [],
      [],
      [[0, 2]], // at 30, before what came at 30
      [[0, 3]], // at 60, and at 90 there is nothing new
      [[0, 4]], // at the end
      [[0, 5]], // behind it
      [
        [0, 5],
        [100, 1],
      ], // at 120
    ]);
  });

  it('shows a session at once whose row goes because it begins earlier now', () => {
    const cut: Cut = { kind: 'session', gap: 10, grace: 1000 };
    expect(seen(cut, { trigger: { count: 2 } }, [fact(10), fact(12), fact(5), fact(30), fact(21)])).toEqual([
      [],
      [[10, 2]],
      [[5, 3]],
      [[5, 3]],
      [[5, 5]], // counts add up: 1 and the one that joins both
    ]);
  });
});

describe('de-duplication', () => {
  const dedupe = { within: 50, by: ({ word }: { word: string }) => word };

  it('leaves out what a group has had within the horizon; the first one counts', () => {
    const facts = [fact(0, 'a'), fact(1, 'b'), fact(2, 'a', { key: 'yyy' }), fact(49, 'a'), fact(50, 'a'), fact(99, 'a'), fact(51, 'b')];
    const kept = foldInPieces(saidDefinition({ kind: 'none' }, { dedupe }), placed(facts, 1), [1]);
    expect(plainRows(kept.rows())).toMatchObject([
      { group: 'x', count: 4, words: ['a', 'b', 'a', 'b'] },
      { group: 'yyy', count: 1 },
    ]);
    expect(kept.counts).toEqual({ applied: 5, late: 0, filtered: 2 });
  });

  it('does not take several contributions of one event for one', () => {
    const kept = foldInPieces(saidDefinition({ kind: 'none' }, { dedupe: { within: 50 } }), placed([fact(0, 'a', { n: 7 })], 1), [1]);
    expect(plainRows(kept.rows())).toMatchObject([{ count: 2 }]);
  });

  it('is the same however batches are cut, and what is late was not had', () => {
    fc.assert(
      fc.property(hoppingCut, someFacts(60), someCuts, fc.nat(100), (cut, facts, pieces, within) => {
        const definition = saidDefinition(cut, { dedupe: { ...dedupe, within: within + 1 } });
        const log = placed(facts);
        const [one, some] = [[1], pieces].map((given) => foldInPieces(definition, log, given)) as [Kept, Kept];
        expect(plainRows(some.rows())).toEqual(plainRows(one.rows()));
        expect([...some.groups].sort()).toEqual([...one.groups].sort());
        expect(some.late).toBe(one.late);
      }),
      { numRuns: 100 },
    );
    const strict: Cut = { kind: 'hopping', size: 10, advance: 10, offset: 0, grace: 0 };
    const kept = foldInPieces(saidDefinition(strict, { dedupe: { ...dedupe, within: 1000 } }), placed([fact(100, 'z'), fact(5, 'a'), fact(101, 'a')], 1), [1]);
    expect(kept.late).toBe(1);
    expect(plainRows(kept.rows())).toMatchObject([{ start: 100, count: 2 }]);
  });
});
