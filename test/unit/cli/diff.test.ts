import { diffCsv } from '../../../src/app/cli/diff-csv';
import { diffHtml } from '../../../src/app/cli/diff-html';
import { reportJson, type DiffReport } from '../../../src/app/cli/diff-report';
import { diffText } from '../../../src/app/cli/diff-text';
import { parseCheck, rulesOf } from '../../../src/app/cli/rule-options';
import { NO_COUNTS } from '../../../src/projections/generations';
import type { MemberVerdict } from '../../../src/replay/verdict';

const member: MemberVerdict = {
  projection: 'orders',
  store: 'postgres',
  before: 'orders v1.r1 (postgres)',
  after: 'orders v2.r1 (postgres)',
  positions: { 'orders/0': 12 },
  counters: { before: NO_COUNTS, after: NO_COUNTS },
  stopped: [],
  rows: { before: 1_200, after: 1_201 },
  onlyBefore: 1,
  onlyAfter: 2,
  changed: 1,
  tolerated: 3,
  changedByColumn: { note: 1 },
  samples: [],
  addedColumns: [],
  removedColumns: [],
  keyColumns: ['id'],
};

const report: DiffReport = {
  replay: 7,
  verdict: {
    identical: false,
    takenAt: '2020-01-02T00:00:00.000Z',
    verification: 12,
    members: [member],
    rules: { maxMissing: 0 },
    outcomes: [
      { rule: 'max-missing', projection: 'orders', store: 'postgres', wanted: 'at most 0 missing rows', found: '1 missing rows', passed: false },
      { rule: 'check', projection: 'orders', store: 'postgres', wanted: 'no row of: <sql>', found: '1 row', passed: false, rows: [{ id: 'a' }] },
    ],
  },
  rows: [
    { member: 0, kind: 'changed', key: { id: 'a,"1"' }, changes: [{ column: 'note', before: null, after: '<b>&\n' }] },
    { member: 0, kind: 'before', key: { id: 'b' }, changes: [{ column: 'note', before: '', after: null }] },
    { member: 0, kind: 'after', key: { id: 'c' }, changes: [] },
  ],
  verifications: [
    { verification: 12, takenAt: '2020-01-02T00:00:00.000Z', by: 'me', identical: false, differing: 4, failed: 2, approval: undefined },
    {
      verification: 9,
      takenAt: '2020-01-01T00:00:00.000Z',
      by: 'me',
      identical: false,
      differing: 80,
      failed: 1,
      approval: { by: 'ada', reason: 'wanted', at: '' },
    },
  ],
};

describe('what replay diff prints', () => {
  it('says for people what became of the rules, and which comparisons there were before', () => {
    expect(diffText(report)).toMatchInlineSnapshot(`
     "replay 7: 4 rows of 1,200 would change, 2 rules broken (compared at 2020-01-02T00:00:00.000Z)
     orders v1.r1 (postgres) → orders v2.r1 (postgres)
       rows           1,200 before, 1,201 after
       only before    1
       only after     2
       changed        1
       within limits  3 rows differ by no more than the tolerances
       by column      note 1
       3 samples (~ changed: before → after, - only before, + only after)
          id     note
       ~  a,"1"  null → <b>&\\n
       -  b
       +  c
       3 of 4 rows shown; up to 1,000 of each kind are kept, of the newest 20 comparisons
     rules
       BROKEN  max-missing of orders (postgres): wanted at most 0 missing rows; found 1 missing rows
       BROKEN  check of orders (postgres): wanted no row of: <sql>; found 1 row
                 {"id":"a"}
     no cutover unless approved: refold replay approve 7 --verification 12 --by NAME --reason TEXT
     other comparisons (--verification)
       9  2020-01-01T00:00:00.000Z  80 rows differed, 1 rule broken, approved by ada"
    `);
  });

  it('ends with who approved instead of how to', () => {
    const approval = { by: 'ada', reason: 'wanted so', at: '2020-01-03T00:00:00.000Z' };
    const text = diffText({ ...report, verdict: { ...report.verdict, approval } });
    expect(text).toContain('approved by ada at 2020-01-03T00:00:00.000Z: wanted so');
    expect(text).not.toContain('no cutover unless approved');
  });

  it('is one line per value as CSV, where null is nothing and empty text is quoted', () => {
    expect(diffCsv(report)).toBe(
      [
        'projection,store,kind,key,column,before,after',
        `orders,postgres,changed,"{""id"":""a,\\""1\\""""}",note,,"<b>&\n"`,
        `orders,postgres,before,"{""id"":""b""}",note,"",`,
        `orders,postgres,after,"{""id"":""c""}",,,`,
      ].join('\n'),
    );
  });

  it('is one page as HTML that holds nothing but text of the rows', () => {
    const page = diffHtml(report);
    expect(page).toContain('<td>a,&quot;1&quot;</td><td>note</td><td><i>null</i></td><td>&lt;b&gt;&amp;\n</td>');
    expect(page).toContain('no row of: &lt;sql&gt;');
    expect(page).not.toMatch(/<script|<b>|https?:|src=|href=/);
    expect(page).toMatchSnapshot();
  });

  it('names projection and store of every row as JSON', () => {
    expect(reportJson(report)).toMatchObject({ replay: 7, rows: [{ projection: 'orders', store: 'postgres', kind: 'changed' }, {}, {}] });
  });
});

describe('flags of rules', () => {
  it('are rules only where some are given', () => {
    expect(rulesOf({})).toBeUndefined();
    expect(rulesOf({ expect: 'identical', tolerance: { a: 1e-9 }, checkWith: ['f'] })).toEqual({
      expect: 'identical',
      tolerances: { a: 1e-9 },
      functions: ['f'],
    });
  });

  it.each([
    ['SELECT 1 FROM {after}', { sql: 'SELECT 1 FROM {after}' }],
    ['order-summary: SELECT 1 FROM {after}', { projection: 'order-summary', sql: 'SELECT 1 FROM {after}' }],
    ['orders@clickhouse:select 1 from {after}', { projection: 'orders', store: 'clickhouse', sql: 'select 1 from {after}' }],
    [`SELECT 'a: b' FROM {after}`, { sql: `SELECT 'a: b' FROM {after}` }],
  ])('read the check %s', (text, check) => {
    expect(parseCheck(text)).toEqual(check);
  });
});
