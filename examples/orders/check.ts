// The independent check: one plain pass over the file, and every row of both read models compared with it.
// Nothing of the framework is used here, and money is counted in whole cents.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Client } from 'pg';

const DAY_MS = 86_400_000;
/** Differences that are listed; all are counted. */
const LISTED = 5;

export interface Expected {
  /** Key to the whole row as text, for each read model. */
  readonly orderSummary: ReadonlyMap<string, string>;
  readonly customerDaily: ReadonlyMap<string, string>;
  readonly orders: number;
  readonly customers: number;
  /** Orders of 0.00. */
  readonly zeroOrders: number;
  readonly revenueCents: bigint;
}

export interface CheckResult {
  readonly agrees: boolean;
  /** Rows that are missing, too many, or differ; of both read models. */
  readonly differing: number;
  /** The first differences in words. */
  readonly differences: readonly string[];
  readonly rows: { readonly orderSummary: number; readonly customerDaily: number };
  /** SHA-256 over all rows of both views in order of key. */
  readonly checksum: string;
}

interface Day {
  orders: number;
  cds: number;
  cents: bigint;
  largest: bigint;
}

const money = (cents: bigint): string => `${cents / 100n}.${(cents % 100n).toString().padStart(2, '0')}`;

/** What the read models have to hold; `zeroCounts` says whether an order of 0.00 counts as an order, as version 1 has it. */
export const expectedFrom = (file: string, zeroCounts: boolean): Expected => {
  const orderSummary = new Map<string, string>();
  const days = new Map<string, Day>();
  const customers = new Set<string>();
  let [number, zeroOrders, revenueCents] = [0, 0, 0n];
  for (const line of gunzipSync(readFileSync(file)).toString('latin1').split('\r\n').slice(1)) {
    if (line === '') {
      continue;
    }
    number += 1;
    const customer = line.slice(1, 6);
    const day = Date.UTC(Number(line.slice(7, 11)), Number(line.slice(11, 13)) - 1, Number(line.slice(13, 15)));
    const cds = Number(line.slice(15, 18));
    const cents = BigInt(line.slice(18).replace('.', '').trim());
    const zero = cents === 0n;
    customers.add(customer);
    zeroOrders += zero ? 1 : 0;
    revenueCents += cents;
    orderSummary.set(String(number), [number, customer, cds, money(cents), day].join('|'));
    const key = `${customer}|${day}`;
    const sums = days.get(key) ?? { orders: 0, cds: 0, cents: 0n, largest: 0n };
    days.set(key, sums);
    sums.orders += zero && !zeroCounts ? 0 : 1;
    sums.cds += cds;
    sums.cents += cents;
    sums.largest = cents > sums.largest ? cents : sums.largest;
  }
  const customerDaily = new Map(
    [...days].map(([key, { orders, cds, cents, largest }]) => {
      const [customer, day] = key.split('|') as [string, string];
      return [key, [customer, day, Number(day) + DAY_MS, orders, cds, money(cents), money(largest)].join('|')];
    }),
  );
  return { orderSummary, customerDaily, orders: number, customers: customers.size, zeroOrders, revenueCents };
};

const ms = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::bigint::text`;

const ORDER_SUMMARY = `SELECT order_id AS key, concat_ws('|', order_id, customer_id, cds::text, amount::text, ${ms('placed_at')}) AS row
  FROM order_summary ORDER BY order_id COLLATE "C"`;
const CUSTOMER_DAILY = `SELECT concat_ws('|', customer_id, ${ms('window_start')}) AS key,
  concat_ws('|', customer_id, ${ms('window_start')}, ${ms('window_end')}, orders::text, cds::text, revenue::text, largest::text) AS row
  FROM customer_daily ORDER BY customer_id COLLATE "C", window_start`;

interface Found {
  readonly key: string;
  readonly row: string;
}

/** Pure: what is wrong with the rows of one view, in words. */
export const differences = (model: string, found: readonly Found[], expected: ReadonlyMap<string, string>): readonly string[] => {
  const seen = new Set<string>();
  const wrong: string[] = [];
  for (const { key, row } of found) {
    const right = seen.has(key) ? 'nothing more of it' : (expected.get(key) ?? 'nothing');
    seen.add(key);
    if (row !== right) {
      wrong.push(`${model} ${key}: the view has ${row}, the file says ${right}`);
    }
  }
  for (const [key, row] of expected) {
    if (!seen.has(key)) {
      wrong.push(`${model} ${key}: the view has nothing, the file says ${row}`);
    }
  }
  return wrong;
};

/** Compares every row of both views with what a single pass over the file gives. */
export const checkViews = async (url: string, expected: Expected): Promise<CheckResult> => {
  const client = new Client({ connectionString: url, application_name: 'independent check' });
  await client.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows: orders } = await client.query<Found>(ORDER_SUMMARY);
    const { rows: days } = await client.query<Found>(CUSTOMER_DAILY);
    await client.query('COMMIT');
    const wrong = [...differences('order_summary', orders, expected.orderSummary), ...differences('customer_daily', days, expected.customerDaily)];
    const hash = createHash('sha256');
    [...orders, ...days].forEach(({ row }) => hash.update(`${row}\n`));
    return {
      agrees: wrong.length === 0,
      differing: wrong.length,
      differences: wrong.slice(0, LISTED),
      rows: { orderSummary: orders.length, customerDaily: days.length },
      checksum: hash.digest('hex'),
    };
  } finally {
    await client.end();
  }
};
