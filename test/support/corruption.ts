import type { ClickHouseClient } from '@clickhouse/client';
import type { PostgresPool } from '../../src/platform/postgres/pool';
import type { Generation } from '../../src/projections/generations';
import type { DifferingRow } from '../../src/replay/verdict';

const COLUMNS = ['customer_id', 'status', 'amount', 'changed_at'] as const;
type Cell = (typeof COLUMNS)[number];

/** What is done to rows of the candidate, or to the active generation alone (`stale`). */
export interface Corruption {
  readonly changed: readonly { readonly n: number; readonly column: Cell }[];
  readonly missing: readonly number[];
  readonly extra: readonly number[];
  readonly stale: readonly number[];
  /** What a comparison has to find. */
  readonly expected: readonly Pick<DifferingRow, 'kind' | 'key' | 'changes'>[];
}

/** 1 to 20 of each kind, at places of their own. */
export const corruptionOf = (random: () => number, rows: number): Corruption => {
  const taken = new Set<number>();
  const places = (): readonly number[] =>
    Array.from({ length: 1 + Math.floor(random() * 20) }, () => {
      for (;;) {
        const n = 1 + Math.floor(random() * rows);
        if (!taken.has(n)) {
          taken.add(n);
          return n;
        }
      }
    });
  const changed = places().map((n) => ({ n, column: COLUMNS[Math.floor(random() * COLUMNS.length)]! }));
  const [missing, extra, stale] = [places(), places(), places()];
  const row = (kind: DifferingRow['kind'], key: string, columns: readonly string[] = []): Corruption['expected'][number] => ({
    kind,
    key: { order_id: key },
    changes: columns.map((column) => ({ column, before: null, after: null })),
  });
  return {
    changed,
    missing,
    extra,
    stale,
    expected: [
      ...changed.map(({ n, column }) => row('changed', `x${String(n)}`, [column])),
      ...stale.map((n) => row('changed', `x${String(n)}`, ['status', 'changed_at'])),
      ...missing.map((n) => row('before', `x${String(n)}`)),
      ...extra.map((n) => row('after', `y${String(n)}`)),
    ],
  };
};

export interface CorruptTables {
  /** The same rows `x1` to `x<n>` on both sides. */
  fill(rows: number): Promise<void>;
  corrupt(corruption: Corruption): Promise<void>;
  /** Both sides are equal again. */
  mend(corruption: Corruption): Promise<void>;
}

const keys = (prefix: string, numbers: readonly number[]): string => numbers.map((n) => `'${prefix}${String(n)}'`).join();

const inPostgres = (pool: PostgresPool, active: string, candidate: string): CorruptTables => ({
  fill: async (rows) => {
    await pool.query(
      `INSERT INTO ${active} SELECT 'x' || n, 'c' || n % 997, 'placed', (n % 9973)::numeric + 0.25, timestamptz '2026-01-01Z' + n * interval '1 second', 'orders', 0, 0
         FROM generate_series(1, ${String(rows)}) AS n`,
    );
    await pool.query(`INSERT INTO ${candidate} SELECT * FROM ${active} WHERE order_id LIKE 'x%'`);
  },
  corrupt: async ({ changed, missing, extra, stale }) => {
    const other: Readonly<Record<Cell, string>> = {
      customer_id: `customer_id || '0'`,
      status: `'shipped'`,
      amount: 'amount + 0.01',
      changed_at: `changed_at + interval '1 ms'`,
    };
    for (const { n, column } of changed) {
      await pool.query(`UPDATE ${candidate} SET ${column} = ${other[column]} WHERE order_id = 'x${String(n)}'`);
    }
    await pool.query(`DELETE FROM ${candidate} WHERE order_id IN (${keys('x', missing)})`);
    for (const n of extra) {
      await pool.query(`INSERT INTO ${candidate} SELECT 'y${String(n)}', 'c', 'placed', 1, now(), 'orders', 0, 0`);
    }
    await pool.query(`UPDATE ${active} SET status = 'shipped', changed_at = changed_at + interval '1 day' WHERE order_id IN (${keys('x', stale)})`);
  },
  mend: async ({ changed, missing, extra, stale }) => {
    const touched = keys('x', [...changed.map(({ n }) => n), ...missing, ...stale]);
    await pool.query(`DELETE FROM ${candidate} WHERE order_id IN (${touched}, ${keys('y', extra)})`);
    await pool.query(`UPDATE ${active} SET status = 'placed', changed_at = changed_at - interval '1 day' WHERE order_id IN (${keys('x', stale)})`);
    await pool.query(`INSERT INTO ${candidate} SELECT * FROM ${active} WHERE order_id IN (${touched})`);
  },
});

const inClickHouse = (client: ClickHouseClient, active: string, candidate: string): CorruptTables => {
  let version = 1;
  const run = async (query: string): Promise<void> => void (await client.command({ query }));
  /** Newer rows with these columns in place of those there are. */
  const renew = (table: string, source: string, numbers: string, changes: Readonly<Record<string, string>>): Promise<void> => {
    version += 1;
    const replaced = Object.entries({ ...changes, _version: `toUInt128(${String(version)})` }).map(([name, value]) => `${value} AS ${name}`);
    return run(`INSERT INTO ${table} SELECT * REPLACE (${replaced.join(', ')}) FROM ${source} FINAL WHERE order_id IN (${numbers})`);
  };
  const other: Readonly<Record<Cell, string>> = {
    customer_id: `concat(customer_id, '0')`,
    status: `'shipped'`,
    amount: `amount + toDecimal64('0.01', 2)`,
    changed_at: `addMilliseconds(changed_at, 1)`,
  };
  return {
    fill: async (rows) => {
      for (const table of [active, candidate]) {
        await run(
          `INSERT INTO ${table} (order_id, customer_id, status, amount, changed_at, _topic, _partition, _offset, _version, _deleted)
           SELECT concat('x', toString(number + 1)), concat('c', toString(number % 997)), 'placed', toDecimal64(number % 9973, 2) + toDecimal64('0.25', 2),
                  addSeconds(toDateTime64('2026-01-01 00:00:00', 3, 'UTC'), number), 'orders', 0, 0, 1, false FROM numbers(${String(rows)})`,
        );
      }
    },
    corrupt: async ({ changed, missing, extra, stale }) => {
      for (const { n, column } of changed) {
        await renew(candidate, candidate, `'x${String(n)}'`, { [column]: other[column] });
      }
      await renew(candidate, candidate, keys('x', missing), { _deleted: 'true' });
      await run(
        `INSERT INTO ${candidate} SELECT * REPLACE (replaceOne(order_id, 'x', 'y') AS order_id, toUInt128(${String(version)}) AS _version)
           FROM (SELECT * FROM ${candidate} FINAL WHERE order_id IN (${keys('x', extra)}))`,
      );
      await renew(active, active, keys('x', stale), { status: `'shipped'`, changed_at: 'addDays(changed_at, 1)' });
    },
    mend: async ({ changed, missing, extra, stale }) => {
      await renew(active, active, keys('x', stale), { status: `'placed'`, changed_at: 'addDays(changed_at, -1)' });
      await renew(candidate, active, keys('x', [...changed.map(({ n }) => n), ...missing, ...stale]), {});
      await renew(candidate, candidate, keys('y', extra), { _deleted: 'true' });
    },
  };
};

export const tablesOf = (pool: PostgresPool, client: ClickHouseClient | undefined, active: Generation, candidate: Generation): CorruptTables =>
  client === undefined
    ? inPostgres(pool, `${active.viewSchema}.${active.table}`, `${candidate.viewSchema}.${candidate.table}`)
    : inClickHouse(client, `${active.viewSchema}.${active.table}_rows`, `${candidate.viewSchema}.${candidate.table}_rows`);
