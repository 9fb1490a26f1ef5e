import { RefoldError } from '../kernel/errors';
import type { Coordination } from './parts';
import type { ReplayStatus } from './replay';

/** Since when a replay does not move for a reason that is known; by the coordinator's clock. */
export interface Stalls {
  readonly stoppedSince?: number;
  readonly unattendedSince?: number;
}

/** A partition that stopped may go on by itself (its store comes back); only one that stays so ends the wait. */
const requireMoving = (c: Coordination, { progress }: ReplayStatus, since: number | undefined): number | undefined => {
  const stopped = progress.find((p) => p.side === 'to' && p.stopped.length > 0);
  const [stop] = stopped?.stopped ?? [];
  if (stopped === undefined || stop === undefined) {
    return undefined;
  }
  const began = since ?? c.clock.now();
  if (c.clock.now() - began < c.options.stoppedMs) {
    return began;
  }
  throw new RefoldError('replay.stopped', `${stopped.generation} stopped: ${stop.message}`, {
    facts: { generation: stopped.generation, topic: stop.topic, partition: stop.partition, offset: stop.offset, code: stop.code },
    remedy: stop.remedy,
  });
};

/** Workers are restarted now and then; only when none comes back does the wait end. */
const requireWorker = (c: Coordination, { id, waitingFor, paused }: ReplayStatus, since: number | undefined): number | undefined => {
  if (waitingFor === undefined) {
    return undefined;
  }
  const began = since ?? c.clock.now();
  const waitedMs = c.clock.now() - began;
  if (waitedMs < c.options.noWorkerMs) {
    return began;
  }
  const code = paused.length > 0 ? 'projection.paused' : 'replay.no-worker';
  throw new RefoldError(code, `the replay waits for ${waitingFor}`, { facts: { replay: id, waitedMs: Math.round(waitedMs) } });
};

/**
 * Looks at a replay that did not move; answers since when it does not.
 * @throws RefoldError `replay.stopped`, `replay.no-worker`, `projection.paused` once that has been so for too long; the replay stays as it is
 */
export const requirePatience = (c: Coordination, status: ReplayStatus, since: Stalls): Stalls => {
  if (status.halted !== undefined) {
    return {}; // somebody wants it so, for as long as it takes
  }
  const stoppedSince = requireMoving(c, status, since.stoppedSince);
  const unattendedSince = requireWorker(c, status, since.unattendedSince);
  return { ...(stoppedSince === undefined ? {} : { stoppedSince }), ...(unattendedSince === undefined ? {} : { unattendedSince }) };
};
