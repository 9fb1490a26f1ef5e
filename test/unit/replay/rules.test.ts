import fc from 'fast-check';
import { NO_COUNTS } from '../../../src/projections/generations';
import { BUCKETS, differingBuckets, inSlices, type BucketSum } from '../../../src/replay/buckets';
import { withTables } from '../../../src/replay/checks';
import type { Rules } from '../../../src/replay/rule-types';
import { allowedRows, judge, parseLimit, requireRules } from '../../../src/replay/rules';
import { LONGEST_VALUE, differingRows, shownValue, type MemberVerdict } from '../../../src/replay/verdict';

const member = (found: Partial<MemberVerdict> = {}): MemberVerdict => ({
  projection: 'orders',
  store: 'postgres',
  before: 'orders v1.r1 (postgres)',
  after: 'orders v2.r1 (postgres)',
  positions: {},
  counters: { before: NO_COUNTS, after: NO_COUNTS },
  stopped: [],
  rows: { before: 200, after: 200 },
  onlyBefore: 0,
  onlyAfter: 0,
  changed: 0,
  changedByColumn: {},
  samples: [],
  addedColumns: [],
  removedColumns: [],
  keyColumns: ['id'],
  ...found,
});

const passes = (rules: Rules, found: Partial<MemberVerdict> = {}): boolean => judge(rules, member(found)).every(({ passed }) => passed);

describe('rules', () => {
  it.each([
    [{ expect: 'identical' }, {}, true],
    [{ expect: 'identical' }, { changed: 1 }, false],
    [{ expect: 'identical' }, { addedColumns: ['size'] }, false],
    [{ allowColumns: ['note'] }, { changed: 3, changedByColumn: { note: 3 }, addedColumns: ['size'] }, true],
    [{ allowColumns: ['note'] }, { changed: 3, changedByColumn: { note: 2, total: 1 } }, false],
    [{ allowColumns: ['note'] }, { onlyBefore: 1 }, false],
    [{ allowColumns: ['note'], maxMissing: 1 }, { onlyBefore: 1 }, true],
    [{ allowColumns: ['note'], maxMissing: 1 }, { onlyAfter: 1 }, false],
    [{ allowColumns: ['note'] }, { removedColumns: ['total'] }, false],
    [{ allowColumns: ['total'] }, { removedColumns: ['total'] }, true],
    [{ maxChanged: 2 }, { changed: 2 }, true],
    [{ maxChanged: 2 }, { changed: 3 }, false],
    [{ maxChanged: '0.5%' }, { changed: 1 }, true],
    [{ maxChanged: '0.5%' }, { changed: 2 }, false],
    [{ maxMissing: 0 }, { onlyBefore: 1 }, false],
    [{ maxAdded: 0 }, { onlyAfter: 1 }, false],
    [{ maxAdded: 0 }, { changed: 200, onlyBefore: 200 }, true],
  ] as const)('%j with %j: kept %s', (rules, found, kept) => {
    expect(passes(rules, found)).toBe(kept);
  });

  it('are all broken where rows could only be counted', () => {
    const rules: Rules = { expect: 'identical', allowColumns: ['note'], maxChanged: '100%', maxMissing: 1_000, maxAdded: 1_000 };
    expect(judge(rules, member({ keyColumns: [] })).map(({ passed, found }) => [passed, found])).toEqual(
      Array.from({ length: 5 }, () => [false, 'the keys of both models differ, so rows were only counted']),
    );
  });

  it('that are stricter are never kept where laxer ones are broken', () => {
    const figure = fc.nat({ max: 50 });
    fc.assert(
      fc.property(figure, figure, figure, figure, figure, (changed, onlyBefore, onlyAfter, strict, more) => {
        const found = { changed, onlyBefore, onlyAfter };
        const limits = (n: number): Rules => ({ maxChanged: n, maxMissing: n, maxAdded: n });
        expect(passes(limits(strict), found) && !passes(limits(strict + more), found)).toBe(false);
        expect(passes({ expect: 'identical' }, found)).toBe(differingRows(member(found)) === 0);
        expect(passes(limits(0), found)).toBe(differingRows(member(found)) === 0);
      }),
    );
  });

  it('read limits as they are written', () => {
    fc.assert(fc.property(fc.nat(), (n) => parseLimit(String(n)) === n));
    fc.assert(fc.property(fc.integer({ min: 0, max: 1_000 }), (n) => parseLimit(`${String(n / 10)}%`) === `${n / 10}%`));
    for (const wrong of ['', '-1', '1.5', '101%', '%', 'many', '1 2', '1e3']) {
      expect(parseLimit(wrong)).toBeUndefined();
    }
    expect([allowedRows('10%', 29), allowedRows('0.1%', 1_000), allowedRows('100%', 7), allowedRows(3, 1)]).toEqual([2, 1, 7, 3]);
  });

  it('are refused where they speak of what there is not', () => {
    const scope = {
      projections: ['orders'],
      columns: new Map([
        ['note', false],
        ['total', true],
      ]),
      functions: ['known'],
    };
    const fine: Rules = { expect: 'identical', allowColumns: ['note'], maxChanged: '1%', tolerances: { total: 0.5 }, functions: ['known'] };
    expect(requireRules(fine, scope)).toBe(fine);
    for (const wrong of [
      { other: 1 },
      { expect: 'same' },
      { allowColumns: ['nothing'] },
      { maxChanged: -1 },
      { maxMissing: '101%' },
      { tolerances: { note: 1 } },
      { tolerances: { nothing: 1 } },
      { tolerances: { total: 0 } },
      { checks: [{ sql: 'SELECT 1' }] },
      { checks: [{ sql: 'SELECT FROM {after}', projection: 'others' }] },
      { functions: ['unknown'] },
    ]) {
      expect(() => requireRules(wrong as unknown as Rules, scope)).toThrow(expect.objectContaining({ code: 'config.invalid' }));
    }
  });

  it('put the tables into a check', () => {
    expect(withTables(' SELECT 1 FROM {before}, {after} WHERE {other};; ', { before: 'a', after: 'b' })).toBe('SELECT 1 FROM a, b WHERE {other}');
  });
});

const sumsOf = (rows: ReadonlyMap<number, string>): readonly BucketSum[] => {
  const buckets = new Map<number, string[]>();
  rows.forEach((value, key) => buckets.set(key % 8, [...(buckets.get(key % 8) ?? []), `${String(key)}=${value}`]));
  return [...buckets].map(([bucket, all]) => ({ bucket, rows: all.length, sum: all.sort().join() }));
};

describe('buckets', () => {
  const rows = fc.array(fc.tuple(fc.nat({ max: 40 }), fc.constantFrom('x', 'y'))).map((all) => new Map(all));

  it('differ exactly where a row differs', () => {
    fc.assert(
      fc.property(rows, rows, (before, after) => {
        const keys = [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key));
        const expected = [...new Set(keys.map((key) => key % 8))].sort((a, b) => a - b);
        expect(differingBuckets(sumsOf(before), sumsOf(after)).map(({ bucket }) => bucket)).toEqual(expected);
      }),
    );
  });

  it('are cut into slices that hold each of them once and no more rows than they may', () => {
    const bucket = fc.nat({ max: 30 }).map((n) => n);
    fc.assert(
      fc.property(fc.array(bucket, { maxLength: 50 }), fc.integer({ min: 1, max: 60 }), (sizes, limit) => {
        const buckets = sizes.map((n, i) => ({ bucket: i, rows: n }));
        const slices = inSlices(buckets, limit);
        expect(slices.flat()).toEqual(buckets.map((one) => one.bucket));
        for (const slice of slices) {
          expect(slice.length === 1 || slice.reduce((sum, i) => sum + sizes[i]!, 0) <= limit).toBe(true);
        }
      }),
    );
    expect(Math.log2(BUCKETS) % 1).toBe(0); // they are told apart by the last bits of a hash
  });
});

describe('values shown', () => {
  it('are cut between characters where they are too long', () => {
    expect([shownValue(null), shownValue(undefined), shownValue('')]).toEqual([null, null, '']);
    expect(shownValue('x'.repeat(LONGEST_VALUE))).toBe('x'.repeat(LONGEST_VALUE));
    expect(shownValue('😀'.repeat(LONGEST_VALUE))).toBe('😀'.repeat(LONGEST_VALUE));
    expect(shownValue('😀'.repeat(LONGEST_VALUE + 1))).toBe(`${'😀'.repeat(LONGEST_VALUE)}…`);
  });
});
