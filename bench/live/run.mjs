// run.mjs: live folding at RATE events a second for SECONDS, from append to visible row, with one worker. Prints RESULT.
import { connect, TOKENS } from 'refold';
import { avroTypes, env, generate } from '../peers/node/common.mjs';
import { appOf, schemas } from '../refold/app.mjs';

const RATE = Number(process.env.RATE ?? 1_000);
const SECONDS = Number(process.env.SECONDS ?? 30);
const WARM_SECONDS = 5;
const TICK_MS = 5;
const workload = process.argv[2];
const topic = `live-${workload}-${String(Date.now())}`;

const quiet = { log: (level, message, facts) => level === 'error' && process.stderr.write(`${message} ${JSON.stringify(facts)}\n`), child: () => quiet };
const connection = await connect(appOf(workload, topic), {
  configuration: { postgresUrl: env.PGURL, kafka: { brokers: [env.BROKER] } },
  environment: {},
  logger: quiet,
  configure: (container) => container.registerInstance(TOKENS.registry, schemas),
});
await connection.migrate();

const types = avroTypes();
const encoded = ({ id, key, v }) => {
  const body = types[id].toBuffer(v);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return { topic, key: Buffer.from(key), value: Buffer.concat([head, body]), headers: {} };
};
const records = generate(RATE * (SECONDS + WARM_SECONDS), env.SEED).map(encoded);

/** When events were due to be appended, by partition and offset: a late appender counts as latency. */
const due = new Map();
const latencies = [];
let batches = 0;
let measuring = false;
const seen = ({ advances, figures }) => {
  batches += measuring ? 1 : 0;
  for (const { partition, from, next } of advances) {
    for (let offset = from; offset < next; offset += 1) {
      const at = due.get(`${String(partition)}/${String(offset)}`);
      due.delete(`${String(partition)}/${String(offset)}`);
      if (at !== undefined && measuring) {
        latencies.push(figures.committedAt - at);
      }
      if (at === undefined) {
        early.set(`${String(partition)}/${String(offset)}`, figures.committedAt); // seen before the append was answered
      }
    }
  }
};
const early = new Map();
const worker = connection.worker({ observe: (_, event) => event.kind === 'committed' && seen(event) });
const ended = worker.run();
while ((await connection.generations())[0]?.generation.status !== 'active') {
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 50))]);
}

const begun = Date.now();
const appends = [];
for (let at = 0; at < records.length;) {
  const upTo = Math.min(records.length, Math.floor(((Date.now() - begun) * RATE) / 1_000));
  measuring ||= Date.now() - begun > WARM_SECONDS * 1_000;
  if (upTo > at) {
    const from = at;
    const counted = measuring;
    appends.push(
      connection.log.append(records.slice(from, upTo)).then((positions) =>
        positions.forEach(({ partition, offset }, i) => {
          const place = `${String(partition)}/${String(offset)}`;
          const dueAt = begun + ((from + i) * 1_000) / RATE;
          if (early.has(place)) {
            latencies.push(...(counted ? [early.get(place) - dueAt] : []));
            early.delete(place);
          } else {
            due.set(place, dueAt);
          }
        }),
      ),
    );
    at = upTo;
  }
  await new Promise((resolve) => setTimeout(resolve, TICK_MS));
}
await Promise.all(appends);
while (due.size > 0) {
  await new Promise((resolve) => setTimeout(resolve, 20));
}
worker.stop();
await ended;
await connection.close();
latencies.sort((a, b) => a - b);
const at = (share) => Number(latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))].toFixed(1));
const cpu = process.cpuUsage();
process.stdout.write(
  `RESULT ${JSON.stringify({ workload, rate: RATE, measured: latencies.length, p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99), p999_ms: at(0.999), max_ms: at(1), batches, cpu_s: (cpu.user + cpu.system) / 1e6 })}\n`,
);
