// The independent check: one plain pass over the file and over what commands were to do, and every row of the read models
// in both databases compared with it. Nothing of the framework is used here, and money is counted in whole cents.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { createClient } from '@clickhouse/client';
import { Client } from 'pg';

const DAY_MS = 86_400_000;
/** Differences that are listed; all are counted. */
const LISTED = 5;

/** What an accepted command does to an order; `placed` where it makes one. Money in cents, time in milliseconds. */
export interface LedgerEntry {
  readonly orderId: string;
  readonly status: string;
  readonly placed?: { readonly customerId: string; readonly cds: number; readonly cents: bigint; readonly day: number };
}

export interface Expected {
  /** Key to the whole row as text, for each read model. */
  readonly orderSummary: ReadonlyMap<string, string>;
  readonly customerDaily: ReadonlyMap<string, string>;
  readonly orders: number;
  /** Orders, and whatever happened to them afterwards. */
  readonly events: number;
  readonly customers: number;
  /** Orders of 0.00. */
  readonly zeroOrders: number;
  readonly revenueCents: bigint;
}

export interface CheckResult {
  readonly agrees: boolean;
  /** Rows that are missing, too many, or differ; of all views. */
  readonly differing: number;
  /** The first differences in words. */
  readonly differences: readonly string[];
  readonly rows: { readonly orderSummary: number; readonly customerDaily: number; readonly customerDailyClickHouse?: number };
  /** SHA-256 over all rows of the views in PostgreSQL in order of key. */
  readonly checksum: string;
}

interface Day {
  orders: number;
  cds: number;
  cents: bigint;
  largest: bigint;
}

const money = (cents: bigint): string => `${cents / 100n}.${(cents % 100n).toString().padStart(2, '0')}`;

interface Purchase {
  readonly orderId: string;
  readonly customer: string;
  readonly day: number;
  readonly cds: number;
  readonly cents: bigint;
  status: string;
}

const purchasesOf = (file: string): Purchase[] =>
  gunzipSync(readFileSync(file))
    .toString('latin1')
    .split('\r\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line, i) => ({
      orderId: String(i + 1),
      customer: line.slice(1, 6),
      day: Date.UTC(Number(line.slice(7, 11)), Number(line.slice(11, 13)) - 1, Number(line.slice(13, 15))),
      cds: Number(line.slice(15, 18)),
      cents: BigInt(line.slice(18).replace('.', '').trim()),
      status: 'placed',
    }));

/** What the read models have to hold; `zeroCounts` says whether an order of 0.00 counts as an order, as version 1 has it. */
export const expectedFrom = (file: string, zeroCounts: boolean, ledger: readonly LedgerEntry[] = []): Expected => {
  const purchases = new Map(purchasesOf(file).map((purchase) => [purchase.orderId, purchase]));
  for (const { orderId, status, placed } of ledger) {
    if (placed === undefined) {
      purchases.get(orderId)!.status = status;
    } else {
      purchases.set(orderId, { orderId, customer: placed.customerId, day: placed.day, cds: placed.cds, cents: placed.cents, status });
    }
  }
  const orderSummary = new Map<string, string>();
  const days = new Map<string, Day>();
  for (const { orderId, customer, day, cds, cents, status } of purchases.values()) {
    orderSummary.set(orderId, [orderId, customer, cds, money(cents), day, status].join('|'));
    const key = `${customer}|${day}`;
    const sums = days.get(key) ?? { orders: 0, cds: 0, cents: 0n, largest: 0n };
    days.set(key, sums);
    sums.orders += cents === 0n && !zeroCounts ? 0 : 1;
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
  const all = [...purchases.values()];
  return {
    orderSummary,
    customerDaily,
    orders: all.length,
    events: all.length + ledger.filter(({ placed }) => placed === undefined).length,
    customers: new Set(all.map(({ customer }) => customer)).size,
    zeroOrders: all.filter(({ cents }) => cents === 0n).length,
    revenueCents: all.reduce((sum, { cents }) => sum + cents, 0n),
  };
};

const ms = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::bigint::text`;

const ORDER_SUMMARY = `SELECT order_id AS key, concat_ws('|', order_id, customer_id, cds::text, amount::text, ${ms('placed_at')}, status) AS row
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

const postgresRows = async (url: string): Promise<readonly [readonly Found[], readonly Found[]]> => {
  const client = new Client({ connectionString: url, application_name: 'independent check' });
  await client.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows: orders } = await client.query<Found>(ORDER_SUMMARY);
    const { rows: days } = await client.query<Found>(CUSTOMER_DAILY);
    await client.query('COMMIT');
    return [orders, days];
  } finally {
    await client.end();
  }
};

const CUSTOMER_DAILY_CLICKHOUSE = `SELECT concat_ws('|', customer_id, toUnixTimestamp64Milli(window_start)) AS key,
  concat_ws('|', customer_id, toUnixTimestamp64Milli(window_start), toUnixTimestamp64Milli(window_end), orders, cds,
    toDecimalString(revenue, 2), toDecimalString(largest, 2)) AS row
  FROM customer_daily ORDER BY customer_id, window_start`;

const clickHouseRows = async (url: string): Promise<readonly Found[]> => {
  const client = createClient({ url, application: 'independent check' });
  try {
    return await (await client.query({ query: CUSTOMER_DAILY_CLICKHOUSE, format: 'JSONEachRow' })).json<Found>();
  } finally {
    await client.close();
  }
};

/** Addresses of both databases. */
export interface Databases {
  readonly postgresUrl: string;
  /** None: nothing is kept there. */
  readonly clickhouseUrl?: string | undefined;
}

/** Compares every row of the views with what a single pass over the file gives. */
export const checkViews = async ({ postgresUrl, clickhouseUrl }: Databases, expected: Expected): Promise<CheckResult> => {
  const [orders, days] = await postgresRows(postgresUrl);
  const analytics = clickhouseUrl === undefined ? undefined : await clickHouseRows(clickhouseUrl);
  const wrong = [
    ...differences('order_summary', orders, expected.orderSummary),
    ...differences('customer_daily', days, expected.customerDaily),
    ...(analytics === undefined ? [] : differences('customer_daily in ClickHouse', analytics, expected.customerDaily)),
  ];
  const hash = createHash('sha256');
  [...orders, ...days].forEach(({ row }) => hash.update(`${row}\n`));
  return {
    agrees: wrong.length === 0,
    differing: wrong.length,
    differences: wrong.slice(0, LISTED),
    rows: { orderSummary: orders.length, customerDaily: days.length, ...(analytics && { customerDailyClickHouse: analytics.length }) },
    checksum: hash.digest('hex'),
  };
};
