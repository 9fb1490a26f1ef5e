import { fork } from 'node:child_process';
import path from 'node:path';
import { RefoldError, type Configuration, type ErrorCode } from 'refold';

export type ToWorker = { readonly kind: 'start'; readonly configuration: Partial<Configuration> } | { readonly kind: 'stop' };
export interface FromWorker {
  readonly kind: 'failed';
  readonly message: string;
  readonly code?: ErrorCode;
  readonly remedy?: string;
}

/** A worker that runs in a process of its own. */
export interface Deployment {
  /** Rejects when the worker ends without being told to; never resolves. */
  readonly failed: Promise<never>;
  /** Ends it; resolves when its process is gone. */
  stop(): Promise<void>;
}

const STOP_BOUND_MS = 10_000;

/** Starts a worker with the application of a configuration file, e.g. `refold.v1.config.ts`. */
export const deploy = (config: string, configuration: Partial<Configuration>): Deployment => {
  const child = fork(path.join(__dirname, '..', 'run.cjs'), ['demo/worker.ts', config], { stdio: ['ignore', 2, 2, 'ipc'] });
  let stopping = false;
  let said: FromWorker | undefined;
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => {
      resolve(error.message);
    });
    child.once('exit', (code, signal) => {
      resolve(`it ended with ${String(signal ?? code)}`);
    });
  });
  const failed = new Promise<never>((_, reject) => {
    void ended.then((how) => {
      if (!stopping) {
        const message = `the worker of ${config} stopped: ${said?.message ?? how}`;
        reject(new RefoldError(said?.code ?? 'service.unavailable', message, said?.remedy === undefined ? {} : { remedy: said.remedy }));
      }
    });
  });
  failed.catch(() => undefined); // whoever waits for it hears of it
  child.on('message', (message) => (said = message as FromWorker));
  child.send({ kind: 'start', configuration } satisfies ToWorker);
  return {
    failed,
    stop: async () => {
      stopping = true;
      if (child.connected) {
        child.send({ kind: 'stop' } satisfies ToWorker);
      }
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_BOUND_MS);
      await ended;
      clearTimeout(timer);
    },
  };
};
