import { defineApp } from 'refold';
import { events } from './events';
import { Order } from './order';
import { CustomerDaily, OrderSummary } from './projections';

/** The application as it was deployed first: it knows version 1 of `customer-daily` alone. */
export const app = defineApp({
  name: 'orders',
  events: [...events],
  aggregates: [Order],
  projections: [OrderSummary, CustomerDaily],
  topics: { orders: { partitions: 4 } },
});

export default { app };
