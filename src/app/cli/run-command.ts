import { partitionId } from '../../events/position';
import type { RunnerEvent } from '../../projections/engine/runner-parts';
import { generationLabel, type Generation } from '../../projections/generations';
import { jsonAnswer, serveHttp, textAnswer, type RunningServer } from '../../kernel/http-server';
import type { Logger } from '../../kernel/logger';
import type { Worker } from '../worker';
import type { Action } from './session';

export interface RunFlags {
  readonly name?: string;
  readonly replayRate?: number;
  readonly only?: readonly string[];
  readonly tag?: readonly string[];
  /** False by `--no-relay`. */
  readonly relay?: boolean;
  readonly healthPort?: number;
  readonly healthHost?: string;
}

/** Serves `/livez` where a port was given. */
const serveLiveness = async (worker: Worker, { healthPort: port, healthHost: host }: RunFlags): Promise<RunningServer | undefined> =>
  port === undefined
    ? undefined
    : serveHttp({ what: 'the worker', port, host }, (path) => {
        const liveness = worker.liveness();
        return path === '/livez' ? jsonAnswer(liveness.alive ? 200 : 503, { worker: worker.name, ...liveness }) : textAnswer(404, 'see /livez');
      });

const observer =
  (logger: Logger) =>
  (generation: Generation, event: RunnerEvent): void => {
    const label = generationLabel(generation);
    if (event.kind === 'assigned') {
      logger.log('info', 'partitions assigned', { generation: label, partitions: event.assignment.partitions.map(partitionId) });
    } else if (event.kind === 'committed') {
      logger.log('debug', 'batch committed', { generation: label, next: Object.fromEntries(event.advances.map((one) => [partitionId(one), one.next])) });
    } else if (event.kind !== 'stopped') {
      logger.log('debug', `batch ${event.kind}`, { generation: label });
    }
  };

/** `refold run`: a worker until the signal aborts. */
export const runAction = (flags: RunFlags): Action => ({
  logs: 'info',
  needsSchema: false, // the worker asks for it, and waits for a database that is starting up
  work: async ({ connected, terminal, logger }) => {
    const { name, replayRate, relay, only, tag: tags } = flags;
    const worker = connected.worker({
      ...(name === undefined ? {} : { name }),
      ...(replayRate === undefined ? {} : { options: { maxRate: replayRate } }),
      ...(only === undefined ? {} : { only }),
      ...(tags === undefined ? {} : { tags }),
      ...(relay === false ? { relay } : {}),
      observe: observer(logger),
    });
    const stop = (): void => {
      logger.log('info', 'stopping', { worker: worker.name });
      worker.stop();
    };
    terminal.signal.addEventListener('abort', stop, { once: true });
    const health = await serveLiveness(worker, flags);
    try {
      if (terminal.signal.aborted) {
        stop();
      }
      logger.log('info', 'worker started', {
        app: connected.app.name,
        worker: worker.name,
        log: connected.configuration.log,
        ...(health && { health: `${health.url}/livez` }),
      });
      await worker.run();
    } finally {
      await health?.close();
      terminal.signal.removeEventListener('abort', stop);
    }
    logger.log('info', 'worker stopped', { worker: worker.name });
    return { json: { worker: worker.name, stopped: true }, text: '' };
  },
});
