import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import type { Generation } from '../../../src/projections/generations';
import { comparePairs } from '../../../src/replay/adapters/postgres/compare';
import { COMPARING } from '../../../src/replay/adapters/postgres/snapshots';
import type { CompareRequest } from '../../../src/replay/ports';
import type { RowDiff } from '../../../src/replay/verdict';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('values compared in PostgreSQL', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  let made = 0;
  beforeAll(async () => {
    database = await freshDatabase('compared-values');
    pool = new PostgresPool({ url: database.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await pool.close();
    await database.drop();
  });

  const holding = async (columns: string, rows: string, keys: readonly string[] = ['k']): Promise<Generation> => {
    made += 1;
    const table = `t${String(made)}`;
    await pool.query(`CREATE TABLE ${table} (${columns}, PRIMARY KEY (${keys.join()}))`);
    await pool.query(`INSERT INTO ${table} ${rows}`);
    return { id: made, viewSchema: 'public', table, columns: keys.map((name) => ({ name, role: 'key' })) } as unknown as Generation;
  };
  const compare = async (from: Generation, to: Generation, request: Partial<CompareRequest> = {}): Promise<RowDiff> => {
    const asked: CompareRequest = { pairs: [{ from, to }], hold: { token: '', targets: [] }, samples: 5, onSnapshot: () => Promise.resolve(), ...request };
    return (await comparePairs(pool, asked)).pairs[0]!.diff;
  };

  it.each([
    ['numbers of another scale', 'numeric(12,2)', '1.50', 'numeric(14,4)', '1.5000', '1.5001'],
    ['numbers of other types', 'integer', '7', 'numeric(20,3)', '7.000', '7.001'],
    ['integers of other widths', 'integer', '-1', 'bigint', '-1', '4294967295'],
    ['JSON in another order', 'jsonb', `'{"a": 1.0, "b": [1, null]}'`, 'jsonb', `'{"b": [1, null], "a": 1}'`, `'{"b": [1], "a": 1}'`],
    ['JSON null and null', 'jsonb', 'NULL', 'jsonb', 'NULL', `'null'`],
    ['plain JSON', 'json', `'{"a": 1, "b": 2}'`, 'jsonb', `'{"b": 2, "a": 1}'`, `'{"b": 2}'`],
    ['arrays', 'text[] COLLATE "C"', `ARRAY['a', 'b,c']`, 'text[] COLLATE "C"', `ARRAY['a', 'b,c']`, `ARRAY['a', 'b', 'c']`],
    ['arrays with null', 'int[]', 'ARRAY[1, NULL]', 'int[]', 'ARRAY[1, NULL]', 'ARRAY[1]'],
    ['text and null', 'text', 'NULL', 'text', 'NULL', `''`],
    ['instants', 'timestamptz', `'2026-01-01 01:00:00+01'`, 'timestamptz', `'2026-01-01Z'`, `'2026-01-01 00:00:00.001Z'`],
    ['doubles that are no number', 'float8', `'NaN'`, 'float8', `'NaN'`, `'Infinity'`],
    ['zeros of doubles', 'float8', '0', 'float8', `'-0'`, '5e-324'],
    [
      'uuids kept as text',
      'uuid',
      `'00000000-0000-4000-8000-00000000000a'`,
      'text',
      `'00000000-0000-4000-8000-00000000000a'`,
      `'00000000-0000-4000-8000-00000000000b'`,
    ],
    ['no number at all', 'numeric', `'NaN'`, 'numeric', `'NaN'`, '0'],
  ])('%s', async (_, type, value, otherType, equal, different) => {
    const from = await holding(`k text COLLATE "C", v ${type}`, `SELECT k::text, (${value})::${type.split(' COLLATE')[0]!} FROM generate_series(1, 50) k`);
    const other = (v: string): Promise<Generation> =>
      holding(
        `k text COLLATE "C", v ${otherType}`,
        `SELECT k::text, (CASE WHEN k = 20 THEN (${v})::${otherType.split(' COLLATE')[0]!} ELSE (${equal})::${otherType.split(' COLLATE')[0]!} END) FROM generate_series(1, 50) k`,
      );
    expect(await compare(from, await other(equal))).toMatchObject({ rows: { before: 50, after: 50 }, onlyBefore: 0, onlyAfter: 0, changed: 0, samples: [] });
    const diff = await compare(from, await other(different));
    expect(diff).toMatchObject({ onlyBefore: 0, onlyAfter: 0, changed: 1, changedByColumn: { v: 1 } });
    expect(diff.samples.map(({ key }) => key)).toEqual([{ k: '20' }]);
  });

  it('swapped values of two rows, and of two columns of one row', async () => {
    const columns = 'k int, j text, a int, b int';
    const from = await holding(columns, `VALUES (1, 'x', 1, 2), (1, 'y', 3, 4), (2, 'x', 5, 6), (3, 'x', 0, 0)`, ['k', 'j']);
    const to = await holding(columns, `VALUES (1, 'x', 3, 4), (1, 'y', 1, 2), (2, 'x', 6, 5), (3, 'x', 0, 0)`, ['j', 'k']);
    const diff = await compare(from, to);
    expect(diff).toMatchObject({ changed: 3, changedByColumn: { a: 3, b: 3 }, onlyBefore: 0, onlyAfter: 0, keyColumns: ['k', 'j'] });
    expect(diff.samples.map(({ key }) => `${String(key['k'])}${String(key['j'])}`)).toEqual(['1x', '1y', '2x']);
  });

  it('of one side only, cut where they are long, among columns that only one side has', async () => {
    const from = await holding('k int, note text, gone int', `SELECT k, repeat('x', 5000), 1 FROM generate_series(1, 3) k`);
    const to = await holding('k int, note text, added int', `SELECT k, repeat('x', 5000), 1 FROM generate_series(2, 5) k`);
    const diff = await compare(from, to);
    expect(diff).toMatchObject({ rows: { before: 3, after: 4 }, onlyBefore: 1, onlyAfter: 2, changed: 0, addedColumns: ['added'], removedColumns: ['gone'] });
    expect(diff.samples.map(({ kind, key }) => [kind, key['k']])).toEqual([
      ['before', '1'],
      ['after', '4'],
      ['after', '5'],
    ]);
    expect(diff.samples[0]!.changes).toEqual([{ column: 'note', before: `${'x'.repeat(4_000)}…`, after: null }]);
  });

  it('within a tolerance, which is exact and holds for numbers alone', async () => {
    const from = await holding('k int, n numeric(20,10), t text', `VALUES (1, 0.3, 'a'), (2, 1, 'a'), (3, NULL, 'a'), (4, 1, 'a')`);
    const to = await holding('k int, n numeric(20,10), t text', `VALUES (1, 0.4, 'a'), (2, 1.1000000001, 'a'), (3, 0, 'a'), (4, 1.05, 'b')`);
    const diff = await compare(from, to, { tolerances: { n: 0.1, t: 1 } });
    expect(diff).toMatchObject({ changed: 3, tolerated: 1, changedByColumn: { n: 2, t: 1 } });
    expect(diff.samples.map(({ key, changes }) => [key['k'], changes.map(({ column }) => column)])).toEqual([
      ['2', ['n']],
      ['3', ['n']],
      ['4', ['t']],
    ]);
  });

  it('within a tolerance of doubles, also beside exact numbers', async () => {
    const from = await holding('k int, f float8, m float8', `VALUES (1, 0.1, 1), (2, 1e300, 1), (3, 1, 1), (4, NULL, 1)`);
    const to = await holding('k int, f float8, m numeric(12,3)', `VALUES (1, 0.30000000000000004, 1.001), (2, 1.0000001e300, 1), (3, 1.25, 1.5), (4, 0, 1)`);
    const diff = await compare(from, to, { tolerances: { f: 0.21, m: 0.01 } });
    expect(diff).toMatchObject({ changed: 3, tolerated: 1, changedByColumn: { f: 3, m: 1 } });
  });

  it('models whose keys differ are only counted', async () => {
    const from = await holding('k int, j int', 'VALUES (1, 1), (2, 1)');
    const to = await holding('k int, j int', 'VALUES (1, 1)', ['j']);
    expect(await compare(from, to)).toMatchObject({ rows: { before: 2, after: 1 }, keyColumns: [], samples: [] });
  });

  it('are those of one snapshot, whatever is written meanwhile, and both sessions are gone afterwards', async () => {
    const from = await holding('k int, n int', 'SELECT k, k FROM generate_series(1, 1000) k');
    const to = await holding('k int, n int', 'SELECT k, k FROM generate_series(1, 1000) k');
    const diff = await compare(from, to, {
      onSnapshot: async () => {
        await pool.query(`UPDATE ${to.table} SET n = -n`);
        await pool.query(`DELETE FROM ${from.table} WHERE k > 10`);
      },
    });
    expect(diff).toMatchObject({ rows: { before: 1_000, after: 1_000 }, onlyBefore: 0, onlyAfter: 0, changed: 0 });
    const broken = { ...to, table: 'not_there' } as Generation;
    await expect(compare(from, broken)).rejects.toThrow();
    const { rows } = await pool.query(`SELECT FROM pg_stat_activity WHERE application_name = '${COMPARING}' AND state <> 'idle'`);
    expect(rows).toEqual([]);
    expect(await compare(from, to)).toMatchObject({ onlyAfter: 990, changed: 10 });
  });
});
