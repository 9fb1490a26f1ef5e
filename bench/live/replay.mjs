// replay.mjs: live folding at RATE events a second while EVENTS of history are folded again, with one worker; without and with --yield-to-live. Prints a RESULT each.
import pg from 'pg';
import { connect, TOKENS } from 'refold';
import { avroTypes, env, generate } from '../peers/node/common.mjs';
import { appsOf, schemas } from '../refold/app.mjs';

const RATE = Number(process.env.RATE ?? 1_000);
const EVENTS = Number(process.env.EVENTS ?? 1_000_000);
const YIELD_MS = Number(process.env.YIELD_MS ?? 1_000);
const WARM_MS = 5_000;
const TICK_MS = 5;
const CHUNK = 5_000;
const LIVE_SECONDS = 120;
const workload = process.argv[2] ?? 'w1';
const topic = `replay-${workload}-${String(Date.now())}`;
const [before, after] = appsOf(workload, topic);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A database of its own, so that it can be run again and again. */
const freshDatabase = async () => {
  const name = topic.replaceAll('-', '_');
  const client = new pg.Client({ connectionString: env.PGURL });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  const url = new URL(env.PGURL);
  url.pathname = `/${name}`;
  return url.href;
};
const postgresUrl = await freshDatabase();

const quiet = { log: (level, message, facts) => level === 'error' && process.stderr.write(`${message} ${JSON.stringify(facts)}\n`), child: () => quiet };
const open = (app) =>
  connect(app, {
    configuration: { postgresUrl, kafka: { brokers: [env.BROKER] } },
    environment: {},
    logger: quiet,
    configure: (container) => container.registerInstance(TOKENS.registry, schemas),
  });

const types = avroTypes();
const encoded = ({ id, key, v }) => {
  const body = types[id].toBuffer(v);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return { topic, key: Buffer.from(key), value: Buffer.concat([head, body]), headers: {} };
};

/** History, and what comes in afterwards, again and again. */
let events = generate(EVENTS + RATE * LIVE_SECONDS, env.SEED);
const liveRecords = events.slice(EVENTS).map(encoded);

/** The history, folded by version 1. */
const build = async () => {
  const connection = await open(before);
  await connection.migrate();
  const history = events.slice(0, EVENTS);
  for (let at = 0; at < history.length; at += CHUNK) {
    await connection.log.append(history.slice(at, at + CHUNK).map(encoded));
  }
  const worker = connection.worker();
  const ended = worker.run();
  while ((await connection.generations())[0]?.generation.status !== 'active') {
    await Promise.race([ended, sleep(100)]);
  }
  worker.stop();
  await ended;
  await connection.close();
};

const percentile = (sorted, share) => Number((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1));

/** When events were due to be appended, by partition and offset: a late appender counts as latency. */
class Live {
  due = new Map();
  early = new Map();
  latencies = [];
  measuring = false;
  #ended = false;
  #appends = [];

  seen({ advances, figures }) {
    for (const { partition, from, next } of advances) {
      for (let offset = from; offset < next; offset += 1) {
        this.#met(`${String(partition)}/${String(offset)}`, this.due, this.early, figures.committedAt);
      }
    }
  }

  #met(place, known, others, at) {
    const other = known.get(place);
    if (other === undefined) {
      others.set(place, at);
      return;
    }
    known.delete(place);
    if (this.measuring) {
      this.latencies.push(known === this.due ? at - other : other - at);
    }
  }

  async run(connection) {
    const begun = Date.now();
    for (let at = 0; !this.#ended;) {
      const upTo = Math.floor(((Date.now() - begun) * RATE) / 1_000);
      if (upTo > at) {
        const [from, batch] = [at, Array.from({ length: upTo - at }, (_, i) => liveRecords[(at + i) % liveRecords.length])];
        this.#appends.push(
          connection.log.append(batch).then((positions) =>
            positions.forEach(({ partition, offset }, i) => {
              this.#met(`${String(partition)}/${String(offset)}`, this.early, this.due, begun + ((from + i) * 1_000) / RATE);
            }),
          ),
        );
        at = upTo;
      }
      await sleep(TICK_MS);
    }
    await Promise.all(this.#appends);
  }

  end() {
    this.#ended = true;
  }
}

/** TRACE=1: each second the worst live latency, what was folded again and how long the event loop was away. */
const traceOf = (live) => {
  let [folded, commits, away, last, commitMs, foldMs] = [0, 0, 0, Date.now(), 0, 0];
  let seen = 0;
  setInterval(() => {
    away = Math.max(away, Date.now() - last - 10);
    last = Date.now();
  }, 10).unref();
  setInterval(() => {
    const recent = live.latencies.slice(seen);
    seen = live.latencies.length;
    const worst = recent.reduce((a, b) => Math.max(a, b), 0);
    process.stderr.write(
      `live ${String(recent.length)} worst ${worst.toFixed(0)} ms; folded ${String(folded)} in ${String(commits)} commits of ${commitMs.toFixed(0)} ms, fold ${foldMs.toFixed(0)}; loop away ${String(away)} ms\n`,
    );
    [folded, commits, away, commitMs, foldMs] = [0, 0, 0, 0, 0];
  }, 1_000).unref();
  return (generation, event) => {
    if (generation.status === 'candidate' && event.kind === 'committed') {
      commits += 1;
      folded += event.advances.reduce((sum, { from, next }) => sum + next - from, 0);
      commitMs = Math.max(commitMs, event.figures.commitMs);
      foldMs = Math.max(foldMs, event.figures.foldMs);
    }
  };
};

const measure = async (connection, pace) => {
  const live = new Live();
  const trace = process.env.TRACE ? traceOf(live) : () => undefined;
  const worker = connection.worker({
    observe: (generation, event) => {
      trace(generation, event);
      return generation.status === 'active' && event.kind === 'committed' && live.seen(event);
    },
  });
  const ended = worker.run();
  const appending = live.run(connection);
  await sleep(WARM_MS);
  const name = after.projections[0].name;
  const { id } = await connection.replays.start({ projections: [{ name, version: 2 }], pace });
  live.measuring = true;
  const begun = Date.now();
  const folded = new AbortController();
  let seconds = 0;
  await connection.replays.runUntil(id, 'ready', {
    signal: folded.signal,
    onProgress: ({ state }) => {
      if (!['planned', 'provisioning', 'replaying'].includes(state) && seconds === 0) {
        seconds = (Date.now() - begun) / 1_000;
        folded.abort();
      }
    },
  });
  live.measuring = false;
  live.end();
  await connection.replays.abort(id);
  await appending;
  worker.stop();
  await ended;
  const sorted = live.latencies.sort((a, b) => a - b);
  const figures = { p50_ms: percentile(sorted, 0.5), p95_ms: percentile(sorted, 0.95), p99_ms: percentile(sorted, 0.99), max_ms: percentile(sorted, 1) };
  const replay = { replayed: EVENTS, replay_s: Number(seconds.toFixed(1)), events_per_s: Math.round(EVENTS / seconds) };
  process.stdout.write(`RESULT ${JSON.stringify({ workload, pace, rate: RATE, ...replay, measured: sorted.length, ...figures })}\n`);
};

await build();
events = []; // else collecting garbage takes seconds
const connection = await open(after);
for (const pace of process.env.ONLY === 'yield' ? [{ yieldMs: YIELD_MS }] : [{}, { yieldMs: YIELD_MS }]) {
  await measure(connection, pace);
}
await connection.close();
