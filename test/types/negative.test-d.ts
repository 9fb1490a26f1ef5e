// Wrong programs: each marked line must be refused.
import {
  Aggregate,
  Command,
  CommandHandler,
  EventType,
  Evolve,
  decider,
  type CommandBus,
  On,
  Projection,
  array,
  count,
  decimal,
  defineApp,
  max,
  projection,
  readModel,
  sum,
  text,
  tumbling,
  windowName,
  windowStart,
  type Decimal,
  type EventContext,
} from '../../src/index';
import {
  customerHourly,
  orderSummary,
  OrderErased,
  OrderPlaced,
  OrderShipped,
  PlaceOrder,
  ShipOrder,
  type Connected,
  type OrderRow,
  type OrderState,
} from './sample';

declare const d: Decimal;
declare const t: Date;
const full = (e: OrderPlaced): OrderRow => ({ order_id: e.orderId, customer_id: '', status: 'placed', amount: d, note: null, changed_at: t });
/* prettier-ignore */
class P {
  readonly into = orderSummary;
  // @ts-expect-error
  @On(OrderPlaced) wrongEvent(e: OrderShipped): OrderRow { return full(e as never); }
  // @ts-expect-error
  @On(OrderPlaced, { fields: ['orderId'] }) undeclaredField(e: Pick<OrderPlaced, 'orderId' | 'amount'>): OrderRow { return full(e as never); }
  // @ts-expect-error
  @On(OrderPlaced, { fields: ['orderid'] }) noSuchField(e: OrderPlaced): OrderRow { return full(e); }
  // @ts-expect-error
  @On(OrderPlaced) wrongColumnType(e: OrderPlaced) { return { ...full(e), amount: 12.5 }; }
  // @ts-expect-error
  @On(OrderPlaced) missingColumn(e: OrderPlaced) { return { order_id: e.orderId, customer_id: '', status: 'placed' as const, amount: d, note: null }; }
  // @ts-expect-error
  @On(OrderPlaced) misspelt(e: OrderPlaced) { return { ...full(e), changd_at: t }; }
  // @ts-expect-error
  @On(OrderPlaced) keyMissing(e: OrderPlaced) { const { order_id: _, ...rest } = full(e); return rest; }
  // @ts-expect-error
  @On(OrderPlaced) async promise(e: OrderPlaced): Promise<OrderRow> { return full(e); }
  // @ts-expect-error
  @On(OrderPlaced) rowNotOptional(e: OrderPlaced, row: OrderRow): OrderRow { return row; }
  // @ts-expect-error
  @On(OrderPlaced) contextFirst(e: OrderPlaced, context: EventContext): OrderRow { void context; return full(e); }
  // @ts-expect-error
  @On(OrderPlaced) otherModelsRow(e: OrderPlaced, row: { order_id: number } | undefined): OrderRow { void row; return full(e); }
  // @ts-expect-error
  @On(OrderPlaced) badLiteral(e: OrderPlaced) { return { ...full(e), status: 'lost' as const }; }
  // @ts-expect-error
  @On(OrderPlaced) widenedLiteral(e: OrderPlaced) { return { ...full(e), status: 'shipped' }; }
  // @ts-expect-error
  @On(OrderPlaced) annotatedMisspelt(e: OrderPlaced): OrderRow { return { ...full(e), changd_at: t }; }
  // @ts-expect-error
  @On(OrderPlaced) nothing(e: OrderPlaced) { void e; }
  // @ts-expect-error
  @On(OrderPlaced) contribution(e: OrderPlaced) { return customerHourly.contribution({ customer_id: e.customerId }, { largest: d }); }
}
/* prettier-ignore */
class H {
  readonly into = customerHourly;
  // @ts-expect-error
  @On(OrderPlaced) unknownMeasure(e: OrderPlaced) { return { group: { customer_id: e.customerId }, measures: { orderz: 1 } }; }
  // @ts-expect-error
  @On(OrderPlaced) unknownMeasure2(e: OrderPlaced) { return customerHourly.contribution({ customer_id: e.customerId }, { orders: 1, orderz: 1, largest: d }); }
  // @ts-expect-error
  @On(OrderPlaced) wrongMeasure(e: OrderPlaced) { return customerHourly.contribution({ customer_id: e.customerId }, { revenue: 12.5, largest: d }); }
  // @ts-expect-error
  @On(OrderPlaced) requiredMeasure(e: OrderPlaced) { return customerHourly.contribution({ customer_id: e.customerId }, { orders: 1 }); }
  // @ts-expect-error
  @On(OrderPlaced) noGroup() { return customerHourly.contribution({}, { largest: d }); }
  // @ts-expect-error
  @On(OrderPlaced) row() { return { customer_id: 'a', orders: 1n }; }
  // @ts-expect-error
  @On(OrderPlaced) list() { return [{ customer_id: 'a' }]; }
  // @ts-expect-error
  @On(OrderPlaced) contributionsHaveNoRow(e: OrderPlaced, row: object, context: EventContext) { void [e, row, context]; return undefined; }
}
// @ts-expect-error
class NoInto { @On(OrderPlaced) h(e: OrderPlaced) { return full(e); } } // prettier-ignore
// @ts-expect-error
@Projection({ name: 'x', version: 1 }) class WithDependency { readonly into = orderSummary; constructor(readonly http: object) {} } // prettier-ignore
// @ts-expect-error
@Projection({ name: 'x', version: 1, window: tumbling('1 hour') }) class WindowOverRows { readonly into = orderSummary; } // prettier-ignore
// @ts-expect-error
@Projection({ name: 'x', version: 1, storage: 'partials' }) class StorageOfRows { readonly into = orderSummary; } // prettier-ignore
// @ts-expect-error
@Projection({ name: 'x', version: 1, storage: 'rows' }) class UnknownStorage { readonly into = customerHourly; } // prettier-ignore
// @ts-expect-error
const noKey = readModel('m', { a: text(), n: count() });
// @ts-expect-error
const reserved = readModel('m', { a: text().key(), _offset: text() });
// @ts-expect-error
const sumText = readModel('m', { a: text().key(), n: sum(text()) });
// @ts-expect-error
const nullableKey = text().nullable().key();
// @ts-expect-error
const maxOfModel = max(orderSummary);
const named = readModel('named', { customer_id: text().key(), cut: windowName(), starts: windowStart(), orders: count() });
const unnamed = named.contribution({ customer_id: '' }, { orders: 1 });
// @ts-expect-error
const namedByHand = named.contribution({ customer_id: '', cut: 'hours' }, { orders: 1 });

const p = projection({ name: 'p', version: 1, into: orderSummary });
// @ts-expect-error
p.on(OrderPlaced, (e) => ({ ...full(e), changd_at: t }));
// @ts-expect-error
p.on(OrderPlaced, (e) => { if (e.note === null) { return undefined; } return { ...full(e), changd_at: t }; }); // prettier-ignore
// @ts-expect-error
p.on(OrderPlaced, (e) => ({ ...full(e), amount: 12.5 }));
// @ts-expect-error
p.on(OrderPlaced, (e) => ({ ...full(e), status: 'lost' }));
// @ts-expect-error
p.on(OrderPlaced, (e) => ({ order_id: e.orderId }));
// @ts-expect-error
p.on(OrderPlaced, async (e) => full(e));
// @ts-expect-error
p.on(OrderPlaced, (e, row) => ({ ...row, status: 'shipped' }));
// @ts-expect-error
p.on(OrderPlaced, (e: OrderShipped) => undefined);
// @ts-expect-error
p.on(OrderPlaced, (e, row, context) => ({ ...full(e), changed_at: context.position }));
// @ts-expect-error
p.on(OrderPlaced, (e) => ({ ...full(e), customer_id: e.customer }));
// @ts-expect-error
projection({ name: 'p', version: 1, into: { name: 'not a model' } });
// @ts-expect-error
projection({ name: 'p', version: 1, into: orderSummary, storage: 'partials' });

/* prettier-ignore */
// @ts-expect-error
@EventType({ name: 'a', version: 1, topic: 't', key: (e) => e.nope, schema: { type: 'record', fields: [{ name: 'id', type: 'string' }] } })
class A { constructor(readonly id: string) {} } // prettier-ignore
// @ts-expect-error
@EventType({ name: 'a', version: 1, topic: 't', key: (e) => e.id, schema: { type: 'record', fields: [{ name: 'id', type: 'string' }, { name: 'n', type: 'long' }] } }) // prettier-ignore
class A2 { constructor(readonly id: string, readonly n: number) {} } // prettier-ignore

// @ts-expect-error
defineApp({ name: 'x', events: [OrderPlaced], projections: [orderSummary] });
// @ts-expect-error
defineApp({ name: 'x', events: ['OrderPlaced'], projections: [] });
// @ts-expect-error
const money: Decimal = 12.5;
// @ts-expect-error
const looksLikeMoney: Decimal = { scale: 2, unscaled: 1n };

export const wrong = (shop: Connected): void => {
  // @ts-expect-error
  void shop.query('order_sumary');
  // @ts-expect-error
  shop.db.selectFrom('order_summary').select('amont');
  // @ts-expect-error
  shop.db.insertInto('order_summary');
  // @ts-expect-error
  const rows: Promise<readonly { status: 'nope' }[]> = shop.query('order_summary');
  void rows;
};
void [
  P,
  H,
  NoInto,
  WithDependency,
  WindowOverRows,
  StorageOfRows,
  UnknownStorage,
  noKey,
  reserved,
  sumText,
  nullableKey,
  maxOfModel,
  unnamed,
  namedByHand,
  A,
  A2,
  money,
  looksLikeMoney,
  windowStart,
  decimal,
  OrderErased,
];

class Other extends Command {
  constructor(readonly counter: string) {
    super();
  }
}
/* prettier-ignore */
class Agg {
  streamId(c: { readonly orderId: string }): string { return c.orderId; }
  initialState(): OrderState { return { status: 'new' }; }
  // @ts-expect-error
  @CommandHandler(ShipOrder) wrongCommand(c: PlaceOrder) { return [c]; }
  // @ts-expect-error
  @CommandHandler(PlaceOrder) noResult(c: PlaceOrder) { void c; return [new OrderErased('', true)]; }
  // @ts-expect-error
  @CommandHandler(ShipOrder) async promise() { return []; }
  // @ts-expect-error
  @CommandHandler(ShipOrder) wrongState(c: ShipOrder, s: { n: number }) { void [c, s]; return []; }
  // @ts-expect-error
  @CommandHandler(Other) noStream(c: Other) { void c; return []; }
  // @ts-expect-error
  @Evolve(OrderPlaced) badState() { return { status: 'lost' }; }
  // @ts-expect-error
  @Evolve(OrderPlaced) badEvent(s: OrderState, e: OrderShipped) { void e; return s; }
}
// @ts-expect-error
@Aggregate({ name: 'x', stateVersion: 1 })
class WithoutStream {
  initialState(): OrderState {
    return { status: 'new' };
  }
}
// @ts-expect-error
@Aggregate({ name: 'x', stateVersion: 1 })
class DependentAggregate extends Agg {
  constructor(readonly http: object) {
    super();
  }
}
const streamId = (c: { readonly orderId: string }): string => c.orderId;
const dec = decider({ name: 'o', stateVersion: 1, streamId, initialState: (): OrderState => ({ status: 'new' }) }).evolve(OrderPlaced, (s) => s);
// @ts-expect-error
dec.decide(ShipOrder, (c) => [new OrderShipped(c.orderId, t, c.carrier)]);
// @ts-expect-error
dec.decide(PlaceOrder, (c) => [new OrderPlaced(c.orderId, '', d, t)]);
// @ts-expect-error
dec.decide(Other, () => []);
// @ts-expect-error
dec.decide(ShipOrder, async () => []);
// @ts-expect-error
dec.evolve(OrderShipped, () => ({ status: 'lost' }));
// @ts-expect-error
readModel('arrays', { k: array(text()).key() });
// @ts-expect-error
readModel('arrays', { k: text().key(), a: array(text()).nullable() });
// @ts-expect-error
readModel('arrays', { k: text().key(), a: array(text().nullable()) });
// @ts-expect-error
readModel('arrays', { k: text().key(), a: array(array(text())) });
declare const bus: CommandBus;
// @ts-expect-error
const answered: Promise<string> = bus.execute(new PlaceOrder('', '', d));
// @ts-expect-error
void bus.execute({ orderId: 1 }, { correlation: 'x' });
void [Agg, WithoutStream, DependentAggregate, answered];
