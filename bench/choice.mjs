// Which runs are made, and which are left out because a tool is missing.
import { spawnSync } from 'node:child_process';

const STREAMS = ['p3-w1-eos-sink', 'p3-w2-eos-sink'];
/** Made unless said otherwise; names as in peers/node/bench.mjs. */
export const SMALL = ['lim-touch', 'lim-decode', 'p1-w1', 'p1-w2', 'p2-w1-c4', 'p2-w2-c4', 'p2-w2-merge-c4', 'refold-w1', 'refold-w2', ...STREAMS];
const MORE = [
  ...['p3-w1-eos', 'p3-w2-eos', 'p3-w1-papi-eos-sink', 'p4-w2', 'p5-w2', 'lim-java-touch', 'lim-java-decode'],
  ...['lim-upsert-w1', 'lim-upsert-w2', 'lim-copy-w1', 'lim-copy-w2'],
];

const answers = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

const ofStreams = (name) => name.startsWith('p3-') || name.startsWith('lim-java');

/** Why a run cannot be made; `undefined` if it can. */
const lack = (name, tools) => {
  if ((ofStreams(name) || name === 'p4-w2') && !tools.maven) {
    return 'needs Maven';
  }
  if (name === 'p5-w2' && !tools.python) {
    return 'needs Python 3.11 with venv';
  }
  return undefined;
};

export const choose = ({ all, only }, environment) => {
  const pgbin = environment.PGBIN ?? '/usr/lib/postgresql/15/bin';
  if (!answers('java', '-version') || !answers(`${pgbin}/postgres`, '--version')) {
    throw new Error(`the bench needs Java 17 for the broker and a PostgreSQL server; looked for ${pgbin}/postgres, another folder is named by PGBIN`);
  }
  const wanted = only?.split(',') ?? (all ? [...SMALL, ...MORE] : SMALL);
  const tools = { maven: answers('mvn', '-v'), python: answers('python3', '-c', 'import venv, sys; sys.exit(sys.version_info < (3, 11))') };
  const leftOut = [
    ...wanted.flatMap((name) => (lack(name, tools) === undefined ? [] : [{ name, reason: lack(name, tools) }])),
    ...(only === undefined && !all ? MORE.map((name) => ({ name, reason: 'only with --all' })) : []),
  ];
  const names = wanted.filter((name) => lack(name, tools) === undefined);
  const sizes = (events, few, quix) => [
    ...new Set([...(names.some((name) => name.startsWith('p1-')) ? [few] : []), ...(names.includes('p5-w2') ? [quix] : []), events]),
  ];
  return { names, leftOut, sizes, streams: names.some(ofStreams), flink: names.includes('p4-w2'), quix: names.includes('p5-w2') };
};
