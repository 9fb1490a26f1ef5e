import { historyOf } from '../../../src/replay/history';
import { planExactly } from '../../../src/replay/adapters/postgres/view-sql';
import { clientsOf } from '../../../src/replay/view-plan';
import type { ReplayStep } from '../../../src/replay/replay';

const column = (name: string, type = 'text'): { name: string; type: string } => ({ name, type });

describe('a view that takes the columns of a table as they are', () => {
  it('names what readers will not find as it was, and hides what is of refold', () => {
    const known = [column('a'), column('b', 'bigint'), column('c'), column('d')];
    expect(planExactly(known, [column('a'), column('d'), column('b', 'integer'), column('_offset'), column('e')])).toEqual({
      select: ['"a"', '"d"', '"b"', '"e"'],
      changes: ['b: bigint -> integer', 'c: missing', 'd: column 4 -> 2'],
    });
    expect(planExactly(known, [...known, column('e')]).changes).toEqual([]);
  });

  it('says which statements fail, by the kind of change', () => {
    const changes = ['b: bigint -> integer', 'c: d: missing', 'd: column 4 -> 2'];
    const said = clientsOf('postgres', changes);
    expect(said).toHaveLength(4);
    expect(said[1]).toMatch(/^named prepared statements that answer b: 0A000/);
    expect(said[2]).toBe('statements that name c: d: 42703 (column does not exist)');
    expect(said[3]).toMatch(/: d moved$/);
    expect(clientsOf('postgres', [])).toEqual([]);
    expect(clientsOf('clickhouse', changes)).toEqual(['queries that name c: d: unknown identifier (47)']);
    expect(clientsOf('clickhouse', ['d: column 4 -> 2'])).toEqual([]);
  });
});

it('a history says what each step was, and how long after the one before', () => {
  const step = (n: number, from: string | undefined, to: string, facts: object = {}): ReplayStep =>
    ({ step: n, fromState: from, toState: to, by: 'me', facts, at: n * 10 }) as ReplayStep;
  const history = historyOf([
    step(1, undefined, 'planned'),
    step(2, 'ready', 'ready', { code: 'cutover.dependents' }),
    step(3, 'ready', 'cutting-over', { reason: 'better', breaking: true }),
    step(4, 'cutting-over', 'cutting-over', { switched: ['x'] }),
    step(7, 'cutting-over', 'cutting-over', { turned: 'back' }),
    step(8, 'cutting-over', 'cutting-over', { stale: true }),
    step(9, 'done', 'done', { retired: ['x'] }),
    step(10, 'done', 'done', { dropped: ['x'] }),
    step(11, 'done', 'done', { other: 1 }),
  ]);
  expect(history.map(({ what }) => what)).toEqual(['planned', 'refused', 'cutting-over', 'switched', 'turned', 'allowed', 'retired', 'dropped', 'noted']);
  expect(history.map(({ tookMs }) => tookMs)).toEqual([undefined, 10, 10, 10, 30, 10, 10, 10, 10]);
  expect(history[2]!.reason).toBe('better');
});
