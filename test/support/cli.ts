import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { runCli } from '../../src/app/cli/run-cli';
import type { Terminal } from '../../src/app/cli/terminal';
import { requireDocumented } from './json-answers';

export const CLI_APP = path.join(__dirname, 'cli-app');

export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly ended: Promise<CliRun>;
  /** As the first Ctrl-C does. */
  interrupt(): void;
  stdout(): string;
  stderr(): string;
}

export type CliOptions = Partial<Omit<Terminal, 'signal'>>;

/** The command in this process, with what it writes kept. */
export const startCli = (argv: readonly string[], options: CliOptions = {}): RunningCli => {
  const written = { stdout: '', stderr: '' };
  const abort = new AbortController();
  const ended = runCli(argv, {
    env: {},
    cwd: CLI_APP,
    isTty: false,
    signal: abort.signal,
    ...options,
    stdout: (text) => {
      written.stdout += text;
      options.stdout?.(text);
    },
    stderr: (text) => {
      written.stderr += text;
      options.stderr?.(text);
    },
  });
  return {
    ended: ended.then((code) => {
      requireDocumented(argv, written.stdout);
      return { code, ...written };
    }),
    interrupt: () => abort.abort(),
    stdout: () => written.stdout,
    stderr: () => written.stderr,
  };
};

export const cli = (argv: readonly string[], options: CliOptions = {}): Promise<CliRun> => startCli(argv, options).ended;

/** The one object on stdout; fails if there is anything else. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON of the command under test
export const answerOf = (run: CliRun): any => {
  const lines = run.stdout.trimEnd().split('\n');
  if (lines.length !== 1) {
    throw new Error(`stdout is not one line: ${run.stdout}`);
  }
  return JSON.parse(lines[0]!);
};

/** A port of this machine on which nobody listens. */
export const closedPort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};
