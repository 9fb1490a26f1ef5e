// hand-over.mjs: how long a partition stands still while a second worker joins and leaves, ROUNDS times, with RATE events a second. Prints RESULT.
import { performance } from 'node:perf_hooks';
import { connect, TOKENS } from 'refold';
import { avroTypes, env, generate } from '../peers/node/common.mjs';
import { appOf, schemas } from '../refold/app.mjs';

const RATE = Number(process.env.RATE ?? 1_000);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const BETWEEN_MS = 8_000;
const TICK_MS = 5;
const topic = `hand-over-${String(Date.now())}`;
const app = appOf('w1', topic);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const quiet = { log: (level, message, facts) => level === 'error' && process.stderr.write(`${message} ${JSON.stringify(facts)}\n`), child: () => quiet };
const connected = () =>
  connect(app, {
    configuration: { postgresUrl: env.PGURL, kafka: { brokers: [env.BROKER] } },
    environment: {},
    logger: quiet,
    configure: (container) => container.registerInstance(TOKENS.registry, schemas),
  });

/** Of each partition: when it was committed last, by whom, and what has been seen since the last change. */
const seen = new Map();
let sum = 0;
const commits = (owner) => (_, event) => {
  if (event.kind !== 'committed') {
    return;
  }
  for (const { partition, counters } of event.advances) {
    const now = performance.now();
    const before = seen.get(partition);
    sum += counters.applied;
    seen.set(partition, {
      at: now,
      owner,
      still: Math.max(before?.still ?? 0, before === undefined ? 0 : now - before.at),
      moved: (before?.moved ?? false) || (before !== undefined && before.owner !== owner),
    });
  }
};
const started = async (owner) => {
  const connection = await connected();
  const worker = connection.worker({ name: owner, observe: commits(owner) });
  const ended = worker.run();
  return {
    connection,
    stop: async () => {
      worker.stop();
      await ended;
      await connection.close();
    },
  };
};

const setup = await connected();
await setup.migrate();
const first = await started('first');
while ((await first.connection.generations())[0]?.generation.status !== 'active') {
  await sleep(50);
}
const types = avroTypes();
const records = generate(((2 * ROUNDS + 1) * BETWEEN_MS * RATE) / 1_000, env.SEED).map(({ id, key, v }) => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return { topic, key: Buffer.from(key), value: Buffer.concat([head, types[id].toBuffer(v)]), headers: {} };
});
const feed = (async () => {
  const begun = Date.now();
  const appends = [];
  for (let at = 0; at < records.length;) {
    const upTo = Math.min(records.length, Math.floor(((Date.now() - begun) * RATE) / 1_000));
    if (upTo > at) {
      appends.push(setup.log.append(records.slice(at, upTo)));
      at = upTo;
    }
    await sleep(TICK_MS);
  }
  await Promise.all(appends);
})();

const changes = { join: [], leave: [] };
const measured = async (kind, change) => {
  seen.forEach((one, partition) => seen.set(partition, { ...one, still: 0, moved: false }));
  const outcome = await change();
  await sleep(BETWEEN_MS);
  changes[kind].push([...seen.values()].map(({ still, moved }) => ({ still: Math.round(still), moved })));
  return outcome;
};
await sleep(BETWEEN_MS / 2);
for (let round = 0; round < ROUNDS; round += 1) {
  const second = await measured('join', () => started(`second-${String(round)}`));
  await measured('leave', () => second.stop());
}
await feed;
while (sum < records.length) {
  await sleep(50);
}
await first.stop();
const { rows } = await new (await import('pg')).default.Pool({ connectionString: env.PGURL, max: 1 }).query('SELECT sum(n)::int AS n FROM order_summary');
await setup.close();
const figures = Object.fromEntries(
  Object.entries(changes).map(([kind, all]) => {
    const moved = all
      .flat()
      .filter((one) => one.moved)
      .map(({ still }) => still)
      .sort((a, b) => a - b);
    return [
      kind,
      {
        changes: all.length,
        partitionsMoved: moved.length,
        median_ms: moved[moved.length >> 1],
        most_ms: moved.at(-1),
        most_of_any_ms: Math.max(...all.flat().map(({ still }) => still)),
      },
    ];
  }),
);
process.stdout.write(`RESULT ${JSON.stringify({ rate: RATE, events: records.length, folded: sum, inRows: rows[0].n, ...figures })}\n`);
process.exit(rows[0].n === records.length && sum === records.length ? 0 : 1);
