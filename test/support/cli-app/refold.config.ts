import {
  Command,
  Decimal,
  EventType,
  On,
  Projection,
  count,
  decider,
  decimal,
  defineApp,
  projection,
  readModel,
  sum,
  text,
  type Row,
} from '../../../src/index';

@EventType({
  name: 'cli.OrderPlaced',
  version: 1,
  topic: 'orders',
  key: (e) => e.orderId,
  schema: {
    type: 'record',
    fields: [
      { name: 'orderId', type: 'string' },
      { name: 'customerId', type: 'string' },
      { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
    ],
  },
})
export class OrderPlaced {
  constructor(
    readonly orderId: string,
    readonly customerId: string,
    readonly amount: Decimal,
  ) {}
}

const orders = readModel('orders', { order_id: text().key(), customer_id: text(), amount: decimal(12, 2) });
interface OrderRow extends Row<typeof orders> {}

@Projection({ name: 'orders', version: 1 })
class Orders {
  readonly into = orders;

  @On(OrderPlaced)
  placed(e: OrderPlaced): OrderRow {
    return { order_id: e.orderId, customer_id: e.customerId, amount: e.amount };
  }
}

const customers = readModel('customers', { customer_id: text().key(), orders: count(), revenue: sum(decimal(18, 2)) });

const customersV1 = projection({ name: 'customers', version: 1, into: customers }).on(OrderPlaced, (e) =>
  customers.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount }),
);

/** Orders of 0.00 are no purchases. */
const customersV2 = projection({ name: 'customers', version: 2, into: customers }).on(OrderPlaced, (e) =>
  customers.contribution({ customer_id: e.customerId }, { orders: e.amount.equals(Decimal.parse('0')) ? 0 : 1, revenue: e.amount }),
);

class PlaceOrder extends Command {
  constructor(readonly order: OrderPlaced) {
    super();
  }
}

const orderStream = decider({ name: 'order', stateVersion: 1, streamId: (c: PlaceOrder) => c.order.orderId, initialState: () => ({ placed: false }) })
  .evolve(OrderPlaced, () => ({ placed: true }))
  .decide(PlaceOrder, ({ order }, { placed }) => (placed ? [] : [order]));

/** Only version 1, as it was deployed first. */
export const before = defineApp({ name: 'cli-shop', events: [OrderPlaced], projections: [Orders, customersV1], topics: { orders: { partitions: 2 } } });

const app = defineApp({
  name: 'cli-shop',
  events: [OrderPlaced],
  projections: [Orders, customersV1, customersV2],
  aggregates: [orderStream],
  topics: { orders: { partitions: 2 } },
});

export default { app };
