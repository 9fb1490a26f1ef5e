// How many rows per insert, and in which format: npm run build && node bench/clickhouse-insert.mjs
import { createRequire } from 'node:module';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';

const require = createRequire(import.meta.url);
const { acquireServices } = require('../dist/app/services/services.js');

const ROWS = Number(process.argv[2] ?? 200_000);
const SIZES = [100, 500, 1_000, 5_000, 20_000, 50_000, 100_000];
const REPETITIONS = 3;

// The row of an hourly window by customer, with the stamps of the engine.
const COLUMNS = [
  ['customer_id', 'String'],
  ['window_start', "DateTime64(3, 'UTC')"],
  ['window_end', "DateTime64(3, 'UTC')"],
  ['orders', 'Int64'],
  ['revenue', 'Decimal(18, 2)'],
  ['largest', 'Decimal(12, 2)'],
  ['_topic', 'LowCardinality(String)'],
  ['_partition', 'UInt32'],
  ['_offset', 'UInt64'],
  ['_version', 'UInt128'],
  ['_deleted', 'Bool'],
];
const instant = (ms) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
const rowAt = (i) => [
  `customer-${(i * 7_919) % 50_000}`,
  instant(1_760_000_000_000 + (i % 500) * 3_600_000),
  instant(1_760_003_600_000 + (i % 500) * 3_600_000),
  String(1 + (i % 9)),
  `${i % 100_000}.25`,
  `${i % 1_000}.75`,
  'orders',
  i % 4,
  String(i),
  ((5n << 96n) | (BigInt(i) << 32n)).toString(),
  false,
];

class Bytes {
  constructor() {
    this.buffer = Buffer.allocUnsafe(1 << 20);
    this.length = 0;
  }
  room(size) {
    if (this.length + size > this.buffer.length) {
      this.buffer = Buffer.concat([this.buffer], this.buffer.length * 2 + size);
    }
    const at = this.length;
    this.length += size;
    return at;
  }
  text(value) {
    const size = Buffer.byteLength(value);
    for (let left = size; ; left >>>= 7) {
      const at = this.room(1);
      this.buffer[at] = left > 127 ? (left & 127) | 128 : left;
      if (left <= 127) break;
    }
    const start = this.room(size);
    this.buffer.write(value, start);
  }
  long(value) {
    const at = this.room(8);
    this.buffer.writeBigInt64LE(BigInt.asIntN(64, value), at);
  }
}
const cents = (text) => BigInt(text.replace('.', ''));
const rowBinary = (rows) => {
  const bytes = new Bytes();
  for (const [customer, start, end, orders, revenue, largest, topic, partition, offset, version, deleted] of rows) {
    bytes.text(customer);
    bytes.long(BigInt(Date.parse(`${start}Z`)));
    bytes.long(BigInt(Date.parse(`${end}Z`)));
    bytes.long(BigInt(orders));
    bytes.long(cents(revenue));
    bytes.long(cents(largest));
    bytes.text(topic);
    const at = bytes.room(4);
    bytes.buffer.writeUInt32LE(partition, at);
    bytes.long(BigInt(offset));
    bytes.long(BigInt(version));
    bytes.long(BigInt(version) >> 64n);
    const last = bytes.room(1);
    bytes.buffer[last] = deleted ? 1 : 0;
  }
  return bytes.buffer.subarray(0, bytes.length);
};
const escaped = (value) =>
  typeof value === 'string' ? value.replace(/[\\\t\n\r]/g, (c) => ({ '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' })[c]) : value;
const FORMATS = {
  JSONCompactEachRow: (rows) => rows.map((row) => JSON.stringify(row)).join('\n'),
  TabSeparated: (rows) => `${rows.map((row) => row.map(escaped).join('\t')).join('\n')}\n`,
  RowBinary: rowBinary,
};

const services = await acquireServices({
  folder: mkdtempSync(path.join(tmpdir(), 'refold-insert-')),
  want: { clickhouse: true },
  environment: {},
  ephemeral: true,
  durable: false,
});
const url = new URL(services.clickhouseUrl);
const headers = { authorization: `Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}` };
const send = async (query, body = '', settings = {}) => {
  const target = new URL(url.origin);
  for (const [name, value] of Object.entries({ query, database: url.pathname.slice(1) || 'default', wait_end_of_query: 1, ...settings }))
    target.searchParams.set(name, value);
  const response = await fetch(target, { method: 'POST', headers, body });
  const text = await response.text();
  if (!response.ok) throw new Error(text.slice(0, 500));
  return text;
};

try {
  const all = Array.from({ length: ROWS }, (_, i) => rowAt(i));
  const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  console.log(`${ROWS} rows, median of ${REPETITIONS}; rows/s over all, CPU of this process per million rows, bytes per row`);
  for (const size of SIZES.filter((one) => one <= ROWS)) {
    const runs = new Map(Object.keys(FORMATS).map((format) => [format, []]));
    const bytes = new Map();
    for (let repetition = 0; repetition < REPETITIONS; repetition += 1) {
      for (const [format, encode] of Object.entries(FORMATS)) {
        await send('DROP TABLE IF EXISTS t SYNC');
        await send(
          `CREATE TABLE t (${COLUMNS.map((column) => column.join(' ')).join(', ')}) ENGINE = ReplacingMergeTree(_version) ORDER BY (customer_id, window_start, _topic, _partition) SETTINGS non_replicated_deduplication_window = 1000`,
        );
        const rows = size < 1_000 ? all.slice(0, size * 100) : all;
        const cpu = process.cpuUsage();
        const began = performance.now();
        let sent = 0;
        for (let at = 0; at < rows.length; at += size) {
          const body = encode(rows.slice(at, at + size));
          sent += Buffer.byteLength(body);
          await send(`INSERT INTO t FORMAT ${format}`, body, {
            input_format_parallel_parsing: 0,
            max_insert_threads: 1,
            insert_deduplication_token: `${repetition}-${format}-${at}`,
            min_insert_block_size_rows: 100_000_000,
            max_insert_block_size: 100_000_000,
          });
        }
        const ms = performance.now() - began;
        const { user, system } = process.cpuUsage(cpu);
        runs.get(format).push({ rate: (rows.length / ms) * 1_000, cpu: (user + system) / rows.length });
        bytes.set(format, sent / rows.length);
      }
    }
    for (const [format, measured] of runs) {
      console.log(
        `${String(size).padStart(7)} rows  ${format.padEnd(20)} ${Math.round(median(measured.map(({ rate }) => rate)))
          .toLocaleString('en-US')
          .padStart(9)} rows/s  ${median(measured.map((one) => one.cpu)).toFixed(2)} s/M  ${bytes.get(format).toFixed(0)} B`,
      );
    }
  }
} finally {
  await services.release();
}
