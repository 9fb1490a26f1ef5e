import { defineApp, projection, readModel, text } from '../../../src/index';
import { OrderPlaced } from './refold.config';

/** The same name and version as in the application, other columns. */
const orders = projection({ name: 'orders', version: 1, into: readModel('orders', { order_id: text().key(), customer_id: text() }) }).on(OrderPlaced, (e) => ({
  order_id: e.orderId,
  customer_id: e.customerId,
}));

export default { app: defineApp({ name: 'cli-shop', events: [OrderPlaced], projections: [orders], topics: { orders: { partitions: 2 } } }) };
