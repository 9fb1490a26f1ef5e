import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { WorkerOrder } from './worker-process';

const running = new Set<ChildProcess>();

/** Runs a TypeScript file of this folder in a process of its own; transpiled files are cached, so that many starts are quick. */
export const spawnModule = (name: string, argument: unknown): ChildProcess => {
  const file = path.join(__dirname, `${name}.ts`);
  const code = `require(${JSON.stringify(require.resolve('jiti'))}).createJiti(${JSON.stringify(file)})(${JSON.stringify(file)})`;
  const child = spawn(process.execPath, ['-e', code, '--', JSON.stringify(argument)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
};

export const spawnWorker = (order: WorkerOrder): ChildProcess => spawnModule('worker-process', order);

/** As `kill -STOP` leaves a process. */
export const isStopped = (pid: number): boolean => execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('T');

/** How a process ended: its exit code, or the signal that ended it. */
export const ending = (child: ChildProcess): Promise<number | string> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode ?? child.signalCode!)
    : new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal!)));

export const endAll = async (): Promise<void> => {
  await Promise.all(
    [...running].map((child) => {
      child.kill('SIGKILL');
      return ending(child);
    }),
  );
};
