#!/usr/bin/env node
// What windows cost that overlap: npm run build && node bench/windows.mjs [REPETITIONS]
// One worker folds the same events into windows of several kinds, log and read models in an embedded PostgreSQL of its own.
// Every table is compared with what a plain loop over the events makes of it. Prints a table in Markdown.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, count, defineApp, defineEventType, hopping, integer, projection, readModel, sum, text, tumbling, windowStart } from 'refold';

const repetitions = Number(process.argv[2] ?? 3);
const BEGIN = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const GRACE = '1 hour';

class Reading {
  constructor(device, amount, at) {
    Object.assign(this, { device, amount, at });
  }
}
defineEventType(Reading, {
  name: 'bench.Reading',
  version: 1,
  topic: 'readings',
  key: (e) => e.device,
  time: (e) => e.at,
  schema: {
    type: 'record',
    fields: [
      { name: 'device', type: 'string' },
      { name: 'amount', type: 'int' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ],
  },
});

/** A generator of its own, so that every run folds the same. */
const random = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
const eventsOf = ({ events, devices, stepMs }) => {
  const next = random(7);
  return Array.from({ length: events }, (_, i) => {
    const at = BEGIN + Math.floor(i * stepMs - next() * stepMs * 20);
    return new Reading(`d${String(Math.floor(next() * devices))}`, 1 + Math.floor(next() * 100), new Date(at));
  });
};

const DENSE = { events: 1_000_000, devices: 200, stepMs: 2_592 }; // 30 days, 7 events of a device an hour
const FAST = { events: 200_000, devices: 20, stepMs: 5 }; // 1,000 seconds, 10 events of a device a second
const CASES = [
  { name: 'tumbling, 1 h', data: DENSE, window: tumbling('1 hour', { grace: GRACE }), sizeMs: HOUR, advanceMs: HOUR },
  {
    name: 'hopping, 1 h by 5 min (12 windows)',
    data: DENSE,
    window: hopping('1 hour', { advance: '5 minutes', grace: GRACE }),
    sizeMs: HOUR,
    advanceMs: HOUR / 12,
  },
  {
    name: 'hopping, 10 s by 100 ms (100 windows)',
    data: FAST,
    window: hopping('10 seconds', { advance: 100, grace: '10 seconds' }),
    sizeMs: 10_000,
    advanceMs: 100,
  },
  {
    name: 'the same, kept by group',
    data: FAST,
    storage: 'groups',
    window: hopping('10 seconds', { advance: 100, grace: '10 seconds' }),
    sizeMs: 10_000,
    advanceMs: 100,
  },
];

const naive = (events, { sizeMs, advanceMs }) => {
  const rows = new Map();
  for (const { device, amount, at } of events) {
    const time = at.getTime();
    for (let start = Math.floor(time / advanceMs) * advanceMs; start > time - sizeMs; start -= advanceMs) {
      const key = `${device} ${String(start)}`;
      const row = rows.get(key) ?? { n: 0, total: 0 };
      row.n += 1;
      row.total += amount;
      rows.set(key, row);
    }
  }
  return rows;
};

const model = readModel('windows', { device: text().key(), window_start: windowStart(), n: count(), total: sum(integer()) });
const measure = async (one, events) => {
  const projected = projection({
    name: 'windows',
    version: 1,
    into: model,
    window: one.window,
    ...(one.storage === undefined ? {} : { storage: one.storage }),
  }).on(Reading, (e) => model.contribution({ device: e.device }, { n: 1, total: e.amount }));
  const folder = mkdtempSync(path.join(tmpdir(), 'refold-windows-'));
  const app = defineApp({ name: 'bench', events: [Reading], projections: [projected], topics: { readings: { partitions: 4 } } });
  const connection = await connect(app, { configuration: { servicesFolder: folder }, environment: {} });
  try {
    await connection.migrate();
    for (let i = 0; i < events.length; i += 5_000) {
      await connection.emit(events.slice(i, i + 5_000));
    }
    const began = process.hrtime.bigint();
    const cpu = process.cpuUsage();
    const worker = connection.worker();
    const ended = worker.run();
    while ((await connection.generations())[0]?.generation.status !== 'active') {
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
    const wall = Number(process.hrtime.bigint() - began) / 1e9;
    const { user, system } = process.cpuUsage(cpu);
    worker.stop();
    await ended;
    const wanted = naive(events, one);
    const rows = await connection.query('windows');
    for (const { device, window_start: start, n, total } of rows) {
      const row = wanted.get(`${device} ${String(start.getTime())}`);
      if (row?.n !== Number(n) || row.total !== Number(total)) {
        throw new Error(`${one.name}: ${device} at ${start.toISOString()} is ${String(n)}, ${String(total)}, wanted ${JSON.stringify(row)}`);
      }
    }
    if (rows.length !== wanted.size) {
      throw new Error(`${one.name}: ${String(rows.length)} rows, wanted ${String(wanted.size)}`);
    }
    return { wall, cpu: (user + system) / 1e6, rows: rows.length };
  } finally {
    await connection.close();
    rmSync(folder, { recursive: true, force: true });
  }
};

const all = new Map(CASES.map(({ name }) => [name, []]));
for (let repetition = 0; repetition < repetitions; repetition += 1) {
  for (const one of CASES) {
    const figures = await measure(one, eventsOf(one.data));
    all.get(one.name).push(figures);
    process.stderr.write(`${one.name} ${JSON.stringify(figures)}\n`);
  }
}
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
process.stdout.write('| windows | events | rows | events/s | CPU-s of the process per million events |\n|---|---|---|---|---|\n');
for (const { name, data } of CASES) {
  const runs = all.get(name);
  const wall = median(runs.map((run) => run.wall));
  const cpu = (median(runs.map((run) => run.cpu)) / data.events) * 1e6;
  process.stdout.write(
    `| ${name} | ${data.events.toLocaleString('en')} | ${runs[0].rows.toLocaleString('en')} | ${Math.round(data.events / wall).toLocaleString('en')} | ${cpu.toFixed(1)} |\n`,
  );
}
