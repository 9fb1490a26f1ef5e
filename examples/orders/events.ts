import { EventType, type Decimal } from 'refold';

/** A purchase. Its id is the number of its data line in the file; its time is the day of the purchase, 00:00 UTC. */
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
      { name: 'dollars', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
      { name: 'placedAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
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
