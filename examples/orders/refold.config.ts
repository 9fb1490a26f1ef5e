import { defineApp } from 'refold';
import { events } from './events';
import { Order } from './order';
import { CustomerDaily, OrderSummary, customerDailyV2 } from './projections';

/** The application as it is deployed now: version 2 of `customer-daily` beside version 1. */
export const app = defineApp({
  name: 'orders',
  events: [...events],
  aggregates: [Order],
  projections: [OrderSummary, CustomerDaily, customerDailyV2],
  topics: { orders: { partitions: 4 } },
});

export default { app };
