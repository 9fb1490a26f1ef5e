import { EventType, type Decimal } from 'refold';

const instant = { type: 'long', logicalType: 'timestamp-millis' } as const;
const dollars = { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } as const;

/** A purchase. In the history its id is the number of its data line in the file; its time is the day of the purchase, 00:00 UTC. */
@EventType({
  name: 'orders.OrderPlaced',
  version: 1,
  topic: 'orders',
  key: (e) => e.orderId,
  time: (e) => e.placedAt,
  schema: {
    type: 'record',
    fields: [
      { name: 'orderId', type: 'string' },
      { name: 'customerId', type: 'string' },
      { name: 'cds', type: 'int' },
      { name: 'dollars', type: dollars },
      { name: 'placedAt', type: instant },
    ],
  },
})
export class OrderPlaced {
  constructor(
    readonly orderId: string,
    readonly customerId: string,
    readonly cds: number,
    readonly dollars: Decimal,
    readonly placedAt: Date,
  ) {}
}

@EventType({
  name: 'orders.OrderPaid',
  version: 1,
  topic: 'orders',
  key: (e) => e.orderId,
  time: (e) => e.paidAt,
  schema: {
    type: 'record',
    fields: [
      { name: 'orderId', type: 'string' },
      { name: 'dollars', type: dollars },
      { name: 'paidAt', type: instant },
    ],
  },
})
export class OrderPaid {
  constructor(
    readonly orderId: string,
    readonly dollars: Decimal,
    readonly paidAt: Date,
  ) {}
}

@EventType({
  name: 'orders.OrderShipped',
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
  name: 'orders.OrderCancelled',
  version: 1,
  topic: 'orders',
  key: (e) => e.orderId,
  time: (e) => e.cancelledAt,
  schema: {
    type: 'record',
    fields: [
      { name: 'orderId', type: 'string' },
      { name: 'cancelledAt', type: instant },
    ],
  },
})
export class OrderCancelled {
  constructor(
    readonly orderId: string,
    readonly cancelledAt: Date,
  ) {}
}

export const events = [OrderPlaced, OrderPaid, OrderShipped, OrderCancelled] as const;
