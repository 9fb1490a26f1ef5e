import { projection } from '../../src/projections/projection';
import type { ProjectionDefinition } from '../../src/projections/definition';
import { tumbling } from '../../src/projections/windows/window';
import { definitionOf } from './harness';
import { decimal, sum, text } from '../../src/projections/columns';
import { readModel } from '../../src/projections/read-model';
import { OrderErased, OrderPlaced, customerDaily, orderSummary } from './shop';

/** Whether the handlers have their mistake: they cannot take the customer `X`. */
export interface Mistake {
  present: boolean;
  /** A customer that it does not concern. */
  spares?: string;
  /** Asked for every event that the mistake concerns; what it throws takes the place of the usual error. */
  onBad?: () => void;
}

const check = (mistake: Mistake, { customerId, orderId }: OrderPlaced): void => {
  if (mistake.present && customerId.startsWith('X') && customerId !== mistake.spares) {
    mistake.onBad?.();
    throw new TypeError(`no customer X in order ${orderId}`);
  }
};

/** One row per order whose customer tells all customers in order: any loss, repetition or exchange shows. */
export const chained = (mistake: Mistake): ProjectionDefinition =>
  definitionOf(
    projection({ name: 'chained', version: 1, into: orderSummary })
      .on(OrderPlaced, (e, row) => {
        check(mistake, e);
        const customers = `${row?.customer_id ?? ''}${e.customerId}`;
        return { order_id: e.orderId, customer_id: customers, status: 'placed' as const, amount: e.amount, changed_at: e.placedAt };
      })
      .on(OrderErased, () => undefined),
  );

/** Orders by day and customer. */
export const dailyWith = (mistake: Mistake): ProjectionDefinition =>
  definitionOf(
    projection({ name: 'daily', version: 1, into: customerDaily, window: tumbling('1 day') }).on(OrderPlaced, (e) => {
      check(mistake, e);
      return customerDaily.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount, smallest: e.amount });
    }),
  );

const narrow = readModel('narrow', { order_id: text().key(), revenue: sum(decimal(12, 2)) });

/** Sums that a column can outgrow. */
export const refusing = (): ProjectionDefinition =>
  definitionOf(
    projection({ name: 'narrow', version: 1, into: narrow }).on(OrderPlaced, (e) => narrow.contribution({ order_id: e.orderId }, { revenue: e.amount })),
  );
