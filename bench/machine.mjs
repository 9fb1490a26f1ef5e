// What a figure depends on beside the code.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const said = (command, args, options = {}) => {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', ...options });
  return `${stdout ?? ''}${stderr ?? ''}`.trim();
};

/** The commit, to be asked for when it is built: a run takes long enough for another to come. */
export const revision = (root) => {
  const changed = said('git', ['status', '--porcelain', '--', 'src'], { cwd: root }) === '' ? '' : ' with changes';
  return `${said('git', ['rev-parse', '--short', 'HEAD'], { cwd: root })}${changed}`;
};

/** Rows of the table of machine and versions. */
export const machine = (root, built, askPostgres, environment) => {
  const kafka = fs.readFileSync(path.join(root, 'services', 'kafka', 'pom.xml'), 'utf8').match(/<kafka.version>(.*)</)?.[1];
  return [
    ['date', new Date().toISOString().slice(0, 16).replace('T', ' ')],
    ['refold', built],
    ['processors', `${String(os.availableParallelism())} of ${os.cpus()[0]?.model.trim() ?? 'unknown'}`],
    ['memory', `${String(Math.round(os.totalmem() / 2 ** 30))} GB`],
    ['system', `${os.type()} ${os.release()} ${os.arch()}`],
    ['Node', process.version],
    ['PostgreSQL', `${said('bash', askPostgres, { env: environment })}, default settings`],
    ['Kafka', `${kafka ?? 'unknown'}, one broker`],
    ['Java', said('java', ['-version']).split('\n')[0] ?? ''],
  ];
};
