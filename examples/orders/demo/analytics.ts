import { createClient } from '@clickhouse/client';
import type { Databases } from '../check';
import type { Totals } from './result';

/** The sums of customer_daily in ClickHouse; nothing where it is not kept there. */
export const analyticsTotals = async ({ clickhouseUrl }: Databases): Promise<readonly Totals[]> => {
  if (clickhouseUrl === undefined) {
    return [];
  }
  const client = createClient({ url: clickhouseUrl, application: 'orders-demo' });
  try {
    const query = 'SELECT toString(sum(orders)) AS orders, toDecimalString(sum(revenue), 2) AS revenue FROM customer_daily';
    const [row] = await (await client.query({ query, format: 'JSONEachRow' })).json<{ readonly orders: string; readonly revenue: string }>();
    return [{ store: 'clickhouse', orders: Number(row!.orders), revenue: row!.revenue }];
  } finally {
    await client.close();
  }
};
