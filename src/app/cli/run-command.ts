import { partitionId } from '../../events/position';
import type { RunnerEvent } from '../../projections/engine/runner-parts';
import { generationFacts, type Generation } from '../../projections/generations';
import { errorFacts } from '../../kernel/errors';
import type { Logger } from '../../kernel/logger';
import type { Action } from './session';
import { serveWorker } from './worker-endpoints';

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

const observer =
  (logger: Logger) =>
  (generation: Generation, event: RunnerEvent): void => {
    const facts = generationFacts(generation);
    if (event.kind === 'assigned') {
      logger.log('info', 'partitions assigned', { ...facts, partitions: event.assignment.partitions.map(partitionId) });
    } else if (event.kind === 'committed') {
      logger.log('debug', 'batch committed', { ...facts, next: Object.fromEntries(event.advances.map((one) => [partitionId(one), one.next])) });
    } else if (event.kind === 'fenced' || event.kind === 'held') {
      logger.log('debug', `batch ${event.kind}`, facts);
    } else if (event.kind === 'retried') {
      const { topic, partition, offset, error } = event.failure;
      logger.log('warn', 'an event failed and is tried again', { ...facts, topic, partition, offset, ...errorFacts(error) });
    }
  };

/** `refold run`: a worker until the signal aborts. */
export const runAction = (flags: RunFlags): Action => ({
  logs: 'info',
  metrics: flags.healthPort !== undefined,
  needsSchema: false, // the worker asks for it, and waits for a database that is starting up
  work: async ({ connected, terminal, logger, metrics }) => {
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
    const { healthPort: port, healthHost: host } = flags;
    const served = port === undefined || metrics === undefined ? undefined : await serveWorker({ worker, metrics, port, host });
    try {
      if (terminal.signal.aborted) {
        stop();
      }
      logger.log('info', 'worker started', {
        app: connected.app.name,
        worker: worker.name,
        log: connected.configuration.log,
        ...(served && { health: `${served.url}/healthz`, metrics: `${served.url}/metrics` }),
      });
      await worker.run();
    } finally {
      await served?.close();
      terminal.signal.removeEventListener('abort', stop);
    }
    logger.log('info', 'worker stopped', { worker: worker.name });
    return { json: { worker: worker.name, stopped: true }, text: '' };
  },
});
