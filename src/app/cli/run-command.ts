import { partitionId } from '../../events/position';
import type { RunnerEvent } from '../../projections/engine/runner-parts';
import { generationLabel, type Generation } from '../../projections/generations';
import type { Logger } from '../../kernel/logger';
import type { Action } from './session';

export interface RunFlags {
  readonly name?: string;
  readonly replayRate?: number;
  /** False by `--no-relay`. */
  readonly relay?: boolean;
}

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
export const runAction = ({ name, replayRate, relay }: RunFlags): Action => ({
  logs: 'info',
  work: async ({ connected, terminal, logger }) => {
    const worker = connected.worker({
      ...(name === undefined ? {} : { name }),
      ...(replayRate === undefined ? {} : { options: { maxRate: replayRate } }),
      ...(relay === false ? { relay } : {}),
      observe: observer(logger),
    });
    const stop = (): void => {
      logger.log('info', 'stopping', { worker: worker.name });
      worker.stop();
    };
    terminal.signal.addEventListener('abort', stop, { once: true });
    try {
      if (terminal.signal.aborted) {
        stop();
      }
      logger.log('info', 'worker started', { app: connected.app.name, worker: worker.name, log: connected.configuration.log });
      await worker.run();
    } finally {
      terminal.signal.removeEventListener('abort', stop);
    }
    logger.log('info', 'worker stopped', { worker: worker.name });
    return { json: { worker: worker.name, stopped: true }, text: '' };
  },
});
