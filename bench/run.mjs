#!/usr/bin/env node
// npm run bench: builds refold and the yardsticks, starts a broker and PostgreSQL of its own, loads the topics, computes
// the reference, runs everything in turn and writes RESULTS.md. Exit code 1 if a table is not the reference's.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { choose, SMALL } from './choice.mjs';
import { machine, revision } from './machine.mjs';
import { reportText } from './report.mjs';

const here = import.meta.dirname;
const root = path.resolve(here, '..');
const peers = path.join(here, 'peers');
const { values } = parseArgs({
  options: {
    reps: { type: 'string', default: '3' },
    events: { type: 'string', default: '1000000' },
    only: { type: 'string' },
    all: { type: 'boolean', default: false },
    out: { type: 'string', default: path.join(here, 'RESULTS.md') },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(`npm run bench -- [--reps 3] [--events 1000000] [--all | --only RUN,RUN] [--out FILE]
  without a flag: ${SMALL.join(', ')}
  --all: also Flink, Quix, the Java limits, Postgres by COPY and by upsert, Streams without a sink
`);
  process.exit(0);
}

const events = Number(values.events);
const few = Math.min(20_000, events); // for what is too slow for more
const environment = {
  ...process.env,
  WORKDIR: path.join(here, 'work'),
  NODE_MODULES: path.join(root, 'node_modules'),
  KAFKA_LIBS: path.join(root, 'services', 'kafka', 'libs'),
  N: String(events),
  P1N: String(few),
  QN: String(Math.min(200_000, events)),
};

const run = (command, args, options = {}) => {
  const { status, error } = spawnSync(command, args, { cwd: root, env: environment, stdio: 'inherit', ...options });
  if (status !== 0) {
    throw new Error(`${[command, ...args].join(' ')} failed${error === undefined ? '' : `: ${error.message}`}`);
  }
};
/** The addresses and process ids that the scripts share. */
const within = (script) => ['-c', `. '${peers}/env.sh'; ${script}`];
const nodeScript = (name, n) => within(`N=${String(n)} node --max-old-space-size=6000 '${path.join(peers, 'node', name)}'`);

const prepare = ({ streams, flink, quix }) => {
  run('npm', ['run', 'build']);
  run('node', ['services/kafka/fetch-libraries.mjs']);
  const parts = [...(streams ? ['streams'] : []), ...(flink ? ['flink'] : []), ...(quix ? ['quix'] : [])];
  if (parts.length > 0) {
    run('bash', [path.join(peers, 'build.sh'), ...parts]);
  }
};

const load = (sizes) => {
  for (const n of sizes) {
    run('bash', nodeScript('load.mjs', n));
    run('bash', nodeScript('reference.mjs', n));
  }
};

const bench = () => {
  const chosen = choose(values, environment);
  for (const { name, reason } of chosen.leftOut) {
    process.stdout.write(`left out: ${name} (${reason})\n`);
  }
  const built = revision(root);
  prepare(chosen);
  const results = path.join(environment.WORKDIR, `results-${String(Date.now())}.jsonl`);
  environment.RESULTS = results;
  run('bash', [path.join(peers, 'up.sh')]);
  try {
    load(chosen.sizes(events, few, Number(environment.QN)));
    const { status } = spawnSync('bash', within(`node '${path.join(peers, 'node', 'bench.mjs')}' ${values.reps} ${chosen.names.join(',')}`), {
      cwd: root,
      env: environment,
      stdio: 'inherit',
    });
    process.exitCode = status === 0 ? 0 : 1;
    const lines = fs.readFileSync(results, 'utf8').trim().split('\n');
    const facts = machine(root, built, within('"$PGBIN/psql" "$PGURL" -Atc "SHOW server_version"'), environment);
    const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ');
    fs.writeFileSync(values.out, reportText({ command, facts, leftOut: chosen.leftOut, runs: lines.map((line) => JSON.parse(line)) }));
    process.stdout.write(`${path.relative(root, values.out)} is written${status === 0 ? '' : '; a run FAILED, see above'}\n`);
  } finally {
    run('bash', [path.join(peers, 'down.sh')]);
  }
};

try {
  bench();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
