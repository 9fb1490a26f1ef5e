import { On, Projection, count, decimal, max, readModel, sum, text, tumbling, windowEnd, windowStart } from 'refold';
import { OrderPlaced } from './events';

export const customerHourly = readModel('customer_hourly', {
  customer_id: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  orders: count(),
  revenue: sum(decimal(18, 2)),
  largest: max(decimal(12, 2)),
});

/** What each customer ordered each hour. */
@Projection({ name: 'customer-hourly', version: 1, window: tumbling('1 hour', { grace: '10 minutes' }) })
export class CustomerHourly {
  readonly into = customerHourly;

  @On(OrderPlaced)
  placed(e: OrderPlaced) {
    return customerHourly.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount });
  }
}
