// client.mjs RUN: one measurement in a process of its own. RUN is one of `runs` below; the topic was loaded by bench/peers.
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { schemas } from '../refold/app.mjs';
import { avroTypes, env, generate, KINDS, report as reportWhole, schemaJson, startClock as startWall } from '../peers/node/common.mjs';

const require = createRequire(import.meta.url);
const { Kafka, Partitioners, logLevel } = require('kafkajs');
const { KafkaEventLog } = require('../../dist/events/adapters/kafka/kafka-event-log');
const { AvroSerde } = require('../../dist/events/adapters/avro/serde');
const { EventTypes } = require('../../dist/events/event-types');
const { defineEventType } = require('../../dist/index');
const { OrderPlaced, PaymentCaptured, OrderShipped, OrderCancelled } = await import('../refold/app.mjs');

let cpuBefore;
const startClock = () => {
  cpuBefore = process.cpuUsage();
  startWall();
};
/** CPU of the work alone, without starting the process and making events. */
const report = (extra) => {
  const { user, system } = process.cpuUsage(cpuBefore);
  reportWhole({ cpu_work_s: (user + system) / 1e6, ...extra });
};

const brokers = [env.BROKER];
const BATCH = 2_000;
const kafka = () => new Kafka({ clientId: 'bare', brokers, logLevel: logLevel.ERROR });
const refold = () => new KafkaEventLog({ brokers, clientId: 'refold' });

const freshTopic = async () => {
  const topic = `produce-${randomUUID()}`;
  const log = refold();
  await log.createTopics([{ topic, partitions: 4 }]);
  await log.close();
  return topic;
};

/** The events of the peers as records, with the headers that refold's events have. */
const records = () => {
  const types = avroTypes();
  return generate().map(({ id, key, ts, v }) => {
    const body = types[id].toBuffer(v);
    const value = Buffer.allocUnsafe(5 + body.length);
    value[0] = 0;
    value.writeUInt32BE(id, 1);
    body.copy(value, 5);
    const headers = {
      ce_specversion: '1.0',
      ce_id: v.eventId,
      ce_source: 'orders',
      ce_type: `peers.ev.${KINDS[id]}`,
      ce_time: new Date(v.eventTime).toISOString(),
    };
    return { key: Buffer.from(key), value, headers, timestamp: ts };
  });
};

const batches = (all) => Array.from({ length: Math.ceil(all.length / BATCH) }, (_, at) => all.slice(at * BATCH, (at + 1) * BATCH));

const produce = async (send) => {
  const all = records();
  const topic = await freshTopic();
  const sender = await send(topic, batches(all));
  startClock();
  await sender.run();
  report({ events: all.length });
  await sender.close();
};

const bareProducer = async (topic, parts) => {
  const messages = parts.map((part) => part.map((record) => ({ ...record, timestamp: String(record.timestamp) })));
  const producer = kafka().producer({ idempotent: true, maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const run = async () => {
    for (const part of messages) {
      await producer.send({ topic, acks: -1, messages: part });
    }
  };
  return { run, close: () => producer.disconnect() };
};

const refoldWriter = (atOnce) => async (topic, parts) => {
  const log = refold();
  const left = parts.map((part) => part.map((record) => ({ ...record, topic }))).values();
  const one = async () => {
    for (const part of left) {
      await log.append(part);
    }
  };
  return { run: () => Promise.all(Array.from({ length: atOnce }, one)), close: () => log.close() };
};

/** Bare kafkajs: everything of a batch in `eachBatch`, nothing committed. */
const consumeBare = async (value, work) => {
  const admin = kafka().admin();
  await admin.connect();
  const left = new Map((await admin.fetchTopicOffsets(env.TOPIC)).filter(({ high }) => high !== '0').map(({ partition, high }) => [partition, Number(high)]));
  await admin.disconnect();
  startClock();
  const consumer = kafka().consumer({ groupId: `bench-${randomUUID()}`, maxBytesPerPartition: 1_250_000, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic: env.TOPIC, fromBeginning: true });
  let events = 0;
  await new Promise((resolve) => {
    const eachBatch = async ({ batch }) => {
      work(batch.messages);
      events += batch.messages.length;
      if (Number(batch.lastOffset()) + 1 >= (left.get(batch.partition) ?? Infinity)) {
        left.delete(batch.partition);
      }
      if (left.size === 0) {
        resolve();
      }
    };
    void consumer.run({ autoCommit: false, partitionsConsumedConcurrently: 1, eachBatch });
  });
  report({ events, x: String(value()) });
  await consumer.disconnect();
};

const touchBare = () => {
  let x = 0;
  return consumeBare(
    () => x,
    (messages) => {
      for (const { value } of messages) {
        x += value[4];
      }
    },
  );
};

const decodeBare = () => {
  const resolved = avroTypes().map((type) => type && { type, resolver: type.createResolver(type) });
  let x = 0;
  return consumeBare(
    () => x,
    (messages) => {
      for (const { value } of messages) {
        const { type, resolver } = resolved[value.readUInt32BE(1)];
        x += type.decode(value, 5, resolver).value.amount;
      }
    },
  );
};

/** Reads the topic to its end; `take` is given what one poll delivers. */
const consume = async (take, work) => {
  const log = refold();
  const left = new Map((await log.heads([env.TOPIC])).filter(({ end }) => end > 0).map(({ partition, stable }) => [partition, stable]));
  startClock();
  const subscription = await log.subscribe({
    group: `bench-${randomUUID()}`,
    topics: [env.TOPIC],
    positions: async ({ partitions }) => new Map(partitions.map(({ topic, partition }) => [`${topic}/${String(partition)}`, 0])),
  });
  let events = 0;
  while (left.size > 0) {
    const { batches: delivered } = await subscription.poll({ maxRecords: 20_000, waitMs: 1_000 });
    await work(delivered);
    for (const { partition, next, records: own } of delivered) {
      events += own.length;
      if (next >= (left.get(partition) ?? Infinity)) {
        left.delete(partition);
      }
    }
  }
  report({ events, ...take() });
  await subscription.close();
  await log.close();
};

const touch = () => {
  let x = 0;
  return consume(
    () => ({ x }),
    async (delivered) => {
      for (const { records: own } of delivered) {
        for (const { value } of own) {
          x += value[4];
        }
      }
    },
  );
};

const CLASSES = [OrderPlaced, PaymentCaptured, OrderShipped, OrderCancelled];
const named = (name) => schemaJson.find((schema) => schema.name === name);

const decode = async () => {
  CLASSES.forEach((event) => {
    const schema = named(event.name);
    const fields = schema.fields.map((field) => (field.name === 'items' ? { ...field, type: { type: 'array', items: named('OrderItem') } } : field));
    defineEventType(event, { name: `peers.ev.${event.name}`, version: 1, topic: env.TOPIC, schema: { ...schema, fields }, key: (e) => e.orderId });
  });
  const serde = new AvroSerde({ types: new EventTypes(CLASSES), registry: schemas, source: 'bench' });
  await serde.start();
  const decoder = serde.decoder(CLASSES);
  let x = 0n;
  await consume(
    () => ({ x: String(x) }),
    async (delivered) => {
      for (const { records: own } of delivered) {
        await decoder.prepare(own);
        for (const record of own) {
          for (const { event } of decoder.decode(record)) {
            x += event.amount;
          }
        }
      }
    },
  );
};

/** What a connected reader costs that has nothing to read. */
const idle = async () => {
  const log = refold();
  const topic = await freshTopic();
  const subscription = await log.subscribe({
    group: `bench-${randomUUID()}`,
    topics: [topic],
    positions: async ({ partitions }) => new Map(partitions.map((one) => [`${one.topic}/${String(one.partition)}`, 0])),
  });
  const until = async (ms) => {
    for (const end = performance.now() + ms; performance.now() < end;) {
      await subscription.poll({ maxRecords: 1_000, waitMs: 1_000 });
    }
  };
  await until(3_000);
  startClock();
  await until(20_000);
  report({ events: 1 });
  await subscription.close();
  await log.close();
};

const SLOW = 2_000;
const EACH = 40_000;

/** Eight partitions of which one takes two seconds per batch, or none does: how fast the other seven are read. */
const besideSlow = async (isSlow) => {
  const topic = `slow-${randomUUID()}`;
  const log = refold();
  await log.createTopics([{ topic, partitions: 8 }]);
  for (let partition = 0; partition < 8; partition += 1) {
    const part = Array.from({ length: EACH }, (_, i) => ({ topic, partition, key: Buffer.from('k'), value: Buffer.alloc(100, i % 256), headers: {} }));
    await log.append(part);
  }
  const slow = `${topic}/0`;
  const subscription = await log.subscribe({
    group: `bench-${randomUUID()}`,
    topics: [topic],
    positions: async ({ partitions }) => new Map(partitions.map((one) => [`${one.topic}/${String(one.partition)}`, 0])),
    maxQueuedRecords: 5_000,
  });
  let events = 0;
  let busyUntil = 0;
  startClock();
  while (events < 7 * EACH) {
    const except = isSlow && performance.now() < busyUntil ? new Set([slow]) : new Set();
    const { batches: delivered } = await subscription.poll({ maxRecords: 1_000, waitMs: 100, except });
    for (const { partition, records: own } of delivered) {
      events += partition === 0 ? 0 : own.length;
      busyUntil = partition === 0 ? performance.now() + SLOW : busyUntil;
    }
  }
  report({ events });
  await subscription.close();
  await log.close();
};

const runs = {
  'consume-kafkajs': touchBare,
  'decode-kafkajs': decodeBare,
  'slow-none': () => besideSlow(false),
  'slow-one': () => besideSlow(true),
  'produce-kafkajs': () => produce(bareProducer),
  'produce-refold': () => produce(refoldWriter(1)),
  'produce-refold-4': () => produce(refoldWriter(4)),
  'consume-refold': touch,
  'decode-refold': decode,
  'idle-refold': idle,
};
await runs[process.argv[2]]();
process.exit(0);
