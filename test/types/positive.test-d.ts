// What is inferred, to the letter.
import type {
  CommandBus,
  Contribution,
  Decimal,
  EventClass,
  EventContext,
  FromAvro,
  IsMergeable,
  Key,
  Outcome,
  ProjectionValue,
  Row,
  RefoldError,
  ErrorCode,
  ResultOf,
} from '../../src/index';
import { EventType, projection } from '../../src/index';
import { everythingSchema, type EverythingFields } from '../support/avsc/everything.schema';
import type { everyColumn, orderSummaryV2, withArrays } from './sample';
import { OrderPlaced, OrderShipped, PlaceOrder, ShipOrder, customerHourly, orderSummary, type Connected, type OrderErased } from './sample';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <T extends true>(): T | undefined => undefined;

is<
  Equal<
    Row<typeof orderSummary>,
    {
      readonly order_id: string;
      readonly customer_id: string;
      readonly status: 'placed' | 'shipped';
      readonly amount: Decimal;
      readonly note: string | null;
      readonly changed_at: Date;
    }
  >
>();
is<Equal<Key<typeof orderSummary>, { readonly order_id: string }>>();
is<Equal<IsMergeable<typeof orderSummary>, false>>();
is<Equal<IsMergeable<typeof customerHourly>, true>>();
is<Equal<Row<typeof customerHourly>['orders'], bigint>>();
is<Equal<Row<typeof customerHourly>['items'], bigint>>();
is<Equal<Row<typeof customerHourly>['revenue'], Decimal>>();
is<Equal<Row<typeof customerHourly>['largest'], Decimal>>();
is<Equal<Row<typeof customerHourly>['first_note'], string | null>>();
is<Equal<Contribution<typeof customerHourly>['group'], { readonly customer_id: string }>>();
is<Equal<Contribution<typeof customerHourly>['measures']['orders'], number | bigint | null | undefined>>();
is<Equal<Contribution<typeof customerHourly>['measures']['largest'], Decimal>>();
is<Equal<Outcome<typeof orderSummary>, Row<typeof orderSummary> | undefined>>();
is<Equal<Row<typeof everyColumn>, { readonly k: bigint; readonly i: number; readonly b: boolean; readonly j: { a: 1 }; readonly n: Date | null }>>();
is<Equal<Row<typeof withArrays>, { readonly id: string; readonly tags: readonly ('a' | 'b')[]; readonly prices: readonly Decimal[] }>>();
is<Equal<FromAvro<{ type: 'record'; fields: [{ name: 'a'; type: ['null', { type: 'array'; items: 'long' }] }] }>, { readonly a: readonly bigint[] | null }>>();
is<Equal<FromAvro<{ type: 'bytes'; logicalType: 'decimal'; precision: 4; scale: 2 }>, Decimal>>();
is<Equal<typeof orderSummaryV2, ProjectionValue<typeof orderSummary, OrderPlaced | OrderShipped | OrderErased>>>();
is<EventClass<OrderPlaced> extends abstract new (...args: never[]) => OrderPlaced ? true : false>();
is<Equal<RefoldError['code'], ErrorCode>>();

export const narrowed = projection({ name: 'narrowed', version: 1, into: orderSummary }).on(
  OrderShipped,
  { missing: 'park', fields: ['shippedAt'] },
  (e, row) => {
    is<Equal<typeof e, Pick<OrderShipped, 'shippedAt'>>>();
    return { ...row, changed_at: e.shippedAt };
  },
);

export const told = projection({ name: 'told', version: 1, into: orderSummary }).on(OrderShipped, { missing: 'skip' }, (_, row, context) => {
  is<Equal<typeof context, EventContext>>();
  return { ...row, note: context.eventId, changed_at: context.time };
});
export const toldContributions = projection({ name: 'told', version: 1, into: customerHourly }).on(OrderPlaced, (e, context) => {
  is<Equal<typeof context, EventContext>>();
  return customerHourly.contribution({ customer_id: context.key }, { largest: e.amount });
});

export const use = async (shop: Connected): Promise<void> => {
  const rows = await shop.query('order_summary');
  is<Equal<(typeof rows)[number], Row<typeof orderSummary>>>();
  const picked = await shop.db.selectFrom('customer_hourly').select(['customer_id', 'revenue']).where('orders', '>', 3n).execute();
  is<Equal<typeof picked, { customer_id: string; revenue: Decimal }[]>>();
};

is<Equal<ResultOf<PlaceOrder>, { readonly total: Decimal }>>();
is<Equal<ResultOf<ShipOrder>, void>>();
export const command = async (bus: CommandBus): Promise<void> => {
  const placed = await bus.execute(new PlaceOrder('o', 'c', undefined as never));
  is<Equal<typeof placed, { readonly total: Decimal }>>();
  const { result: shipped } = await bus.send(new ShipOrder('o', 'c'), { id: 'once' });
  is<Equal<typeof shipped, void>>();
};

is<Equal<FromAvro<typeof everythingSchema>, EverythingFields>>();

/** A class over a generated module: the compiler holds class and `.avsc` file together. */
@EventType({ name: 'test.Everything', version: 1, topic: 'test', key: (e) => e.id, time: (e) => e.at, schema: everythingSchema })
export class Everything implements EverythingFields {
  constructor(
    readonly id: string,
    readonly n: bigint,
    readonly small: number,
    readonly raw: Uint8Array | null,
    readonly amount: Decimal,
    readonly at: Date,
    readonly status: 'placed' | 'shipped',
    readonly counts: Readonly<Record<string, bigint>>,
    readonly lines: EverythingFields['lines'],
  ) {}
}
