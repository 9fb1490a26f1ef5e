import { defineApp } from 'refold';
import { ActionTaken, LoginFailed, OrderPlaced, PaymentMade } from './events';
import { LoginAlerts } from './failed-logins';
import { CustomerHourly } from './hourly-orders';
import { SpendingAboveLimit } from './spending';
import { Visits } from './visits';

export const app = defineApp({
  name: 'windows',
  events: [OrderPlaced, ActionTaken, LoginFailed, PaymentMade],
  projections: [CustomerHourly, Visits, LoginAlerts, SpendingAboveLimit],
});

export default { app };
