// A whole small application as a user writes it. Everything here must compile.
import {
  Aggregate,
  Command,
  CommandHandler,
  EventType,
  Evolve,
  decider,
  type Decision,
  On,
  Projection,
  array,
  bigint,
  boolean,
  count,
  decimal,
  defineApp,
  integer,
  json,
  max,
  min,
  projection,
  readModel,
  sum,
  text,
  timestamp,
  uuid,
  tumbling,
  windowEnd,
  windowStart,
  type AnyProjection,
  type App,
  type ConnectedApp,
  type Decimal,
  type Row,
} from '../../src/index';

@EventType({
  name: 'orders.OrderPlaced',
  version: 2,
  topic: 'orders',
  key: (e) => e.orderId,
  time: (e) => e.placedAt,
  schema: {
    type: 'record',
    fields: [
      { name: 'orderId', type: 'string' },
      { name: 'customerId', type: 'string' },
      { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
      { name: 'placedAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
      { name: 'note', type: ['null', 'string'] },
    ],
  },
  upcasters: { 1: (fields) => ({ ...fields, note: null }) },
})
export class OrderPlaced {
  constructor(
    readonly orderId: string,
    readonly customerId: string,
    readonly amount: Decimal,
    readonly placedAt: Date,
    readonly note: string | null = null,
  ) {}
}
export class OrderShipped {
  constructor(
    readonly orderId: string,
    readonly shippedAt: Date,
    readonly carrier: string,
  ) {}
}
export class OrderErased {
  constructor(
    readonly orderId: string,
    readonly erased: true,
  ) {}
}

export const orderSummary = readModel('order_summary', {
  order_id: text().key(),
  customer_id: text().index(),
  status: text<'placed' | 'shipped'>(),
  amount: decimal(12, 2),
  note: text().nullable(),
  changed_at: timestamp(),
});
export interface OrderRow extends Row<typeof orderSummary> {} // an interface gives short names in compiler messages

@Projection({ name: 'order-summary', version: 1, store: 'postgres' })
export class OrderSummary {
  readonly into = orderSummary;

  @On(OrderPlaced)
  placed(e: OrderPlaced): OrderRow {
    return { order_id: e.orderId, customer_id: e.customerId, status: 'placed', amount: e.amount, note: e.note, changed_at: e.placedAt };
  }

  @On(OrderShipped, { missing: 'park' })
  shipped(e: OrderShipped, row: OrderRow): OrderRow {
    return { ...row, status: 'shipped', changed_at: e.shippedAt };
  }

  @On(OrderErased)
  erased() {
    return undefined; // undefined deletes the row
  }
}

export const customerHourly = readModel('customer_hourly', {
  customer_id: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  orders: count(),
  revenue: sum(decimal(18, 2)),
  items: sum(integer()),
  largest: max(decimal(12, 2)),
  first_note: min(text().nullable()),
});

@Projection({ name: 'customer-hourly', version: 1, store: ['postgres', 'clickhouse'], window: tumbling('1 hour', { grace: '1 day' }) })
export class CustomerHourly {
  readonly into = customerHourly;

  @On(OrderPlaced)
  ordered(e: OrderPlaced) {
    return customerHourly.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount });
  }
}

/** Several contributions of one event, or none. */
@Projection({ name: 'customer-hourly', version: 3, window: tumbling('1 hour'), storage: 'partials' })
export class CustomerHourlySplit {
  readonly into = customerHourly;

  @On(OrderPlaced)
  ordered(e: OrderPlaced) {
    return e.note === null
      ? undefined
      : [e.customerId, 'everybody'].map((customer_id) => customerHourly.contribution({ customer_id }, { orders: 1n, largest: e.amount }));
  }
}

// the same by values: event and row are inferred
export const orderSummaryV2 = projection({ name: 'order-summary', version: 2, into: orderSummary })
  .on(OrderPlaced, (e) => ({ order_id: e.orderId, customer_id: e.customerId, status: 'placed', amount: e.amount, note: null, changed_at: e.placedAt }))
  .on(OrderShipped, { missing: 'park' }, (e, row) => ({ ...row, status: 'shipped', changed_at: e.shippedAt }))
  .on(OrderErased, () => undefined);

export const customerHourlyV2 = projection({ name: 'customer-hourly', version: 2, into: customerHourly, window: tumbling('1 hour'), storage: 'merged' }).on(
  OrderPlaced,
  (e) => customerHourly.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount }),
);

export const app = () =>
  defineApp({ name: 'shop', events: [OrderPlaced, OrderShipped, OrderErased], projections: [OrderSummary, orderSummaryV2, CustomerHourly] });
export type Connected = ReturnType<typeof app> extends App<infer P extends readonly AnyProjection[]> ? ConnectedApp<P> : never;

export const everyColumn = readModel('every', { k: bigint().key(), i: integer(), b: boolean(), j: json<{ a: 1 }>(), n: timestamp().nullable() });

export const withArrays = readModel('with_arrays', { id: uuid().key(), tags: array(text<'a' | 'b'>()), prices: array(decimal(12, 2)) });

// ---- write side

export class PlaceOrder extends Command<{ readonly total: Decimal }> {
  constructor(
    readonly orderId: string,
    readonly customerId: string,
    readonly amount: Decimal,
  ) {
    super();
  }
}
export class ShipOrder extends Command {
  constructor(
    readonly orderId: string,
    readonly carrier: string,
  ) {
    super();
  }
}
export interface OrderState {
  readonly status: 'new' | 'placed' | 'shipped';
}

@Aggregate({ name: 'order', stateVersion: 1 })
export class Order {
  streamId(command: { readonly orderId: string }): string {
    return command.orderId;
  }

  initialState(): OrderState {
    return { status: 'new' };
  }

  @CommandHandler(PlaceOrder)
  place(c: PlaceOrder, state: OrderState): Decision<OrderPlaced, { readonly total: Decimal }> {
    return { events: state.status === 'new' ? [new OrderPlaced(c.orderId, c.customerId, c.amount, new Date(0))] : [], result: { total: c.amount } };
  }

  @CommandHandler(ShipOrder)
  ship(c: ShipOrder) {
    return [new OrderShipped(c.orderId, new Date(0), c.carrier)];
  }

  @Evolve(OrderPlaced)
  placed(): OrderState {
    return { status: 'placed' };
  }

  @Evolve(OrderShipped)
  shipped(state: OrderState): OrderState {
    return { ...state, status: 'shipped' };
  }
}

export const orderDecider = decider({
  name: 'order',
  stateVersion: 1,
  streamId: (command: { readonly orderId: string }) => command.orderId,
  initialState: (): OrderState => ({ status: 'new' }),
})
  .evolve(OrderPlaced, () => ({ status: 'placed' }))
  .evolve(OrderShipped, (state) => ({ ...state, status: 'shipped' }))
  .decide(PlaceOrder, (c, state) => ({
    events: state.status === 'new' ? [new OrderPlaced(c.orderId, c.customerId, c.amount, new Date(0))] : [],
    result: { total: c.amount },
  }))
  .decide(ShipOrder, (c) => [new OrderShipped(c.orderId, new Date(0), c.carrier)]);
