import { createHash } from 'node:crypto';
import { randomFrom } from '../../../src/app/testing/chance';
import type { App } from '../../../src/app/define-app';
import { defineApp } from '../../../src/app/define-app';
import type { ConnectedApp } from '../../../src/app/connect';
import { defineEventType } from '../../../src/events/event-type';
import { Decimal } from '../../../src/kernel/decimal';
import { first, last } from '../../../src/projections/aggregates/columns';
import { count, decimal, integer, max, sum, text, timestamp, windowEnd, windowStart } from '../../../src/projections/columns';
import type { StoreKind } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { session, tumbling } from '../../../src/projections/windows/window';

// An application over a topic of any name, so that tests can share a broker, with rows that are inserted, changed and
// deleted, and with windows. `expectedRows` folds the same facts by hand, apart from the framework.

const DAY = 86_400_000;
/** Deposits of an account that lie at most so far apart are one visit: about half of them. */
const GAP = 6 * 3_600_000;

export class Deposited {
  constructor(
    readonly account: string,
    readonly branch: string,
    readonly amount: Decimal,
    readonly at: Date,
  ) {}
}
export class Closed {
  constructor(
    readonly account: string,
    readonly at: Date,
  ) {}
}

export const accounts = readModel('accounts', { account: text().key(), branch: text(), balance: decimal(18, 2), deposits: integer(), changed_at: timestamp() });
export const branchDaily = readModel('branch_daily', {
  branch: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  deposits: count(),
  total: sum(decimal(18, 2)),
  largest: max(decimal(12, 2)),
});

export const visits = readModel('visits', {
  account: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  deposits: count(),
  first: first(decimal(12, 2)),
  last: last(decimal(12, 2)),
});

/** Topic names are given at run time, so the classes get their event types here. */
export const ledger = (topic: string, store: readonly StoreKind[]): App => {
  const string = (name: string) => ({ name, type: 'string' });
  const at = { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } };
  const amount = { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } };
  defineEventType(Deposited, {
    name: 'ledger.Deposited',
    version: 1,
    topic,
    key: (e) => e.account,
    time: (e) => e.at,
    schema: { type: 'record', fields: [string('account'), string('branch'), amount, at] },
  });
  defineEventType(Closed, {
    name: 'ledger.Closed',
    version: 1,
    topic,
    key: (e) => e.account,
    time: (e) => e.at,
    schema: { type: 'record', fields: [string('account'), at] },
  });
  const balances = projection({ name: 'accounts', version: 1, into: accounts, store })
    .on(Deposited, (e, row) => ({
      account: e.account,
      branch: e.branch,
      balance: row === undefined ? e.amount : row.balance.plus(e.amount),
      deposits: (row?.deposits ?? 0) + 1,
      changed_at: e.at,
    }))
    .on(Closed, () => undefined);
  const daily = projection({ name: 'branch-daily', version: 1, into: branchDaily, store, window: tumbling('1 day', { grace: '3650 days' }) }).on(
    Deposited,
    (e) => branchDaily.contribution({ branch: e.branch }, { deposits: 1, total: e.amount, largest: e.amount }),
  );
  // what is kept of groups: an append that is given again comes within a thousand minutes
  const sessions = projection({ name: 'visits', version: 1, into: visits, store, window: session(GAP, { grace: '2 days' }) }).on(Deposited, (e) =>
    visits.contribution({ account: e.account }, { deposits: 1, first: e.amount, last: e.amount }),
  );
  return defineApp({ name: 'ledger', events: [Deposited, Closed], projections: [balances, daily, sessions], topics: { [topic]: { partitions: 4 } } });
};

export const history = (length: number, seed: number): readonly (Deposited | Closed)[] => {
  const random = randomFrom(seed);
  return Array.from({ length }, (_, n) => {
    const account = `a${String(Math.floor(random() * 500))}`;
    const at = new Date(Date.UTC(2026, 0, 1) + n * 60_000);
    return random() < 0.05
      ? new Closed(account, at)
      : new Deposited(account, `b${String(Math.floor(random() * 20))}`, new Decimal(BigInt(Math.floor(random() * 10_000)), 2), at);
  });
};

const money = (cents: bigint): string => new Decimal(cents, 2).toString();

interface Visit {
  readonly from: Deposited;
  readonly to: Deposited;
  readonly deposits: number;
}

/** By the time of the deposits, each of which is one of its account alone. */
const visitsOf = (deposits: readonly Deposited[]): readonly Visit[] => {
  const found: Visit[] = [];
  for (const deposit of [...deposits].sort((a, b) => a.at.getTime() - b.at.getTime())) {
    const open = found.at(-1);
    if (open !== undefined && deposit.at.getTime() - open.to.at.getTime() <= GAP) {
      found[found.length - 1] = { ...open, to: deposit, deposits: open.deposits + 1 };
    } else {
      found.push({ from: deposit, to: deposit, deposits: 1 });
    }
  }
  return found;
};

interface LedgerRows {
  readonly accounts: unknown[];
  readonly daily: unknown[];
  readonly visits: unknown[];
}

/** The rows of all read models, computed by one plain pass. */
export const expectedRows = (facts: readonly (Deposited | Closed)[]): LedgerRows => {
  const byOwner = new Map<string, Deposited[]>();
  const byAccount = new Map<string, { branch: string; cents: bigint; deposits: number; at: Date }>();
  const byDay = new Map<string, { branch: string; start: number; deposits: bigint; cents: bigint; largest: bigint }>();
  for (const fact of facts) {
    if (fact instanceof Closed) {
      byAccount.delete(fact.account);
      continue;
    }
    const { account, branch, amount, at } = fact;
    byOwner.set(account, [...(byOwner.get(account) ?? []), fact]);
    const before = byAccount.get(account);
    byAccount.set(account, { branch, cents: (before?.cents ?? 0n) + amount.unscaled, deposits: (before?.deposits ?? 0) + 1, at });
    const start = Math.floor(at.getTime() / DAY) * DAY;
    const id = `${branch}\0${String(start)}`;
    const day = byDay.get(id) ?? { branch, start, deposits: 0n, cents: 0n, largest: amount.unscaled };
    const largest = amount.unscaled > day.largest ? amount.unscaled : day.largest;
    byDay.set(id, { branch, start, deposits: day.deposits + 1n, cents: day.cents + amount.unscaled, largest });
  }
  const inOrder = <T>(map: Map<string, T>): [string, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    accounts: inOrder(byAccount).map(([account, row]) => ({
      account,
      branch: row.branch,
      balance: money(row.cents),
      deposits: row.deposits,
      changed_at: row.at.toISOString(),
    })),
    daily: inOrder(byDay).map(([, row]) => ({
      branch: row.branch,
      window_start: new Date(row.start).toISOString(),
      window_end: new Date(row.start + DAY).toISOString(),
      deposits: row.deposits.toString(),
      total: money(row.cents),
      largest: money(row.largest),
    })),
    visits: inOrder(byOwner).flatMap(([account, deposits]) =>
      visitsOf(deposits).map(({ from, to, deposits: n }) => ({
        account,
        window_start: from.at.toISOString(),
        window_end: new Date(to.at.getTime() + GAP).toISOString(),
        deposits: String(n),
        first: money(from.amount.unscaled),
        last: money(to.amount.unscaled),
      })),
    ),
  };
};

const plain = (rows: readonly object[]): unknown[] =>
  JSON.parse(JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))) as unknown[];

/** What readers of a store see, in the form of `expectedRows`. */
export const shownRows = async (connection: ConnectedApp, store: StoreKind): Promise<LedgerRows> => ({
  accounts: plain(await connection.query('accounts' as never, { store })),
  daily: plain(await connection.query('branch_daily' as never, { store })),
  visits: plain(await connection.query('visits' as never, { store })),
});

export const checksum = (rows: unknown): string => createHash('sha256').update(JSON.stringify(rows)).digest('hex');
