import { readFileSync } from 'node:fs';
import path from 'node:path';
import { differences, expectedFrom } from '../../../examples/orders/check';
import { ORDERS_FILE } from '../../../examples/orders/import';
import { summed } from '../../../examples/orders/demo/result';
import { NO_COUNTS } from '../../../src/projections/generations';

const sumOf = (rows: ReadonlyMap<string, string>, column: number): number => [...rows.values()].reduce((sum, row) => sum + Number(row.split('|')[column]), 0);

describe('the independent check', () => {
  const [before, after] = [expectedFrom(ORDERS_FILE, true), expectedFrom(ORDERS_FILE, false)];

  it('counts the real file', () => {
    expect(after).toMatchObject({ orders: 69_659, customers: 23_570, zeroOrders: 80, revenueCents: 250_031_563n });
    expect(after.orderSummary.size).toBe(69_659);
    expect(after.orderSummary.get('1')).toBe('1|00001|1|11.77|852076800000|placed');
  });

  it('gives 80 rows of customer_daily that differ between the versions, in orders alone', () => {
    const changed = [...before.customerDaily].filter(([key, row]) => after.customerDaily.get(key) !== row);
    expect(changed).toHaveLength(80);
    expect(before.customerDaily.size).toBe(after.customerDaily.size);
    expect([sumOf(before.customerDaily, 3), sumOf(after.customerDaily, 3)]).toEqual([69_659, 69_579]);
    const withoutOrders = (row: string): string => row.split('|').filter((_, i) => i !== 3).join('|'); // prettier-ignore
    expect(changed.map(([, row]) => withoutOrders(row))).toEqual(changed.map(([key]) => withoutOrders(after.customerDaily.get(key)!)));
  });

  it('adds up purchases of one customer on one day', () => {
    expect(after.customerDaily.get(`00002|${Date.UTC(1997, 0, 12)}`)).toBe(`00002|${Date.UTC(1997, 0, 12)}|${Date.UTC(1997, 0, 13)}|2|6|89.00|77.00`);
  });

  it('takes in what commands have done', () => {
    const placed = { customerId: '00002', cds: 1, cents: 100n, day: Date.UTC(1997, 0, 12) };
    const { orders, events, customers, orderSummary, customerDaily } = expectedFrom(ORDERS_FILE, true, [
      { orderId: '1', status: 'paid' },
      { orderId: '1', status: 'shipped' },
      { orderId: '69660', status: 'placed', placed },
    ]);
    expect({ orders, events, customers }).toEqual({ orders: 69_660, events: 69_662, customers: 23_570 });
    expect(orderSummary.get('1')).toBe('1|00001|1|11.77|852076800000|shipped');
    expect(orderSummary.get('69660')).toBe(`69660|00002|1|1.00|${Date.UTC(1997, 0, 12)}|placed`);
    expect(customerDaily.get(`00002|${Date.UTC(1997, 0, 12)}`)).toBe(`00002|${Date.UTC(1997, 0, 12)}|${Date.UTC(1997, 0, 13)}|3|7|90.00|77.00`);
  });

  it('names rows that differ, are missing, or are too many', () => {
    const expected = new Map(['a', 'b', 'c'].map((key) => [key, `${key}|1`]));
    expect(differences('m', [...expected].map(([key, row]) => ({ key, row })), expected)).toEqual([]); // prettier-ignore
    const found = [
      { key: 'a', row: 'a|1' },
      { key: 'a', row: 'a|1' },
      { key: 'b', row: 'b|2' },
      { key: 'd', row: 'd|1' },
    ];
    expect(differences('m', found, expected)).toEqual([
      'm a: the view has a|1, the file says nothing more of it',
      'm b: the view has b|2, the file says b|1',
      'm d: the view has d|1, the file says nothing',
      'm c: the view has nothing, the file says c|1',
    ]);
  });

  it('uses nothing of the framework', () => {
    const source = readFileSync(path.join(path.dirname(ORDERS_FILE), '..', 'check.ts'), 'utf8');
    expect([...source.matchAll(/from '([^']+)'/g)].map(([, from]) => from)).toEqual(['node:crypto', 'node:fs', 'node:zlib', '@clickhouse/client', 'pg']);
  });
});

describe('the counters of a generation', () => {
  it('are summed over partitions and checked for balance', () => {
    const good = { ...NO_COUNTS, read: 5, applied: 3, filtered: 1, control: 1 };
    expect(summed([good, good])).toEqual({ ...NO_COUNTS, read: 10, applied: 6, filtered: 2, control: 2, balanced: true });
    expect(summed([good, { ...good, late: 1 }]).balanced).toBe(false);
  });
});
