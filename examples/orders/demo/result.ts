import { type Counters } from 'refold';
import type { CheckResult, Expected } from '../check';
import type { Outcome } from './clients';
import type { Orders } from './stage';

export interface Totals {
  readonly store: string;
  readonly orders: number;
  readonly revenue: string;
}

/** What the demo has seen. */
export interface Facts {
  readonly connected: Orders;
  readonly expected: Expected;
  readonly checked: CheckResult;
  readonly rolledBack: CheckResult;
  /** Of each store. */
  readonly changedRows: readonly number[];
  readonly before: readonly Totals[];
  readonly after: readonly Totals[];
  readonly outcome: Outcome;
  readonly seconds: Readonly<Record<string, number>>;
}

/** The object that `--json` prints. */
export interface DemoResult {
  readonly agrees: boolean;
  readonly log: string;
  readonly orders: number;
  readonly customers: number;
  readonly commands: { readonly accepted: number; readonly refused: number };
  readonly stores: readonly string[];
  readonly changedRows: number;
  readonly sumOrdersBefore: number;
  readonly sumOrdersAfter: number;
  readonly revenueBefore: string;
  readonly revenueAfter: string;
  readonly late: number;
  /** Generation to its counters, summed over its partitions. */
  readonly counters: Readonly<Record<string, Counters & { readonly balanced: boolean }>>;
  readonly seconds: Readonly<Record<string, number>>;
  readonly checksum: string;
  /** What does not agree, in words. */
  readonly disagreements: readonly string[];
}

const COUNTERS = ['read', 'applied', 'filtered', 'late', 'parked', 'discarded', 'errata', 'control'] as const;

/** The counters of one generation, and whether every offset read is accounted for. */
export const summed = (partitions: readonly Counters[]): Counters & { readonly balanced: boolean } => {
  const sums = Object.fromEntries(COUNTERS.map((name) => [name, partitions.reduce((sum, counters) => sum + counters[name], 0)])) as unknown as Counters;
  const { read, ...others } = sums;
  return { ...sums, balanced: read === Object.values(others).reduce((sum, n) => sum + n, 0) };
};

type Claim = readonly [what: string, found: unknown, right: unknown];

const claimsOfTotals = (when: string, totals: readonly Totals[], orders: number, revenue: string): readonly Claim[] =>
  totals.flatMap((total): readonly Claim[] => [
    [`sum of orders ${when} in ${total.store}`, total.orders, orders],
    [`revenue ${when} in ${total.store}`, total.revenue, revenue],
  ]);

const disagreements = (f: Facts, seen: Pick<DemoResult, 'orders' | 'customers' | 'late' | 'counters'>): readonly string[] => {
  const { orders, events, customers, zeroOrders, revenueCents } = f.expected;
  const dollars = `${revenueCents / 100n}.${(revenueCents % 100n).toString().padStart(2, '0')}`;
  const claims: readonly Claim[] = [
    ['rows that differ from file and commands', f.checked.differing, 0],
    ['rows that differ from file and commands after the rollback', f.rolledBack.differing, 0],
    ['orders', seen.orders, orders],
    ['customers', seen.customers, customers],
    ...f.changedRows.map((rows): Claim => ['changed rows', rows, zeroOrders]),
    ...claimsOfTotals('before', f.before, orders, dollars),
    ...claimsOfTotals('after', f.after, orders - zeroOrders, dollars),
    ['late contributions', seen.late, 0],
    ...Object.entries(seen.counters).flatMap(([generation, { balanced, applied, filtered }]): readonly Claim[] => [
      [`${generation}: every offset accounted for`, balanced, true],
      [`${generation}: applied`, applied, generation.startsWith('order-summary') ? events : orders],
      [`${generation}: applied or filtered`, applied + filtered, events],
    ]),
  ];
  return [
    ...f.outcome.wrong,
    ...claims.filter(([, found, right]) => found !== right).map(([what, found, right]) => `${what}: ${String(found)}, expected ${String(right)}`),
  ];
};

/** Puts together what the framework says and what the file says. */
export const agreement = async (f: Facts): Promise<DemoResult> => {
  const { connected } = f;
  const row = await connected.db
    .selectFrom('order_summary')
    .select(({ fn }) => [fn.countAll().as('orders'), fn.count('customer_id').distinct().as('customers')])
    .executeTakeFirstOrThrow();
  const counters = Object.fromEntries(
    (await connected.generations()).map(({ generation: g, checkpoints }) => [
      `${g.projection} v${String(g.version)}.r${String(g.run)} (${g.store})`,
      summed(checkpoints.map((checkpoint) => checkpoint.counters)),
    ]),
  );
  const seen = {
    orders: Number(row.orders),
    customers: Number(row.customers),
    late: Object.values(counters).reduce((sum, { late }) => sum + late, 0),
    counters,
  };
  const wrong = disagreements(f, seen);
  return {
    agrees: wrong.length === 0,
    log: connected.log.kind,
    ...seen,
    commands: { accepted: f.outcome.accepted.length, refused: [...f.outcome.refused.values()].reduce((sum, n) => sum + n, 0) },
    stores: f.after.map(({ store }) => store),
    changedRows: f.changedRows[0]!,
    sumOrdersBefore: f.before[0]!.orders,
    sumOrdersAfter: f.after[0]!.orders,
    revenueBefore: f.before[0]!.revenue,
    revenueAfter: f.after[0]!.revenue,
    seconds: f.seconds,
    checksum: f.checked.checksum,
    disagreements: wrong,
  };
};
