#!/usr/bin/env node
// What looking up one group costs among many: npm run build && node bench/lookup.mjs [GROUPS] [LOOKUPS] [--finals]
// One worker folds a log of four partitions, over which the events of each group are spread, into the read models below. Then
// groups are looked up at random by the views that readers use, beside a bare look-up by primary key in a MergeTree table of
// the same rows in one part; all in turn. Every row is compared with what it has to be. Prints a table in Markdown.
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { connect, count, defineApp, defineEventType, integer, max, projection, readModel, sum, text, tumbling, windowEnd, windowStart } from 'refold';

const require = createRequire(import.meta.url);
const { Client } = require('pg');
const { createClient } = require('@clickhouse/client');
const { acquireServices } = require('../dist/app/services/services.js');

const [wantedGroups = 2_500_000, LOOKUPS = 5_000] = process.argv
  .slice(2)
  .filter((word) => !word.startsWith('--'))
  .map(Number);
const WITH_FINALS = process.argv.includes('--finals');
const HOUR = 3_600_000;
const BEGIN = Date.UTC(2026, 0, 1);
const DEVICES = 5_000;
const HOURS = Math.ceil(wantedGroups / DEVICES);
const GROUPS = DEVICES * HOURS;
const MOST = 3; // contributions of one group, before the small commits
const SMALL = { commits: 20, events: 200 };
const LEAST = 2; // contributions that `having` asks for
/** Hours that are still open for finals at the end. */
const OPEN = 2;

class Reading {
  constructor(id, device, amount, at) {
    Object.assign(this, { id, device, amount, at });
  }
}
defineEventType(Reading, {
  name: 'bench.Reading',
  version: 1,
  topic: 'readings',
  key: (e) => e.id,
  time: (e) => e.at,
  schema: {
    type: 'record',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'device', type: 'string' },
      { name: 'amount', type: 'int' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ],
  },
});

/** Scatters numbers: the same in every run. */
const scattered = (n) => {
  let h = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};
const contributionsOf = (group) => 1 + (scattered(group) % MOST);
const amountOf = (group, nth) => 1 + (scattered(group * 7 + nth) % 1_000);
/** A group is an hour of a device; its events have ids of their own, so they lie in any partition. */
const readingOf = (hour, device, nth, offset = (nth * DEVICES + device) / (MOST * DEVICES)) => {
  const group = hour * DEVICES + device;
  return new Reading(`${String(group)}-${String(nth)}`, `d${String(device)}`, amountOf(group, nth), new Date(BEGIN + Math.floor((hour + offset) * HOUR)));
};
const readingsOf = (hour) =>
  Array.from({ length: MOST }, (_, nth) =>
    Array.from({ length: DEVICES }, (__, device) => device)
      .filter((device) => nth < contributionsOf(hour * DEVICES + device))
      .map((device) => readingOf(hour, device, nth)),
  ).flat();
/** What a group shows: `count` contributions. */
const wantedOf = (group, contributions) => {
  const amounts = Array.from({ length: contributions }, (_, nth) => amountOf(group, nth));
  return { n: contributions, total: amounts.reduce((a, b) => a + b, 0), largest: Math.max(...amounts) };
};

const columns = () => ({
  device: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  n: count(),
  total: sum(integer()),
  largest: max(integer()),
});
const ALL = { window: tumbling('1 hour', { grace: '400 days' }) };
const FINAL = { window: tumbling('1 hour', { grace: '1 hour' }), emit: 'final', having: { column: 'n', is: '>=', value: LEAST } };
const MODELS = [
  { name: 'merged', title: 'PostgreSQL, merged', store: 'postgres', storage: 'merged', ...ALL },
  { name: 'partials', title: 'PostgreSQL, partials', store: 'postgres', storage: 'partials', ...ALL },
  { name: 'sums', title: 'ClickHouse (partials)', store: 'clickhouse', ...ALL },
  ...(WITH_FINALS
    ? [
        { name: 'finals', title: 'PostgreSQL, partials, finals with `having`', store: 'postgres', storage: 'partials', ...FINAL },
        { name: 'final_sums', title: 'ClickHouse, finals with `having`', store: 'clickhouse', ...FINAL },
      ]
    : []),
];
const projections = MODELS.map(({ name, title: _, ...options }) => {
  const into = readModel(name, columns());
  return projection({ name, version: 1, into, ...options }).on(Reading, (e) =>
    into.contribution({ device: e.device }, { n: 1, total: e.amount, largest: e.amount }),
  );
});

const folder = mkdtempSync(path.join(tmpdir(), 'refold-lookup-'));
const services = await acquireServices({ folder, want: { postgres: true, clickhouse: true }, environment: {} });
const { postgresUrl, clickhouseUrl } = services;
const app = defineApp({ name: 'bench', events: [Reading], projections, topics: { readings: { partitions: 4 } } });
const connection = await connect(app, { configuration: { postgresUrl, clickhouseUrl }, environment: {} });
const postgres = new Client({ connectionString: postgresUrl });
const clickhouse = createClient({ url: clickhouseUrl });
const say = (text) => process.stderr.write(`${new Date().toISOString()} ${text}\n`);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const isFolded = async () => {
  const ends = new Map((await connection.log.heads(['readings'])).map(({ partition, end }) => [partition, end]));
  const states = await connection.generations();
  return (
    states.length === MODELS.length &&
    states.every(
      ({ generation, checkpoints }) =>
        generation.status === 'active' && checkpoints.length === ends.size && checkpoints.every(({ partition, next }) => next >= ends.get(partition)),
    )
  );
};

/** Groups that got one contribution more in small commits. */
const touched = new Set();
const fill = async () => {
  await connection.migrate();
  for (let hour = 0; hour < HOURS; hour += 1) {
    await connection.emit(readingsOf(hour));
  }
  say('emitted');
  let fault;
  const worker = connection.worker({ observe: (_, event) => event.kind === 'stopped' && (fault = event.failure.error) });
  const ended = worker.run();
  const folded = async () => {
    while (!(await isFolded())) {
      await Promise.race([ended, pause(50)]);
      if (fault !== undefined) {
        throw fault;
      }
    }
  };
  await folded();
  say('folded');
  for (let commit = 0; commit < SMALL.commits; commit += 1) {
    const groups = Array.from({ length: SMALL.events }, (_, i) => scattered(commit * SMALL.events + i + GROUPS) % GROUPS).filter(
      (group) => !touched.has(group),
    );
    const distinct = [...new Set(groups)];
    distinct.forEach((group) => touched.add(group));
    await connection.emit(distinct.map((group) => readingOf(Math.floor(group / DEVICES), group % DEVICES, contributionsOf(group), 0.999)));
    await folded();
  }
  worker.stop();
  await ended;
};

const WHERE = { postgres: 'device = $1 AND window_start = $2', clickhouse: "device = {device:String} AND window_start = {start:DateTime64(3, 'UTC')}" };
const askPostgres = (name) => async (device, start) => {
  const statement = `SELECT device, window_start, window_end, n, total, largest FROM ${name} WHERE ${WHERE.postgres}`;
  const began = performance.now();
  const { rows } = await postgres.query(statement, [device, start]);
  const client = performance.now() - began;
  const { rows: explained } = await postgres.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${statement}`, [device, start]);
  const [{ 'Planning Time': planning, 'Execution Time': execution }] = explained[0]['QUERY PLAN'];
  return { rows, client, server: planning + execution };
};
const askClickHouse = (name) => async (device, start) => {
  const began = performance.now();
  const result = await clickhouse.query({
    query: `SELECT device, window_start, window_end, n, total, largest FROM ${name} WHERE ${WHERE.clickhouse}`,
    query_params: { device, start },
    format: 'JSON',
  });
  const { data, statistics } = await result.json();
  const rows = data.map((row) => ({
    ...row,
    window_start: new Date(`${row.window_start.replace(' ', 'T')}Z`),
    window_end: new Date(`${row.window_end.replace(' ', 'T')}Z`),
  }));
  return { rows, client: performance.now() - began, server: statistics.elapsed * 1_000 };
};

/** The contributions of a group that a model shows; none: it does not show the group. */
const shownBy = ({ emit }, group) => {
  if (emit === 'final') {
    const n = contributionsOf(group); // the small commits came too late
    return n >= LEAST && group < (HOURS - OPEN) * DEVICES ? n : 0;
  }
  return contributionsOf(group) + (touched.has(group) ? 1 : 0);
};
const requireRight = (candidate, group, rows) => {
  const contributions = shownBy(candidate, group);
  const start = new Date(BEGIN + Math.floor(group / DEVICES) * HOUR);
  const wanted =
    contributions === 0 ? [] : [{ device: `d${String(group % DEVICES)}`, start, end: new Date(start.getTime() + HOUR), ...wantedOf(group, contributions) }];
  const found = rows.map((row) => ({
    device: row.device,
    start: row.window_start,
    end: row.window_end,
    n: Number(row.n),
    total: Number(row.total),
    largest: Number(row.largest),
  }));
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`${candidate.title}: ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`);
  }
};

const makeBare = async () => {
  await clickhouse.command({ query: 'CREATE TABLE bare ENGINE = MergeTree ORDER BY (device, window_start) AS SELECT * FROM sums' });
  await clickhouse.command({ query: 'OPTIMIZE TABLE bare FINAL' });
};
const clickhouseRows = async (query) => (await clickhouse.query({ query, format: 'JSONEachRow' })).json();
/** Rows as they are stored: several of a group, or the models would not be what is to be measured. */
const storedRows = async () => {
  const { rows } = await postgres.query(
    `SELECT t.relname AS name, t.n_live_tup::bigint AS rows FROM pg_stat_user_tables t WHERE t.relname LIKE '%_partials' OR t.relname LIKE 'merged\\_\\_%'`,
  );
  const parts = await clickhouseRows(
    "SELECT table AS name, toUInt32(sum(rows)) AS rows, toUInt32(count()) AS parts FROM system.parts WHERE active AND database = currentDatabase() AND (table LIKE '%_partials' OR table = 'bare') GROUP BY table ORDER BY table",
  );
  return [...rows, ...parts];
};

const measure = async () => {
  const bare = { name: 'bare', title: 'ClickHouse, bare table by primary key', ...ALL };
  const candidates = [...MODELS, bare].map((model) => ({
    ...model,
    ask: (model.store === 'postgres' ? askPostgres : askClickHouse)(model.name),
    server: [],
    client: [],
  }));
  for (let i = -200; i < LOOKUPS; i += 1) {
    const group = scattered(i * 3 + 11) % GROUPS;
    const among = i % 2 === 0 || touched.size === 0 ? group : [...touched][scattered(i) % touched.size]; // half of them from the small commits
    const device = `d${String(among % DEVICES)}`;
    const start = new Date(BEGIN + Math.floor(among / DEVICES) * HOUR);
    for (const candidate of candidates.toSorted(() => Math.random() - 0.5)) {
      const { rows, server, client } = await candidate.ask(device, start);
      requireRight(candidate, among, rows);
      if (i >= 0) {
        candidate.server.push(server);
        candidate.client.push(client);
      }
    }
  }
  return candidates;
};

const at = (values, share) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const report = (candidates) => {
  const bare = candidates.find(({ name }) => name === 'bare');
  process.stdout.write('| look-up by | server p50, ms | server p99 | client p50 | client p99 | of bare, p50 | of bare, p99 |\n|---|---|---|---|---|---|---|\n');
  for (const { title, store, server, client } of candidates) {
    const ratio = (share) => (store === 'clickhouse' ? (at(server, share) / at(bare.server, share)).toFixed(2) : '');
    const figures = [at(server, 0.5), at(server, 0.99), at(client, 0.5), at(client, 0.99)].map((ms) => ms.toFixed(2));
    process.stdout.write(`| ${[title, ...figures, ratio(0.5), ratio(0.99)].join(' | ')} |\n`);
  }
};

try {
  await fill();
  say('filled');
  await postgres.connect();
  await makeBare();
  say(JSON.stringify(await storedRows()));
  if (process.argv.includes('--explain')) {
    const example = `device = 'd7' AND window_start = '2026-01-01 03:00:00`;
    for (const { name, store } of MODELS) {
      const explained =
        store === 'postgres'
          ? (await postgres.query(`EXPLAIN ANALYZE SELECT * FROM ${name} WHERE ${example}+00'`)).rows
          : await clickhouseRows(`EXPLAIN indexes = 1, actions = 0 SELECT * FROM ${name} WHERE ${example}'`);
      say(`${name}\n${explained.map((line) => Object.values(line)[0]).join('\n')}`);
    }
  }
  const candidates = await measure();
  say(JSON.stringify(await storedRows()));
  report(candidates);
} finally {
  await postgres.end().catch(() => undefined);
  await clickhouse.close();
  await connection.close();
  await services.release();
  rmSync(folder, { recursive: true, force: true });
}
