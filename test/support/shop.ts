import { Decimal } from '../../src/kernel/decimal';
import { EventType } from '../../src/events/event-type';
import { count, decimal, max, min, sum, text, timestamp, windowEnd, windowStart } from '../../src/projections/columns';
import { On, Projection, projection } from '../../src/projections/projection';
import { readModel, type Row } from '../../src/projections/read-model';
import { tumbling } from '../../src/projections/windows/window';

const amountType = { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } as const;
const instant = { type: 'long', logicalType: 'timestamp-millis' } as const;

@EventType({
  name: 'shop.OrderPlaced',
  version: 1,
  topic: 'orders',
  key: (e) => e.orderId,
  time: (e) => e.placedAt,
  schema: {
    type: 'record',
    fields: [
      { name: 'orderId', type: 'string' },
      { name: 'customerId', type: 'string' },
      { name: 'amount', type: amountType },
      { name: 'placedAt', type: instant },
    ],
  },
})
export class OrderPlaced {
  constructor(
    readonly orderId: string,
    readonly customerId: string,
    readonly amount: Decimal,
    readonly placedAt: Date,
  ) {}
}

@EventType({
  name: 'shop.OrderShipped',
  version: 1,
  topic: 'orders',
  key: (e) => e.orderId,
  time: (e) => e.shippedAt,
  schema: {
    type: 'record',
    fields: [
      { name: 'orderId', type: 'string' },
      { name: 'shippedAt', type: instant },
    ],
  },
})
export class OrderShipped {
  constructor(
    readonly orderId: string,
    readonly shippedAt: Date,
  ) {}
}

@EventType({
  name: 'shop.OrderErased',
  version: 1,
  topic: 'orders',
  key: (e) => e.orderId,
  schema: { type: 'record', fields: [{ name: 'orderId', type: 'string' }] },
})
export class OrderErased {
  constructor(readonly orderId: string) {}
}

/** Registered, but no projection handles it. */
@EventType({
  name: 'shop.OrderNoted',
  version: 1,
  topic: 'orders',
  key: (e) => e.orderId,
  schema: {
    type: 'record',
    fields: [
      { name: 'orderId', type: 'string' },
      { name: 'note', type: 'string' },
    ],
  },
})
export class OrderNoted {
  constructor(
    readonly orderId: string,
    readonly note: string,
  ) {}
}

export const shopEvents = [OrderPlaced, OrderShipped, OrderErased, OrderNoted] as const;

export const orderSummary = readModel('order_summary', {
  order_id: text().key(),
  customer_id: text().index(),
  status: text<'placed' | 'shipped'>(),
  amount: decimal(12, 2),
  changed_at: timestamp(),
});
export interface OrderRow extends Row<typeof orderSummary> {}

@Projection({ name: 'order-summary', version: 1 })
export class OrderSummary {
  readonly into = orderSummary;

  @On(OrderPlaced)
  placed(e: OrderPlaced): OrderRow {
    return { order_id: e.orderId, customer_id: e.customerId, status: 'placed', amount: e.amount, changed_at: e.placedAt };
  }

  @On(OrderShipped, { missing: 'skip' })
  shipped(e: OrderShipped, row: OrderRow): OrderRow {
    return { ...row, status: 'shipped', changed_at: e.shippedAt };
  }

  @On(OrderErased)
  erased() {
    return undefined;
  }
}

export const customerDaily = readModel('customer_daily', {
  customer_id: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  orders: count(),
  revenue: sum(decimal(18, 2)),
  largest: max(decimal(12, 2)),
  smallest: min(decimal(12, 2)),
});

/** Counts orders of 0.00 too; version 2 does not. */
@Projection({ name: 'customer-daily', version: 1, window: tumbling('1 day') })
export class CustomerDaily {
  readonly into = customerDaily;

  @On(OrderPlaced)
  placed(e: OrderPlaced) {
    return customerDaily.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount, smallest: e.amount });
  }
}

const zero = Decimal.parse('0');

export const customerDailyV2 = projection({ name: 'customer-daily', version: 2, into: customerDaily, window: tumbling('1 day') }).on(OrderPlaced, (e) =>
  customerDaily.contribution(
    { customer_id: e.customerId },
    { orders: e.amount.equals(zero) ? 0 : 1, revenue: e.amount, largest: e.amount, smallest: e.amount },
  ),
);
