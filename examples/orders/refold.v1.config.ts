import { defineApp } from 'refold';
import { OrderPlaced } from './events';
import { CustomerDaily, OrderSummary } from './projections';

/** The application as it was deployed first: it knows version 1 of `customer-daily` alone. */
export const app = defineApp({
  name: 'orders',
  events: [OrderPlaced],
  projections: [OrderSummary, CustomerDaily],
  topics: { orders: { partitions: 4 } },
});

export default { app };
