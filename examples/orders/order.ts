import { Aggregate, Command, CommandHandler, Evolve, type Decimal } from 'refold';
import { OrderCancelled, OrderPaid, OrderPlaced, OrderShipped } from './events';

export class PlaceOrder extends Command {
  constructor(
    readonly orderId: string,
    readonly customerId: string,
    readonly cds: number,
    readonly dollars: Decimal,
    readonly at: Date,
  ) {
    super();
  }
}

export class PayOrder extends Command {
  constructor(
    readonly orderId: string,
    readonly dollars: Decimal,
    readonly at: Date,
  ) {
    super();
  }
}

export class ShipOrder extends Command {
  constructor(
    readonly orderId: string,
    readonly at: Date,
  ) {
    super();
  }
}

export class CancelOrder extends Command {
  constructor(
    readonly orderId: string,
    readonly at: Date,
  ) {
    super();
  }
}

/** Thrown by a handler: the command changes nothing, and whoever gave it is told why. */
export class OrderRefused extends Error {}

export type OrderStatus = 'none' | 'placed' | 'paid' | 'shipped' | 'cancelled';

interface OrderState {
  readonly status: OrderStatus;
  /** What it costs, once it is placed. */
  readonly dollars: Decimal | undefined;
}

const requireStatus = (state: OrderState, allowed: readonly OrderStatus[]): void => {
  if (!allowed.includes(state.status)) {
    throw new OrderRefused(state.status === 'none' ? 'there is no such order' : `it is ${state.status} already`);
  }
};

/** What may happen to an order, and in which order. */
@Aggregate({ name: 'order', stateVersion: 1 })
export class Order {
  streamId({ orderId }: { readonly orderId: string }): string {
    return orderId;
  }

  initialState(): OrderState {
    return { status: 'none', dollars: undefined };
  }

  @CommandHandler(PlaceOrder)
  place({ orderId, customerId, cds, dollars, at }: PlaceOrder, state: OrderState) {
    requireStatus(state, ['none']);
    return [new OrderPlaced(orderId, customerId, cds, dollars, at)];
  }

  @CommandHandler(PayOrder)
  pay({ orderId, dollars, at }: PayOrder, state: OrderState) {
    requireStatus(state, ['placed']);
    if (!dollars.equals(state.dollars!)) {
      throw new OrderRefused('it costs another amount');
    }
    return [new OrderPaid(orderId, dollars, at)];
  }

  @CommandHandler(ShipOrder)
  ship({ orderId, at }: ShipOrder, state: OrderState) {
    if (state.status === 'placed') {
      throw new OrderRefused('it is not paid');
    }
    requireStatus(state, ['paid']);
    return [new OrderShipped(orderId, at)];
  }

  @CommandHandler(CancelOrder)
  cancel({ orderId, at }: CancelOrder, state: OrderState) {
    requireStatus(state, ['placed', 'paid']);
    return [new OrderCancelled(orderId, at)];
  }

  @Evolve(OrderPlaced)
  placed(_: OrderState, e: OrderPlaced): OrderState {
    return { status: 'placed', dollars: e.dollars };
  }

  @Evolve(OrderPaid)
  paid(state: OrderState): OrderState {
    return { ...state, status: 'paid' };
  }

  @Evolve(OrderShipped)
  shipped(state: OrderState): OrderState {
    return { ...state, status: 'shipped' };
  }

  @Evolve(OrderCancelled)
  cancelled(state: OrderState): OrderState {
    return { ...state, status: 'cancelled' };
  }
}
