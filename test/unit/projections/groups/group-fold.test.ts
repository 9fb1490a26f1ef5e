import fc from 'fast-check';
import { Kept, batchesOf, foldInPieces, hoppingCut, placed, sessionCut, slidingCut, someCuts, someFacts } from '../../../support/groups/folding';
import { plainRows, saidDefinition } from '../../../support/groups/models';
import { expectedOf, type Cut, type Fact } from '../../../support/groups/reference';

const anyCut: fc.Arbitrary<Cut> = fc.oneof(hoppingCut, sessionCut, slidingCut, fc.constantFrom<Cut>({ kind: 'none' }, { kind: 'global' }));

const holdsFor = (cuts: fc.Arbitrary<Cut>, numRuns: number): void => {
  fc.assert(
    fc.property(cuts, someFacts(60), someCuts, (cut, facts, pieces) => {
      const log = placed(facts);
      const kept = foldInPieces(saidDefinition(cut), log, pieces);
      const expected = expectedOf(cut, log);
      expect(plainRows(kept.rows())).toEqual(expected.rows);
      expect(kept.late).toBe(expected.late);
      expect(kept.counts.applied + kept.counts.late + kept.counts.filtered).toBe(log.length);
    }),
    { numRuns },
  );
};

const fact = (at: number, word: string, given: Partial<Fact> = {}): Fact => ({ key: 'x', n: 2, word, at, gap: 10, ...given });
const folded = (cut: Cut, facts: readonly Fact[], pieces: readonly number[] = [1]): Kept => foldInPieces(saidDefinition(cut), placed(facts), pieces);

describe('groups, against windows computed from scratch, however batches are cut', () => {
  it('of no window, and of one for all time', () => {
    holdsFor(fc.constantFrom<Cut>({ kind: 'none' }, { kind: 'global' }), 60);
  });
  it('of tumbling and hopping windows, whether or not the advance divides the size', () => {
    holdsFor(hoppingCut, 300);
  });
  it('of sessions, with one gap and with one per event', () => {
    holdsFor(sessionCut, 400);
  });
  it('of sliding windows', () => {
    holdsFor(slidingCut, 150);
  });

  it('is the same whatever order events come in, as long as none is late', () => {
    const patient = anyCut.map((cut): Cut => ('grace' in cut ? { ...cut, grace: 1e6 } : cut));
    const anyOrder = someFacts(60).chain((facts) => fc.tuple(fc.constant(facts), fc.shuffledSubarray([...facts], { minLength: facts.length })));
    fc.assert(
      fc.property(patient, anyOrder, someCuts, (cut, [facts, shuffled], pieces) => {
        const offsets = new Map(placed(facts).map((one, i) => [facts[i], one]));
        const log = shuffled.map((one) => offsets.get(one)!); // the place of a fact says which of equal times is the first
        const once = foldInPieces(saidDefinition(cut), placed(facts), [1000]);
        const again = new Kept(saidDefinition(cut));
        log.forEach((one) => again.fold(batchesOf([one])));
        expect(again.rows().length).toBe(once.rows().length);
        expect(plainRows(again.rows())).toEqual(plainRows(once.rows()));
        expect(pieces.length).toBeGreaterThan(0);
      }),
      { numRuns: 150 },
    );
  });
});

describe('sessions of a group', () => {
  const cut: Cut = { kind: 'session', gap: 10, grace: 1e6 };

  it('are bridged by an event between them: one row is left, with what both had', () => {
    const kept = folded(cut, [fact(0, 'a'), fact(15, 'b'), fact(8, 'c')]);
    expect(plainRows(kept.rows())).toMatchObject([{ start: 0, end: 25, count: 3, first: 'a', last: 'b', words: ['a', 'c', 'b'] }]);
  });

  it('keep their row where the bounds do not change, and lose it where they begin earlier', () => {
    const definition = saidDefinition(cut);
    const kept = new Kept(definition);
    const log = placed([fact(0, 'a'), fact(5, 'b'), fact(3, 'c'), fact(-4, 'd')]);
    const changes = log.map((one) => kept.fold(batchesOf([one])).shown!);
    expect(changes.map(({ upserts, deletes }) => [upserts.map(({ isStored }) => isStored), deletes.map(({ identity }) => identity)])).toEqual([
      [[false], []],
      [[true], []],
      [[true], []],
      [[false], [{ group: 'x', start: new Date(0) }]],
    ]);
    expect(plainRows(kept.rows())).toMatchObject([{ start: -4, end: 15, count: 4, first: 'd', last: 'b' }]);
  });

  it('write what came and went within one batch not at all', () => {
    const { shown } = new Kept(saidDefinition(cut)).fold(batchesOf(placed([fact(0, 'a'), fact(15, 'b'), fact(8, 'c'), fact(-5, 'd')])));
    expect(shown!.deletes).toEqual([]);
    expect(shown!.upserts.map(({ row }) => row['start'])).toEqual([new Date(-5)]);
  });

  it('take an event in that is late by itself, where it joins an open session; a closed one is not revived', () => {
    const strict: Cut = { kind: 'session', gap: 30, grace: 60 };
    // at 100 the session of 0 is closed (0 + 30 + 60 < 100): 20 begins another one, and 5 joins that, though its own would be closed
    const kept = folded(strict, [fact(0, 'a'), fact(100, 'b', { key: 'zz' }), fact(100, 'c'), fact(20, 'd'), fact(5, 'e'), fact(0, 'f')]);
    expect(plainRows(kept.rows()).filter(({ group }) => group === 'x')).toMatchObject([
      { start: 0, count: 1, words: ['a'] },
      { start: 5, end: 50, count: 2, words: ['e', 'd'] },
      { start: 100, count: 1 },
    ]);
    expect(kept.late).toBe(1);
  });
});

describe('what is late', () => {
  it('is judged window by window, and kept aside where all are closed', () => {
    const cut: Cut = { kind: 'hopping', size: 20, advance: 10, offset: 0, grace: 5 };
    const commit = new Kept(saidDefinition(cut)).fold(batchesOf(placed([fact(5, 'a'), fact(26, 'b'), fact(12, 'c'), fact(3, 'd')])));
    // at 26 the window of 0 is closed, and that of 10 is not
    expect(commit.advances[0]!.counters).toMatchObject({ applied: 3, late: 1 });
    expect(commit.late).toEqual([
      {
        ...{ topic: 'orders', partition: 1, offset: 3, ordinal: 0, eventTime: 3, streamTime: 26, windowStart: 0 },
        contribution: { group: { group: 'x' }, measures: { count: 1, total: 2, mean: 2, smallest: 2, first: 'd', last: 'd', words: 'd' } },
      },
    ]);
    expect(commit.shown!.upserts.map(({ row, stamp }) => [row['start'], row['count'], stamp.offset])).toEqual([
      [new Date(-10), 1n, 0],
      [new Date(0), 1n, 0],
      [new Date(10), 2n, 2],
      [new Date(20), 1n, 1],
    ]);
  });

  it('stays so for a group whose windows were forgotten, whatever stream time an event is folded with later', () => {
    const definition = saidDefinition({ kind: 'hopping', size: 10, advance: 10, offset: 0, grace: 0 });
    const log = placed([fact(5, 'a'), fact(100, 'b')], 1);
    const kept = foldInPieces(definition, log, [2]);
    const redriven = new Kept(definition); // begins without a stream time, as a redrive that knows an older one
    kept.groups.forEach((row, id) => redriven.groups.set(id, row));
    expect(redriven.fold(batchesOf([{ ...fact(6, 'c'), partition: 0, offset: 9 }])).late).toHaveLength(1);
  });
});
