import {
  Decimal,
  On,
  Projection,
  count,
  decimal,
  integer,
  max,
  projection,
  readModel,
  sum,
  text,
  timestamp,
  tumbling,
  windowEnd,
  windowStart,
  type Row,
} from 'refold';
import { OrderCancelled, OrderPaid, OrderPlaced, OrderShipped } from './events';

export const orderSummary = readModel('order_summary', {
  order_id: text().key(),
  customer_id: text().index(),
  cds: integer(),
  amount: decimal(12, 2),
  placed_at: timestamp(),
  status: text(),
});
export interface OrderRow extends Row<typeof orderSummary> {}

/** One row per order. */
@Projection({ name: 'order-summary', version: 1 })
export class OrderSummary {
  readonly into = orderSummary;

  @On(OrderPlaced)
  placed(e: OrderPlaced): OrderRow {
    return { order_id: e.orderId, customer_id: e.customerId, cds: e.cds, amount: e.dollars, placed_at: e.placedAt, status: 'placed' };
  }

  @On(OrderPaid, { missing: 'park' })
  paid(_: OrderPaid, row: OrderRow): OrderRow {
    return { ...row, status: 'paid' };
  }

  @On(OrderShipped, { missing: 'park' })
  shipped(_: OrderShipped, row: OrderRow): OrderRow {
    return { ...row, status: 'shipped' };
  }

  @On(OrderCancelled, { missing: 'park' })
  cancelled(_: OrderCancelled, row: OrderRow): OrderRow {
    return { ...row, status: 'cancelled' };
  }
}

export const customerDaily = readModel('customer_daily', {
  customer_id: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  orders: count(),
  cds: sum(integer()),
  revenue: sum(decimal(18, 2)),
  largest: max(decimal(12, 2)),
});

/** Once for the application, once for people who look into what was sold; both are replayed, compared and switched together. */
const stores = process.env['ORDERS_STORES'] === 'postgres' ? (['postgres'] as const) : (['postgres', 'clickhouse'] as const);

/** What each customer ordered each day. Its mistake: an order of 0.00 (a gift, a replacement) counts as a purchase. */
@Projection({ name: 'customer-daily', version: 1, window: tumbling('1 day'), store: stores })
export class CustomerDaily {
  readonly into = customerDaily;

  @On(OrderPlaced)
  placed(e: OrderPlaced) {
    return customerDaily.contribution({ customer_id: e.customerId }, { orders: 1, cds: e.cds, revenue: e.dollars, largest: e.dollars });
  }
}

const nothing = Decimal.parse('0.00');

/** The correction stands beside the mistake until readers were switched and nobody wants to switch back. Written as a value; a class would do as well. */
export const customerDailyV2 = projection({ name: 'customer-daily', version: 2, into: customerDaily, window: tumbling('1 day'), store: stores }).on(
  OrderPlaced,
  (e) =>
    customerDaily.contribution(
      { customer_id: e.customerId },
      { orders: e.dollars.equals(nothing) ? 0 : 1, cds: e.cds, revenue: e.dollars, largest: e.dollars },
    ),
);
