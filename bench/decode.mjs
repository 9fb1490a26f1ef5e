// node bench/decode.mjs [--events 20000] [--reps 15]: decoding whole events of 12 fields, and 3 of the 12, beside a bare avsc
// resolver, in one process and interleaved; every repetition runs each once. Needs a build, no services.
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';

const root = path.join(import.meta.dirname, '..');
const require = createRequire(path.join(root, 'x.js'));
const dist = (file) => require(path.join(root, 'dist', file));
const avsc = require('avsc');
const { AvroSerde } = dist('events/adapters/avro/serde.js');
const { MemorySchemaRegistry } = dist('events/adapters/memory/schema-registry.js');
const { EventTypes } = dist('events/event-types.js');
const { Decimal, defineEventType } = dist('index.js');

const { values } = parseArgs({ options: { events: { type: 'string', default: '20000' }, reps: { type: 'string', default: '15' } } });
const [EVENTS, REPS] = [Number(values.events), Number(values.reps)];

const text = (name) => ({ name, type: 'string' });
const schema = {
  type: 'record',
  fields: [
    text('orderId'),
    text('customerId'),
    text('currency'),
    text('street'),
    text('city'),
    { name: 'placedAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
    { name: 'tax', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
    { name: 'points', type: 'long' },
    { name: 'note', type: ['null', 'string'] },
    { name: 'tags', type: { type: 'map', values: 'string' } },
    { name: 'lines', type: { type: 'array', items: { type: 'record', name: 'Line', fields: [text('sku'), { name: 'quantity', type: 'int' }] } } },
  ],
};
const DECLARED = ['orderId', 'customerId', 'amount'];

class OrderPlaced {}
defineEventType(OrderPlaced, { name: 'bench.OrderPlaced', version: 1, topic: 'orders', key: (e) => e.orderId, time: (e) => e.placedAt, schema });

const eventOf = (i) =>
  Object.assign(new OrderPlaced(), {
    orderId: `ord-${String(i).padStart(10, '0')}`,
    customerId: `c-${i % 5000}`,
    currency: 'EUR',
    street: 'Somewhere 17',
    city: 'Prague',
    placedAt: new Date(1_767_225_600_000 + i),
    amount: new Decimal(BigInt(1000 + i), 2),
    tax: new Decimal(BigInt(200 + i), 2),
    points: BigInt(i),
    note: i % 3 === 0 ? 'leave it at the door' : null,
    tags: { channel: 'web', campaign: 'autumn' },
    lines: [
      { sku: 'SKU-1', quantity: 1 },
      { sku: 'SKU-2', quantity: i % 7 },
    ],
  });

const serde = new AvroSerde({ types: new EventTypes([OrderPlaced]), registry: new MemorySchemaRegistry(), source: 'bench' });
await serde.start();
const records = Array.from({ length: EVENTS }, (_, i) => ({ ...serde.encode(eventOf(i)), partition: 0, offset: i, timestamp: 0 }));
const decoderOf = async (fields) => {
  const decoder = serde.decoder([OrderPlaced], fields === undefined ? {} : { fields: new Map([['bench.OrderPlaced', fields]]) });
  await decoder.prepare(records.slice(0, 1));
  return (record) => decoder.decode(record)[0].event.orderId;
};
const bareType = avsc.Type.forSchema({ ...schema, name: 'OrderPlaced' });
const resolver = bareType.createResolver(avsc.Type.forSchema({ ...schema, name: 'OrderPlaced' }));

const runs = [
  ['whole events, 12 fields', await decoderOf(undefined)],
  ['3 of the 12 fields', await decoderOf(DECLARED)],
  ['bare avsc resolver, 12 fields, raw decimals and times', (record) => bareType.decode(record.value, 5, resolver).value.orderId],
];
const times = runs.map(() => []);
for (let rep = -2; rep < REPS; rep += 1) {
  runs.forEach(([, decode], i) => {
    let length = 0;
    const started = process.hrtime.bigint();
    for (const record of records) {
      length += decode(record).length;
    }
    const took = Number(process.hrtime.bigint() - started) / EVENTS;
    if (length !== 14 * EVENTS) {
      throw new Error(`${runs[i][0]} decoded something else`);
    }
    if (rep >= 0) {
      times[i].push(took);
    }
  });
}
const median = (some) => [...some].sort((a, b) => a - b)[Math.floor(some.length / 2)];
process.stdout.write(`${EVENTS} events, ${REPS} repetitions, interleaved; median of the repetitions, ratio of each repetition to whole events\n`);
runs.forEach(([name], i) => {
  const ratio = median(times[i].map((took, rep) => took / times[0][rep]));
  process.stdout.write(`${median(times[i]).toFixed(0).padStart(6)} ns per event  ${ratio.toFixed(2)}x  ${name}\n`);
});
