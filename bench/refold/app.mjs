// The two workloads of bench/peers as an application of refold, by its public API: a topic that others wrote, keyed by customer.
import 'reflect-metadata';
import { bigint, count, defineApp, defineEventType, integer, max, projection, readModel, sum, text, tumbling, windowStart } from 'refold';
import { schemaJson } from '../peers/node/common.mjs';

export class OrderPlaced {}
export class PaymentCaptured {}
export class OrderShipped {}
export class OrderCancelled {}

/** In the order of their schema ids, from 1. */
const CLASSES = [OrderPlaced, PaymentCaptured, OrderShipped, OrderCancelled];

const recordNamed = (name) => schemaJson.find((schema) => schema.name === name);

/** A schema as its own text: the file says `peers.ev.OrderItem` by name where a registry would have it spelled out. */
const selfContained = (schema) => ({
  ...schema,
  fields: schema.fields.map((field) => (field.name === 'items' ? { ...field, type: { type: 'array', items: recordNamed('OrderItem') } } : field)),
});

const schemaOf = (event) => selfContained(recordNamed(event.name));

const idOf = (subject) => CLASSES.findIndex((event) => subject === `peers.ev.${event.name}.v1`) + 1;
const registered = (id) => ({ id, schema: JSON.stringify(schemaOf(CLASSES[id - 1])) });

/** What the loader writes before every record: ids that were given out by hand. A registry server would answer the same. */
export const schemas = {
  registration: 'explicit',
  register: async (subject) => idOf(subject),
  idOf: async (subject) => idOf(subject),
  byId: async (id) => CLASSES[id - 1] && registered(id),
  subject: async (subject) => ({ mode: 'NONE', schemas: [registered(idOf(subject))] }),
};

/** Readers declare the fields they use; the others are skipped. */
const FIELDS = {
  w1: { OrderPlaced: ['orderId', 'customerId', 'eventTime', 'amount', 'items'], others: ['orderId', 'customerId', 'eventTime'] },
  w2: { OrderPlaced: ['orderId', 'customerId', 'eventTime', 'amount'], others: ['orderId', 'customerId', 'eventTime', 'amount'] },
};

const declareEvents = (workload, topic) => {
  for (const event of CLASSES) {
    const used = FIELDS[workload][event.name] ?? FIELDS[workload].others;
    const schema = schemaOf(event);
    defineEventType(event, {
      name: `peers.ev.${event.name}`,
      version: 1,
      topic,
      schema: { ...schema, fields: schema.fields.filter(({ name }) => used.includes(name)) },
      key: (e) => e.orderId,
      partitionKey: (e) => e.customerId,
      time: (e) => new Date(Number(e.eventTime)),
    });
  }
};

const orderSummary = readModel('order_summary', {
  order_id: text().key(),
  customer_id: text(),
  status: text(),
  amount: bigint(),
  items: integer(),
  placed_at: bigint().nullable(),
  paid_at: bigint().nullable(),
  shipped_at: bigint().nullable(),
  cancelled_at: bigint().nullable(),
  updated_at: bigint(),
  n: integer(),
});

const NEW = { status: 'new', amount: 0n, items: 0, placed_at: null, paid_at: null, shipped_at: null, cancelled_at: null, updated_at: 0n, n: 0 };

const orderOf = (e, row) => row ?? { order_id: e.orderId, customer_id: e.customerId, ...NEW };
const later = (a, b) => (a > b ? a : b);

const orderSummaryOf = (version) =>
  projection({ name: 'order-summary', version, into: orderSummary })
    .on(OrderPlaced, (e, row) => {
      const order = orderOf(e, row);
      return {
        ...order,
        n: order.n + 1,
        updated_at: later(e.eventTime, order.updated_at),
        amount: e.amount,
        items: e.items.reduce((total, { qty }) => total + qty, 0),
        placed_at: e.eventTime,
        status: order.status === 'new' ? 'placed' : order.status,
      };
    })
    .on(PaymentCaptured, (e, row) => {
      const order = orderOf(e, row);
      const status = order.status === 'new' || order.status === 'placed' ? 'paid' : order.status;
      return { ...order, n: order.n + 1, updated_at: later(e.eventTime, order.updated_at), paid_at: e.eventTime, status };
    })
    .on(OrderShipped, (e, row) => {
      const order = orderOf(e, row);
      const status = order.status === 'cancelled' ? order.status : 'shipped';
      return { ...order, n: order.n + 1, updated_at: later(e.eventTime, order.updated_at), shipped_at: e.eventTime, status };
    })
    .on(OrderCancelled, (e, row) => {
      const order = orderOf(e, row);
      const status = order.status === 'shipped' ? order.status : 'cancelled';
      return { ...order, n: order.n + 1, updated_at: later(e.eventTime, order.updated_at), cancelled_at: e.eventTime, status };
    });

const hourlyCustomer = readModel('hourly_customer', {
  customer_id: text().key(),
  window_start: windowStart(),
  n: count(),
  sum_amount: sum(bigint()),
  max_amount: max(bigint()),
});

const spent = (e) => hourlyCustomer.contribution({ customer_id: e.customerId }, { n: 1, sum_amount: e.amount, max_amount: e.amount });

const hourlyCustomerOf = (version) =>
  CLASSES.reduce(
    (value, event) => value.on(event, spent),
    projection({ name: 'hourly-customer', version, into: hourlyCustomer, window: tumbling('1 hour'), store: process.env.STORE ?? 'postgres' }),
  );

const appWith = (workload, topic, versions) =>
  defineApp({
    name: 'bench',
    events: CLASSES,
    projections: versions.map(workload === 'w1' ? orderSummaryOf : hourlyCustomerOf),
    topics: { [topic]: { partitions: 4 } },
  });

/** The application of one workload, `w1` or `w2`, over a topic of 4 partitions. */
export const appOf = (workload, topic) => {
  declareEvents(workload, topic);
  return appWith(workload, topic, [1]);
};

/** The same before and after its projection got a second version, which folds the same. */
export const appsOf = (workload, topic) => {
  declareEvents(workload, topic);
  return [appWith(workload, topic, [1]), appWith(workload, topic, [1, 2])];
};
