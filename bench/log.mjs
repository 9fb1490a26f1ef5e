#!/usr/bin/env node
// npm run bench:log: the log of refold beside bare kafkajs on the same topic, each run in a process of its own and all of
// them in turn. Starts a broker of its own and writes RESULTS-log.md.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { machine, revision } from './machine.mjs';

const here = import.meta.dirname;
const root = path.resolve(here, '..');
const peers = path.join(here, 'peers');
const { values } = parseArgs({
  options: {
    reps: { type: 'string', default: '5' },
    events: { type: 'string', default: '1000000' },
    out: { type: 'string', default: path.join(here, 'RESULTS-log.md') },
  },
});
const environment = {
  ...process.env,
  WORKDIR: path.join(here, 'work'),
  NODE_MODULES: path.join(root, 'node_modules'),
  KAFKA_LIBS: path.join(root, 'services', 'kafka', 'libs'),
  N: values.events,
};
const within = (script) => ['-c', `. '${peers}/env.sh'; ${script}`];
const bash = (args, options = {}) => {
  const { status, stdout } = spawnSync('bash', args, { cwd: root, env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options });
  if (status !== 0) {
    throw new Error(`bash ${args.join(' ')} failed`);
  }
  return stdout ?? '';
};

/** What is measured, against what, and the ratio of rates (or of CPU) that is to be kept. */
const PAIRS = [
  ['consume-refold', 'consume-kafkajs', 'read, values touched'],
  ['decode-refold', 'decode-kafkajs', 'read and decode whole events'],
  ['produce-refold', 'produce-kafkajs', 'append in calls of 2,000 records'],
  ['produce-refold-4', 'produce-kafkajs', 'the same, four calls at once'],
  ['slow-one', 'slow-none', 'seven partitions beside one that takes 2 s per batch'],
];
const NAMES = [...new Set(PAIRS.flatMap(([own, other]) => [other, own])), 'idle-refold'];

const median = (figures) => [...figures].sort((a, b) => a - b)[Math.floor(figures.length / 2)];
const spread = (figures, digits) =>
  `${Math.min(...figures).toFixed(digits)} / **${median(figures).toFixed(digits)}** / ${Math.max(...figures).toFixed(digits)}`;
const table = (head, rows) => [`| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');

const measure = (name) => {
  const out = bash(within(`node --max-old-space-size=6000 '${path.join(here, 'log', 'client.mjs')}' ${name}`));
  const result = JSON.parse(/^RESULT (.*)$/m.exec(out)?.[1] ?? 'null');
  if (result === null) {
    throw new Error(`${name} told no result:\n${out}`);
  }
  return result;
};

const bench = () => {
  const built = revision(root);
  bash(['-c', 'npm run -s build && node services/kafka/fetch-libraries.mjs >&2']);
  bash([path.join(peers, 'up.sh')]);
  try {
    bash(within(`node --max-old-space-size=6000 '${path.join(peers, 'node', 'load.mjs')}'`));
    const runs = new Map(NAMES.map((name) => [name, []]));
    for (let rep = 1; rep <= Number(values.reps); rep += 1) {
      for (const name of NAMES) {
        const result = measure(name);
        runs.get(name).push(result);
        process.stdout.write(`${name} #${String(rep)}: ${JSON.stringify(result)}\n`);
      }
    }
    const rate = ({ events, wall_s: wall }) => events / wall / 1_000;
    const cpu = ({ events, cpu_work_s: work }) => (work / events) * 1e6;
    const figures = NAMES.filter((name) => name !== 'idle-refold').map((name) => {
      const own = runs.get(name);
      return [name, spread(own.map(rate), 0), spread(own.map(cpu), 2), String(Math.round(median(own.map(({ rss_mb: rss }) => rss))))];
    });
    const ratios = PAIRS.map(([own, other, what]) => {
      const pairs = runs.get(own).map((one, at) => [one, runs.get(other)[at]]);
      return [
        what,
        own,
        other,
        spread(
          pairs.map(([a, b]) => rate(a) / rate(b)),
          2,
        ),
        spread(
          pairs.map(([a, b]) => cpu(a) / cpu(b)),
          2,
        ),
      ];
    });
    const idle = runs.get('idle-refold').map(({ cpu_work_s: work, wall_s: wall }) => (100 * work) / wall);
    const facts = machine(root, built, within('"$PGBIN/psql" "$PGURL" -Atc "SHOW server_version"'), environment).filter(([what]) => what !== 'PostgreSQL');
    const text = `# The log beside bare kafkajs

Written by \`npm run bench:log\`, ${values.reps} interleaved repetitions, ${values.events} events of about 100 bytes in 4 partitions; appended records carry five headers. Figures are min / **median** / max.

${table(['what', 'on which'], facts)}

${table(['run', 'thousand events/s', 'CPU-s per million', 'peak memory, MB'], figures)}

${table(['what', 'run', 'against', 'speed (above 1: faster)', 'CPU (below 1: less)'], ratios)}

A connected reader with nothing to read takes ${spread(idle, 2)} % of one core.
`;
    fs.writeFileSync(values.out, text);
    process.stdout.write(`${path.relative(root, values.out)} is written\n`);
  } finally {
    bash([path.join(peers, 'down.sh')]);
  }
};

try {
  bench();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
