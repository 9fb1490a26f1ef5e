#!/usr/bin/env node
// Whether an event costs more where there are more: npm run build && node bench/growth.mjs [REPETITIONS]
// Ten times as many events (ten months of other orders), and twenty times as many customers. Prints what RESULTS-growth.md has.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const here = import.meta.dirname;
const root = path.resolve(here, '..');
const peers = path.join(here, 'peers');
const { Client } = createRequire(import.meta.url)('pg');
const repetitions = Number(process.argv[2] ?? 3);
const environment = {
  ...process.env,
  WORKDIR: path.join(here, 'work'),
  NODE_MODULES: path.join(root, 'node_modules'),
  KAFKA_LIBS: path.join(root, 'services', 'kafka', 'libs'),
};
const MILLION = 1_000_000;
const CASES = [
  { name: '1 M events, 50 k customers', topic: 'growth_1', months: 1, customers: 50_000 },
  { name: '10 M events, 50 k customers', topic: 'growth_10', months: 10, customers: 50_000 },
  { name: '1 M events, 1 M customers', topic: 'growth_keys', months: 1, customers: MILLION },
];
const TABLES = { w1: 'order_summary', w2: 'hourly_customer' };
const HZ = 100;

const shell = (script, extra = {}) => {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `. '${peers}/env.sh'; ${script}`], {
    cwd: root,
    env: { ...environment, ...extra },
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  if (status !== 0) {
    throw new Error(`${script} failed: ${stderr.slice(-2_000)}`);
  }
  return stdout;
};
const fieldsOf = (pid) => {
  const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
};
/** Seconds of CPU of a process and of the children that it has and had. */
const cpuOf = (pid) =>
  fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .reduce(
      (sum, name) => {
        try {
          const fields = fieldsOf(name);
          return fields[1] === Number(pid) ? sum + (fields[11] + fields[12]) / HZ : sum;
        } catch {
          return sum; // ended meanwhile
        }
      },
      fieldsOf(pid)
        .slice(11, 15)
        .reduce((a, b) => a + b, 0) / HZ,
    );

const query = async (url, sql) => {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
};

const measure = async (workload, { topic, months, customers }) => {
  const url = shell('echo $PGURL').trim();
  const own = url.replace(/\/[^/]*$/, '/growth');
  await query(url, 'DROP DATABASE IF EXISTS growth WITH (FORCE)');
  await query(url, 'CREATE DATABASE growth');
  await query(url, 'CHECKPOINT');
  const server = shell('echo $PG_PID').trim();
  const before = cpuOf(server);
  const out = shell(`PGURL='${own}' node bench/refold/run.mjs ${workload}`, { TOPIC: topic, N: String(months * MILLION), CUSTOMERS: String(customers) });
  const postgres = cpuOf(server) - before;
  const result = JSON.parse(/^RESULT (.*)$/m.exec(out)[1]);
  const [{ rows, n }] = await query(own, `SELECT count(*)::int AS rows, sum(n)::int AS n FROM ${TABLES[workload]}`);
  if (n !== months * MILLION) {
    throw new Error(`${workload} of ${topic}: ${String(n)} events in the rows`);
  }
  const perMillion = (seconds) => seconds / months;
  return { wall: perMillion(result.wall_s), cpu: perMillion(result.cpu_s), postgres: perMillion(postgres), rss: result.rss_mb, batches: result.batches, rows };
};

shell(`bash '${peers}/up.sh'`);
for (const { topic, months, customers } of CASES) {
  shell(`node --max-old-space-size=8000 '${peers}/node/load.mjs'`, { TOPIC: topic, N: String(MILLION), MONTHS: String(months), CUSTOMERS: String(customers) });
  process.stdout.write(`loaded ${topic}\n`);
}
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const all = new Map();
for (let repetition = 0; repetition < repetitions; repetition += 1) {
  for (const workload of ['w1', 'w2']) {
    for (const one of CASES) {
      const figures = await measure(workload, one);
      const key = `${workload.toUpperCase()} | ${one.name}`;
      all.set(key, [...(all.get(key) ?? []), figures]);
      process.stdout.write(`${key} ${JSON.stringify(figures)}\n`);
    }
  }
}
process.stdout.write(
  '\n| workload | events, customers | seconds | CPU of the worker | CPU of PostgreSQL | peak memory, MiB | rows | commits |\n|---|---|---|---|---|---|---|---|\n',
);
for (const [key, figures] of all) {
  const of = (name, digits = 2) => median(figures.map((one) => one[name])).toFixed(digits);
  process.stdout.write(`| ${key} | ${of('wall')} | ${of('cpu')} | ${of('postgres')} | ${of('rss', 0)} | ${of('rows', 0)} | ${of('batches', 0)} |\n`);
}
