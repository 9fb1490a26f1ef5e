// Runs the commands of a tutorial page in order and writes what they answer into it: npm run docs:tutorial
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { importOrders, readOrders, ORDERS_FILE } from '../examples/orders/import';
import { app } from '../examples/orders/refold.config';
import { runCli } from '../src/app/cli/run-cli';
import { connect, type ConnectedApp } from '../src/app/connect';
import { TOKENS } from '../src/app/container';
import { systemClock } from '../src/kernel/clock';

const ROOT = path.join(__dirname, '..');
const PAGE = path.join(ROOT, 'docs', 'tutorial', 'fix-a-projection.md');
const EXAMPLE = path.join(ROOT, 'examples', 'orders');

interface Stage {
  readonly connected: ConnectedApp;
  readonly folder: string;
  readonly url: string;
  /** Events that have to be in the log. */
  imported: number;
  worker: { readonly stop: AbortController; readonly ended: Promise<unknown> } | undefined;
}

/** Words as a shell takes them apart, single quotes included. */
const wordsOf = (line: string): readonly string[] => [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

/** What differs between machines. */
const everywhere = (text: string): string => {
  const who = `${userInfo().username}@${hostname()}`;
  return text.replaceAll(who, 'ann@dev'.padEnd(who.length)).replaceAll(/ +$/gm, ''); // columns stay in line
};

const run = async ({ folder, url }: Stage, argv: readonly string[], signal: AbortSignal): Promise<string> => {
  let written = '';
  const write = (text: string): void => void (written += text);
  const at = argv.indexOf('--app');
  const module = path.join(EXAMPLE, at < 0 ? 'refold.config.ts' : argv[at + 1]!);
  const rest = at < 0 ? argv : argv.filter((_, i) => i !== at && i !== at + 1);
  const env = { REFOLD_POSTGRES_URL: url };
  const code = await runCli([...rest, '--app', module], { env, cwd: folder, isTty: false, columns: 120, signal, stdout: write, stderr: write });
  return `${everywhere(written).trimEnd()}${code === 0 ? '' : `\n(exit code ${String(code)})`}`;
};

const settled = async ({ connected, imported }: Stage): Promise<void> => {
  for (;;) {
    const states = await connected.generations();
    const live = states.filter(({ generation }) => generation.status === 'active');
    const heads = await connected.log.heads(['orders']);
    const isDone =
      heads.reduce((sum, head) => sum + head.stable, 0) >= imported &&
      live.length === 2 &&
      live.every(
        ({ checkpoints }) =>
          checkpoints.length > 0 && checkpoints.every((c) => heads.some((h) => h.partition === c.partition && c.next >= h.stable && h.stable > 0)),
      );
    if (isDone) {
      return;
    }
    await systemClock.sleep(200);
  }
};

/** `refold … &` is a worker: it takes the place of the one before. */
const startWorker = async (stage: Stage, argv: readonly string[]): Promise<void> => {
  stage.worker?.stop.abort();
  await stage.worker?.ended;
  const stop = new AbortController();
  stage.worker = { stop, ended: run(stage, [...argv, '--log-level', 'warn'], stop.signal) };
  await settled(stage);
};

const perform = async (stage: Stage, line: string): Promise<string> => {
  const words = wordsOf(line);
  if (line.includes('import-history.ts')) {
    const orders = readOrders(ORDERS_FILE);
    await importOrders(stage.connected, orders, () => undefined);
    stage.imported = orders.length;
    return `${orders.length.toLocaleString('en-US')} of ${orders.length.toLocaleString('en-US')} orders imported`;
  }
  if (words[0] === 'psql') {
    const { rows, rowCount } = await stage.connected.container.resolve(TOKENS.pool).query<Record<string, unknown>>(words.at(-1)!);
    return rows.length === 0 ? `UPDATE ${String(rowCount)}` : rows.map((row) => Object.values(row).map(String).join(' | ')).join('\n');
  }
  if (words.at(-1) === '&') {
    await startWorker(stage, words.slice(1, -1));
    return '';
  }
  return run(stage, words.slice(1), new AbortController().signal);
};

const main = async (): Promise<void> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'refold-tutorial-'));
  const connected = await connect(app, { configuration: { servicesFolder: path.join(folder, '.refold') }, environment: {} });
  const stage: Stage = { connected, folder, url: connected.container.resolve(TOKENS.pool).url, imported: 0, worker: undefined };
  try {
    const blocks = readFileSync(PAGE, 'utf8').split(/(^```console\n[\s\S]*?^```$)/m);
    for (const [i, block] of blocks.entries()) {
      if (block.startsWith('```console\n')) {
        const shown: string[] = [];
        for (const line of block.split('\n').filter((one) => one.startsWith('$ '))) {
          const answer = await perform(stage, line.slice(2));
          shown.push(line, ...(answer === '' ? [] : [answer]));
        }
        blocks[i] = ['```console', ...shown, '```'].join('\n');
      }
    }
    writeFileSync(PAGE, blocks.join(''));
  } finally {
    stage.worker?.stop.abort();
    await stage.worker?.ended;
    await connected.close();
    rmSync(folder, { recursive: true, force: true });
  }
};

void main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
