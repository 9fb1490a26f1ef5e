import { defineApp } from '../../../src/app/define-app';
import { reactor } from '../../../src/reactors/reactor';
import { OrderPlaced } from './refold.config';

export const told: string[] = [];
export const troubled = new Set(['o-1']);

const mails = reactor({ name: 'mails', from: 'beginning' }).on(OrderPlaced, (e) => {
  if (troubled.has(e.orderId)) {
    throw Object.assign(new Error('no such address'), { retryable: false });
  }
  told.push(e.orderId);
});

export default { app: defineApp({ name: 'cli-mails', events: [OrderPlaced], projections: [], reactors: [mails], topics: { orders: { partitions: 1 } } }) };
