import { type Counters } from 'refold';
import type { CheckResult, Expected } from '../check';
import type { Orders } from './stage';

export interface Totals {
  readonly orders: number;
  readonly revenue: string;
}

/** What the demo has seen. */
export interface Facts {
  readonly connected: Orders;
  readonly expected: Expected;
  readonly checked: CheckResult;
  readonly rolledBack: CheckResult;
  readonly changedRows: number;
  readonly before: Totals;
  readonly after: Totals;
  readonly seconds: Readonly<Record<string, number>>;
}

/** The object that `--json` prints. */
export interface DemoResult {
  readonly agrees: boolean;
  readonly log: string;
  readonly orders: number;
  readonly customers: number;
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

const zeroDays = ({ orders, zeroOrders }: Expected): { readonly before: number; readonly after: number } => ({ before: orders, after: orders - zeroOrders });

const disagreements = (f: Facts, seen: Pick<DemoResult, 'orders' | 'customers' | 'late' | 'counters'>): readonly string[] => {
  const { before, after } = zeroDays(f.expected);
  const dollars = `${f.expected.revenueCents / 100n}.${(f.expected.revenueCents % 100n).toString().padStart(2, '0')}`;
  const claims: readonly (readonly [string, unknown, unknown])[] = [
    ['rows that differ from the file', f.checked.differing, 0],
    ['rows that differ from the file after the rollback', f.rolledBack.differing, 0],
    ['orders', seen.orders, f.expected.orders],
    ['customers', seen.customers, f.expected.customers],
    ['changed rows', f.changedRows, f.expected.zeroOrders],
    ['sum of orders before', f.before.orders, before],
    ['sum of orders after', f.after.orders, after],
    ['revenue before', f.before.revenue, dollars],
    ['revenue after', f.after.revenue, dollars],
    ['late contributions', seen.late, 0],
    ...Object.entries(seen.counters).flatMap(([generation, { balanced, applied }]) => [
      [`${generation}: every offset accounted for`, balanced, true] as const,
      [`${generation}: applied`, applied, f.expected.orders] as const,
    ]),
  ];
  return claims.filter(([, found, right]) => found !== right).map(([what, found, right]) => `${what}: ${String(found)}, expected ${String(right)}`);
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
      `${g.projection} v${String(g.version)}.r${String(g.run)}`,
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
    changedRows: f.changedRows,
    sumOrdersBefore: f.before.orders,
    sumOrdersAfter: f.after.orders,
    revenueBefore: f.before.revenue,
    revenueAfter: f.after.revenue,
    seconds: f.seconds,
    checksum: f.checked.checksum,
    disagreements: wrong,
  };
};
