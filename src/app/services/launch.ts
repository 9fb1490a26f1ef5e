import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import path from 'node:path';

export interface LaunchOptions {
  readonly arguments: readonly string[];
  readonly stdio: StdioOptions;
  /** Its own session, so that a Ctrl-C in the terminal does not reach it. */
  readonly detached: boolean;
  readonly cwd: string;
  /** Beside the variables of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Arguments of `node` that run one of our modules: compiled as it is, a TypeScript source through jiti. */
export const moduleArguments = (file: string, given: readonly string[]): string[] =>
  file.endsWith('.ts')
    ? [
        '-e',
        `require(${JSON.stringify(require.resolve('jiti'))}).createJiti(${JSON.stringify(file)}, { fsCache: false })(${JSON.stringify(file)})`,
        '--',
        ...given,
      ]
    : [file, ...given];

/** Arguments the module was given, however it was run: with `-e` there is no script name before them. */
export const givenArguments = (): string[] => process.argv.slice(process.execArgv.includes('-e') ? 1 : 2);

/** Runs a module of this folder (`name` without extension) in a Node process of its own. */
export const launch = (name: string, options: LaunchOptions): ChildProcess => {
  const file = path.join(__dirname, `${name}${path.extname(__filename)}`);
  const { NODE_OPTIONS: _dropped, ...env } = process.env; // a debugger or loader of the caller is not meant for it
  return spawn(process.execPath, moduleArguments(file, options.arguments), {
    stdio: options.stdio,
    detached: options.detached,
    cwd: options.cwd,
    env: { ...env, ...options.env },
    windowsHide: true,
  });
};
