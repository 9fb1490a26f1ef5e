// RESULTS.md from the lines of one bench. Pure. A run that failed or whose table was wrong is listed and never averaged.

const TITLES = {
  'lim-touch': 'limit: read',
  'lim-decode': 'limit: read and decode',
  'lim-java-touch': 'limit: read (Java)',
  'lim-java-decode': 'limit: read and decode (Java)',
  'lim-upsert-w1': 'limit: upsert of the final rows, W1 (rows)',
  'lim-upsert-w2': 'limit: upsert of the final rows, W2 (rows)',
  'lim-copy-w1': 'limit: COPY of the final rows, W1 (rows)',
  'lim-copy-w2': 'limit: COPY of the final rows, W2 (rows)',
  'p1-w1': 'naive loop, W1',
  'p1-w2': 'naive loop, W2',
  'p2-w1-c4': 'tuned loop, W1',
  'p2-w2-c4': 'tuned loop, W2',
  'p2-w2-merge-c4': 'tuned loop, W2, merging upsert',
  'refold-w1': '**refold, W1**',
  'refold-w2': '**refold, W2**',
  'p3-w1-eos': 'Kafka Streams, W1, no sink',
  'p3-w2-eos': 'Kafka Streams, W2, no sink',
  'p3-w1-eos-sink': 'Kafka Streams to Postgres, W1',
  'p3-w2-eos-sink': 'Kafka Streams to Postgres, W2',
  'p3-w1-papi-eos-sink': 'Kafka Streams (processor API) to Postgres, W1',
  'p4-w2': 'Flink to Postgres, W2',
  'p5-w2': 'quixstreams to Postgres, W2',
};

const median = (figures) => {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** `min / **median** / max`, or a dash where a run does not have the figure. */
const spread = (figures, shown) =>
  figures.length === 0 || figures.some((figure) => figure === null || figure === undefined || Number.isNaN(figure))
    ? '-'
    : `${shown(Math.min(...figures))} / **${shown(median(figures))}** / ${shown(Math.max(...figures))}`;

/** A run is quiet if others took less than a quarter of the processors. Speed is taken of quiet runs where there are some, CPU of all. */
const isQuiet = ({ foreign }) => foreign < 0.25;
const calm = (items, quiet) => (items.some(quiet) ? items.filter(quiet) : items);
const speedOf = (items, quiet, figure, shown) => `${items.length === 0 || items.some(quiet) ? '' : '(noisy) '}${spread(calm(items, quiet).map(figure), shown)}`;

const thousands = (figure) => (figure / 1000).toFixed(figure < 10_000 ? 1 : 0);
const seconds = (figure) => figure.toFixed(1);
const ratio = (figure) => figure.toFixed(2);
const share = (figure) => `${String(Math.round(figure * 100))} %`;

const table = (head, rows) => [`| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');

const titleOf = (name, n) => `${TITLES[name] ?? name}${n === undefined ? '' : ` (${String(n / 1000)}k events)`}`;

const figuresRow = (name, runs, most) => {
  const good = runs.filter(({ ok }) => ok);
  const perMillion = (field) => good.map((run) => (run[field] / run.events) * 1e6);
  const n = good[0]?.n;
  return [
    titleOf(name, n === most ? undefined : n),
    good.length === runs.length
      ? `${String(good.length)}, ${String(good.filter(isQuiet).length)} quiet`
      : `${String(good.length)}, **${String(runs.length - good.length)} FAILED**`,
    speedOf(good, isQuiet, ({ rate }) => rate, thousands),
    spread(
      good.map((run) => run.cpu_per_m),
      seconds,
    ),
    spread(perMillion('pg_cpu_s'), seconds),
    good.some((run) => run.rss_mb !== null) ? String(Math.round(median(good.map((run) => run.rss_mb)))) : '-',
    spread(
      good.map(({ foreign }) => foreign),
      share,
    ),
  ];
};

/** Pairs of the same repetition: what else ran on the machine meanwhile counts for both, more or less. */
const ratioRow = (own, other, by) => {
  const pairs = by(own).flatMap((a) =>
    by(other)
      .filter((b) => a.ok && b.ok && a.rep === b.rep)
      .map((b) => [a, b]),
  );
  return [
    titleOf(own),
    titleOf(other),
    speedOf(
      pairs,
      ([a, b]) => isQuiet(a) && isQuiet(b),
      ([a, b]) => a.rate / b.rate,
      ratio,
    ),
    spread(
      pairs.map(([a, b]) => (a.cpu_per_m + (a.pg_cpu_s / a.events) * 1e6) / (b.cpu_per_m + (b.pg_cpu_s / b.events) * 1e6)),
      ratio,
    ),
  ];
};

const comparable = (own, name) => name !== own && (name === 'lim-touch' || name === 'lim-decode' || (/^p\d/.test(name) && name.includes(own.slice(-2))));

export const reportText = ({ command, facts, leftOut, runs }) => {
  const names = [...new Set(runs.map(({ name }) => name))];
  const by = (name) => runs.filter((run) => run.name === name);
  const most = Math.max(...runs.filter(({ ok }) => ok).map(({ n }) => n));
  const ours = names.filter((name) => name.startsWith('refold-'));
  const bad = runs.filter(({ ok }) => !ok);
  return `# Bench results

Written by \`${command}\`; how to run and read it: [README](README.md).

${table(['what', 'on which'], facts)}

${String(most)} events, ${bad.length === 0 ? 'every table equal to the reference by checksum' : `**${String(bad.length)} RUNS FAILED OR WERE WRONG: ${bad.map(({ name, rep }) => `${name} #${String(rep)}`).join(', ')}**`}. Figures are min / **median** / max. A run is quiet if others took less than a quarter of the processors; speed is that of quiet runs where there are some, else marked noisy; CPU is that of all runs.

${table(
  ['run', 'runs', 'events/s (thousands)', 'CPU-s of the process per million', 'CPU-s of Postgres per million', 'peak memory, MB', 'processors taken by others'],
  names.map((name) => figuresRow(name, by(name), most)),
)}

## refold against the others

Each ratio is of two runs of the same repetition. Speed above 1: refold is faster. CPU (process and Postgres together) below 1: refold needs less.

${table(
  ['refold', 'against', 'speed', 'CPU'],
  ours.flatMap((own) => names.filter((name) => comparable(own, name)).map((name) => ratioRow(own, name, by))),
)}
${leftOut.length === 0 ? '' : `\n## Left out\n\n${leftOut.map(({ name, reason }) => `- ${titleOf(name)}: ${reason}`).join('\n')}\n`}`;
};
