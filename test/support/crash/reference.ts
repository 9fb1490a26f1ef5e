import type { OrderPlaced } from '../shop';

/** A row as text, so that rows of two sources can be compared whatever their values are made of. */
const textOf = (row: object): string =>
  JSON.stringify(
    Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)),
    (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
  );

export const rowsOf = (rows: readonly object[]): readonly string[] => rows.map(textOf).sort();

const DAY_MS = 86_400_000;

const summaries = (version: number, events: readonly OrderPlaced[]): readonly object[] =>
  [...new Map(events.map((event) => [event.orderId, event])).values()].map((e) => ({
    order_id: e.orderId,
    customer_id: version === 1 ? e.customerId.toUpperCase() : e.customerId,
    status: 'placed',
    amount: e.amount,
    changed_at: e.placedAt,
  }));

const cents = ({ amount }: OrderPlaced): bigint => BigInt(amount.toString().replace('.', ''));
const money = (amount: bigint): string => `${String(amount / 100n)}.${String(amount % 100n).padStart(2, '0')}`;

const days = (version: number, events: readonly OrderPlaced[]): readonly object[] => {
  const groups = new Map<string, OrderPlaced[]>();
  for (const event of events) {
    const key = `${event.customerId} ${String(Math.floor(event.placedAt.getTime() / DAY_MS))}`;
    groups.set(key, [...(groups.get(key) ?? []), event]);
  }
  return [...groups].map(([key, own]) => {
    const [customer, day] = key.split(' ') as [string, string];
    const amounts = own.map(cents);
    const largest = amounts.reduce((a, b) => (a > b ? a : b));
    const smallest = amounts.reduce((a, b) => (a < b ? a : b));
    return {
      customer_id: customer,
      window_start: new Date(Number(day) * DAY_MS),
      window_end: new Date((Number(day) + 1) * DAY_MS),
      orders: BigInt(version === 1 ? own.length : amounts.filter((amount) => amount !== 0n).length),
      revenue: money(amounts.reduce((a, b) => a + b)),
      largest: money(largest),
      smallest: money(smallest),
    };
  });
};

/** What a read model must hold after all events, folded once more in the plainest way. */
export const expectedRows = (model: 'order_summary' | 'customer_daily', version: number, events: readonly OrderPlaced[]): readonly string[] =>
  rowsOf(model === 'order_summary' ? summaries(version, events) : days(version, events));
