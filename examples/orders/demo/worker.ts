// A deployment of the application in a process of its own: run.cjs demo/worker.ts CONFIG, with addresses by message.
// Outside of the demo this is `refold run --app CONFIG`.
import path from 'node:path';
import { connect, isRefoldError, type App, type Configuration, type Logger } from 'refold';
import type { FromWorker, ToWorker } from './deployment';

/** What cannot end in order within this time ends anyhow. */
const END_BOUND_MS = 8_000;

const tell = (message: FromWorker): void => {
  if (process.connected) {
    process.send!(message);
  }
};

const logger: Logger = {
  log: (level, message, facts) => {
    if (level === 'error') {
      process.stderr.write(`worker: ${message} ${JSON.stringify(facts ?? {})}\n`);
    }
  },
  child: () => logger,
};

const work = async (app: App, configuration: Partial<Configuration>, stopped: AbortSignal): Promise<void> => {
  const connected = await connect(app, { configuration, environment: {}, logger });
  try {
    const worker = connected.worker();
    stopped.addEventListener('abort', () => {
      worker.stop();
    });
    if (!stopped.aborted) {
      await worker.run();
    }
  } finally {
    await connected.close();
  }
};

const main = async (): Promise<void> => {
  const stop = new AbortController();
  const end = (): void => {
    stop.abort();
    setTimeout(() => process.exit(1), END_BOUND_MS).unref();
  };
  process.on('SIGINT', () => undefined); // Ctrl-C reaches every process of the terminal; the demo says when to stop
  process.on('SIGTERM', end);
  process.on('disconnect', end);
  const configuration = await new Promise<Partial<Configuration> | undefined>((resolve) => {
    stop.signal.addEventListener('abort', () => {
      resolve(undefined);
    });
    process.on('message', (message: ToWorker) => {
      if (message.kind === 'stop') {
        end();
      } else {
        resolve(message.configuration);
      }
    });
  });
  if (configuration !== undefined) {
    const { app } = (await import(path.resolve(__dirname, '..', process.argv[2]!))) as { readonly app: App };
    await work(app, configuration, stop.signal);
  }
};

void main()
  .catch((error: unknown) => {
    process.exitCode = 1;
    const known = isRefoldError(error) ? { code: error.code, remedy: error.remedy } : {};
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error), ...known });
  })
  .finally(() => {
    process.removeAllListeners('message');
    if (process.connected) {
      process.disconnect();
    }
  });
