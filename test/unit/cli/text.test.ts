import fc from 'fast-check';
import { diffText, verdictLine } from '../../../src/app/cli/diff-text';
import { progressBar, progressLine, progressReport, totalProgress } from '../../../src/app/cli/progress';
import { parseWanted } from '../../../src/app/cli/replay-choice';
import { maskSecrets } from '../../../src/app/cli/secrets';
import { percent, secondsText, table } from '../../../src/app/cli/text';
import { NO_COUNTS } from '../../../src/projections/generations';
import type { GenerationProgress, ReplayStatus } from '../../../src/replay/replay';
import type { MemberVerdict, Verdict } from '../../../src/replay/verdict';

const progress = (more: Partial<GenerationProgress> = {}): GenerationProgress => ({
  generation: 'orders v2.r1 (postgres)',
  generationId: 2,
  side: 'to',
  done: 43_120,
  total: 69_659,
  share: 43_120 / 69_659,
  ratePerSecond: 12_400,
  secondsLeft: 2.1,
  lag: 26_539,
  stopped: [],
  partitions: [],
  rows: undefined,
  ...more,
});

const status = (more: Partial<ReplayStatus> = {}): ReplayStatus => ({
  id: 1,
  state: 'replaying',
  direction: 'forward',
  members: [],
  progress: [progress(), progress({ side: 'from', done: 9, total: 9 })],
  legal: [],
  waitingFor: undefined,
  paused: [],
  pace: { replay: 1 },
  halted: undefined,
  error: undefined,
  verdict: undefined,
  steps: [],
  startedBy: 'me',
  createdAt: 0,
  updatedAt: 0,
  coordinatedBy: undefined,
  dropsAt: undefined,
  ...more,
});

describe('progress', () => {
  it('is one line', () => {
    expect(progressLine(status())).toBe('replaying     62 %  43,120 of 69,659 events, 12,400/s, 3 s left');
    expect(progressLine(status({ state: 'planned', progress: [] }))).toBe('planned        0 %');
    expect(progressLine(status({ state: 'catching-up' }))).toContain('26,539 behind the head');
    // what waits has neither a rate nor an end
    expect(progressLine(status({ waitingFor: 'a live worker that folds x' }))).toBe(
      'replaying     62 %  43,120 of 69,659 events, waiting for a live worker that folds x',
    );
  });

  it('is a bar no wider than the terminal', () => {
    expect(progressBar(status(), 100)).toBe('replaying    ██████████████░░░░░░░░░░  62 %  43,120 of 69,659 events, 12,400/s, 3 s left');
    expect(progressBar(status(), 50)).toHaveLength(49);
  });

  it('adds the candidates up; an unknown time left stays unknown', () => {
    const two = [
      progress({ done: 10, total: 20, secondsLeft: 4, ratePerSecond: 5, lag: 1 }),
      progress({ done: 0, total: 20, secondsLeft: 9, ratePerSecond: 5, lag: 2 }),
    ];
    expect(totalProgress(two)).toEqual({ done: 10, total: 40, share: 0.25, secondsLeft: 9, ratePerSecond: 10, lag: 3 });
    expect(totalProgress([...two, progress({ secondsLeft: undefined })]).secondsLeft).toBeUndefined();
  });

  it('is plain where nobody watches: a line per state, and one every three seconds', () => {
    let [now, written] = [0, ''];
    const terminal = {
      stdout: () => undefined,
      stderr: (text: string) => void (written += text),
      env: {},
      cwd: '',
      isTty: false,
      signal: new AbortController().signal,
    };
    const clock = { now: () => now, sleep: () => Promise.resolve() };
    const report = progressReport(terminal, false, clock);
    for (now = 0; now < 7_000; now += 500) {
      report.show(status());
    }
    report.show(status({ state: 'verifying' }));
    report.end();
    expect(written.split('\n').map((line) => line.split(' ')[0])).toEqual(['replaying', 'replaying', 'replaying', 'verifying', '']);
    written = '';
    progressReport(terminal, true, clock).show(status());
    expect(written).toBe('');
  });
});

describe('diff', () => {
  const member: MemberVerdict = {
    projection: 'orders',
    store: 'postgres',
    before: 'orders v1.r1 (postgres)',
    after: 'orders v2.r1 (postgres)',
    positions: { 'orders/0': 12 },
    counters: { before: NO_COUNTS, after: NO_COUNTS },
    stopped: [{ generation: 'orders v2.r1 (postgres)', topic: 'orders', partition: 0, offset: 12, code: 'handler.failed', message: 'boom', remedy: '' }],
    rows: { before: 1_200, after: 1_201 },
    onlyBefore: 1,
    onlyAfter: 2,
    changed: 1,
    changedByColumn: { note: 1 },
    samples: [
      { kind: 'changed', key: { id: 'a' }, changes: [{ column: 'note', before: null, after: 'x'.repeat(60) }] },
      { kind: 'before', key: { id: 'b' }, changes: [{ column: 'note', before: 'gone', after: null }] },
      { kind: 'after', key: { id: 'c' }, changes: [{ column: 'note', before: null, after: 'new' }] },
    ],
    addedColumns: ['size'],
    removedColumns: [],
    keyColumns: ['id'],
  };

  const reportOf = (verdict: Verdict): Parameters<typeof diffText>[0] => ({
    replay: 7,
    verdict,
    rows: verdict.members.flatMap(({ samples }, i) => samples.map((sample) => ({ member: i, ...sample }))),
    verifications: [],
  });

  it('shows counts, columns and samples of every kind', () => {
    expect(diffText(reportOf({ identical: false, takenAt: '2020-01-01T00:00:00.000Z', members: [member] }))).toMatchInlineSnapshot(`
     "replay 7: 4 rows of 1,200 would change (compared at 2020-01-01T00:00:00.000Z)
     orders v1.r1 (postgres) → orders v2.r1 (postgres)
       rows           1,200 before, 1,201 after
       only before    1
       only after     2
       changed        1
       by column      note 1
       new columns    size (not compared)
       stopped        orders v2.r1 (postgres) at orders/0 offset 12 [handler.failed] boom
       3 samples (~ changed: before → after, - only before, + only after)
          id  note
       ~  a   null → xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
       -  b   gone
       +  c   new
       3 of 4 rows shown; up to 1,000 of each kind are kept, of the newest 20 comparisons"
    `);
  });

  it('says when nothing would change, and when rows could only be counted', () => {
    expect(verdictLine({ identical: true, takenAt: '', members: [] })).toBe('no row would change');
    expect(verdictLine({ identical: false, takenAt: '', members: [member, member] })).toBe('8 rows of 2,400 would change, over 2 comparisons');
    expect(diffText(reportOf({ identical: false, takenAt: '', members: [{ ...member, keyColumns: [], samples: [] }] }))).toContain(
      'the keys of both models differ, so rows were only counted',
    );
  });
});

describe('small texts', () => {
  it('reads projections', () => {
    expect(parseWanted('orders')).toEqual({ name: 'orders', version: undefined });
    expect(parseWanted('orders@2')).toEqual({ name: 'orders', version: 2 });
    expect(parseWanted('orders@v12')).toEqual({ name: 'orders', version: 12 });
    for (const wrong of ['', '@2', 'orders@', 'orders@0', 'orders@x', 'a b']) {
      expect(parseWanted(wrong)).toBeUndefined();
    }
  });

  it('shows times and shares', () => {
    expect([0, 59.2, 60, 200, 7_500].map(secondsText)).toEqual(['0 s', '1 min 0 s', '1 min 0 s', '3 min 20 s', '2 h 5 min']);
    expect([0, 0.001, 0.5, 0.9999, 1].map(percent)).toEqual(['0 %', '1 %', '50 %', '99 %', '100 %']);
  });

  it('aligns columns', () => {
    expect(table(['A', 'LONG'], [['wide cell', '']])).toBe('A          LONG\nwide cell');
  });

  it('never shows the password of an address', () => {
    const password = fc.stringMatching(/^[A-Za-z0-9@:/?!#%$]{6,20}$/);
    fc.assert(
      fc.property(password, (secret) => {
        expect(maskSecrets(`at postgres://user:${secret}@host:5432/db and on`)).toBe('at postgres://user:***@host:5432/db and on');
        expect(maskSecrets(JSON.stringify({ a: `postgresql://user:${secret}@host/db`, b: 'me@home' }))).toBe(
          '{"a":"postgresql://user:***@host/db","b":"me@home"}',
        );
      }),
    );
    expect(maskSecrets('postgres://user@host/db')).toBe('postgres://user@host/db');
  });
});
