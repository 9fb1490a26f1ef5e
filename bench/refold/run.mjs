// run.mjs w1|w2: folds TOPIC from offset zero to the end offsets seen at its start, by the contract in bench/peers/README.md.
import { connect, TOKENS } from 'refold';
import { env, report, startClock } from '../peers/node/common.mjs';
import { appOf, schemas } from './app.mjs';

const [workload] = process.argv.slice(2);

const toStderr = {
  log: (level, message, facts) => level !== 'debug' && level !== 'info' && process.stderr.write(`${level}: ${message} ${JSON.stringify(facts)}\n`),
  child: () => toStderr,
};

const connection = await connect(appOf(workload, env.TOPIC), {
  configuration: { postgresUrl: env.PGURL, kafka: { brokers: [env.BROKER] } },
  environment: {},
  logger: toStderr,
  configure: (container) => container.registerInstance(TOKENS.registry, schemas),
});
await connection.migrate();

const left = new Map((await connection.log.heads([env.TOPIC])).filter(({ end }) => end > 0).map(({ partition, end }) => [partition, end]));
let events = 0;
let batches = 0;
const committed = ({ advances }) => {
  batches += 1;
  for (const { partition, next, counters } of advances) {
    events += counters.applied;
    if (next >= left.get(partition)) {
      left.delete(partition);
    }
  }
  if (left.size === 0) {
    report({ events, batches, avg_batch: Math.round(events / batches) });
  }
};

startClock();
let fault;
const worker = connection.worker({
  observe: (_, event) => {
    if (event.kind === 'committed' && left.size > 0) {
      committed(event);
    }
    if (event.kind === 'stopped') {
      fault = event.failure.error;
    }
  },
});
const ended = worker.run();
const active = async () => (await connection.generations())[0]?.generation.status === 'active';
while (fault === undefined && (left.size > 0 || !(await active()))) {
  // The view appears when the first build becomes active, a moment after the last commit; the clock is stopped by then.
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 50))]);
}
worker.stop();
await ended;
await connection.close();
if (fault !== undefined) {
  throw fault;
}
