// What people do while version 2 is built: commands on orders, and what has to become of each. Plain data, made from the
// file alone, so that the independent check can know the outcome without asking the framework.
import { Decimal } from 'refold';
import type { LedgerEntry } from '../check';
import type { OrderPlaced } from '../events';
import { CancelOrder, PayOrder, PlaceOrder, ShipOrder } from '../order';

type OrderCommand = PlaceOrder | PayOrder | ShipOrder | CancelOrder;

/** One command, and the reason for which it has to be refused, if it has to. */
export interface Step {
  readonly command: OrderCommand;
  readonly refused: string | undefined;
}

const accepted = (command: OrderCommand): Step => ({ command, refused: undefined });
const refused = (command: OrderCommand, reason: string): Step => ({ command, refused: reason });

const CENT = Decimal.parse('0.01');
const placing = ({ orderId, customerId, cds, dollars, placedAt }: OrderPlaced): PlaceOrder => new PlaceOrder(orderId, customerId, cds, dollars, placedAt);
const paying = ({ orderId, dollars, placedAt }: OrderPlaced): PayOrder => new PayOrder(orderId, dollars, placedAt);
const shipping = ({ orderId, placedAt }: OrderPlaced): ShipOrder => new ShipOrder(orderId, placedAt);
const cancelling = ({ orderId, placedAt }: OrderPlaced): CancelOrder => new CancelOrder(orderId, placedAt);

/** What happens to an order that is there; one order after the other gets the next of them. */
const COURSES: readonly ((order: OrderPlaced) => readonly Step[])[] = [
  (order) => [accepted(paying(order)), accepted(shipping(order))],
  (order) => [refused(shipping(order), 'it is not paid'), accepted(paying(order)), accepted(shipping(order))],
  (order) => [accepted(cancelling(order)), refused(paying(order), 'it is cancelled already')],
  (order) => [
    refused(new PayOrder(order.orderId, order.dollars.plus(CENT), order.placedAt), 'it costs another amount'),
    accepted(paying(order)),
    accepted(cancelling(order)),
  ],
  (order) => [accepted(paying(order)), accepted(shipping(order)), refused(cancelling(order), 'it is shipped already')],
  (order) => [refused(placing(order), 'it is placed already'), accepted(paying(order))],
];

/** Steps of one order: each waits for the one before. */
export type Course = readonly Step[];

/** Courses of orders that were imported. */
export const coursesOf = (orders: readonly OrderPlaced[]): readonly Course[] => orders.map((order, i) => COURSES[i % COURSES.length]!(order));

/** Courses of new orders: placed first. */
export const newCoursesOf = (orders: readonly OrderPlaced[]): readonly Course[] =>
  orders.map((order, i) => [accepted(placing(order)), ...(i % 2 === 0 ? [accepted(paying(order))] : [])]);

const entryOf = ({ command }: Step): LedgerEntry => {
  const { orderId } = command;
  if (command instanceof PlaceOrder) {
    const { customerId, cds, dollars, at } = command;
    return { orderId, status: 'placed', placed: { customerId, cds, cents: dollars.withScale(2).unscaled, day: at.getTime() } };
  }
  return { orderId, status: command instanceof PayOrder ? 'paid' : command instanceof ShipOrder ? 'shipped' : 'cancelled' };
};

/** What the accepted ones among the commands change, for the independent check. */
export const ledgerOf = (courses: readonly Course[]): readonly LedgerEntry[] =>
  courses.flatMap((course) => course.filter((step) => step.refused === undefined).map(entryOf));
