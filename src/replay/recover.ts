import { isRefoldError, type RefoldError } from '../kernel/errors';
import { switchOver } from './cutover';
import { leased } from './lease';
import type { Coordination } from './parts';
import type { Lease } from './ports';
import { opposite } from './states';
import { isSplit } from './switching';

/** What became of a set whose readers see one side in one store and the other side in another. */
export interface Recovery {
  readonly replay: number;
  /** `waiting`: what hinders it may pass, it is tried again. */
  readonly outcome: 'completed' | 'turned' | 'waiting';
  readonly error: RefoldError | undefined;
}

const recoverOne = async (c: Coordination, lease: Lease): Promise<Recovery | undefined> => {
  const replay = await c.journal.get(lease.replayId);
  if (replay.state !== 'cutting-over' || !(await isSplit(c, replay))) {
    return undefined;
  }
  try {
    await switchOver(c, lease, replay, replay.direction);
    return { replay: replay.id, outcome: 'completed', error: undefined };
  } catch (error) {
    if (!isRefoldError(error) || error.code === 'replay.lease-held') {
      throw error;
    }
    if (error.retryable) {
      return { replay: replay.id, outcome: 'waiting', error };
    }
    await switchOver(c, lease, replay, opposite(replay.direction), { reason: `it could not be completed: ${error.message}` });
    return { replay: replay.id, outcome: 'turned', error };
  }
};

/**
 * Completes the switches that a process has left when some of the stores had switched and others not, or reverts them
 * where that cannot be. Any process may come by; what another one coordinates is left to it, and so is a switch of which
 * readers have seen nothing: the same command goes on with that.
 */
export const recoverSwitches = async (c: Coordination): Promise<readonly Recovery[]> => {
  const recoveries: Recovery[] = [];
  for (const { id } of (await c.journal.list('cutting-over')).filter(({ leaseOwner }) => leaseOwner === undefined)) {
    try {
      const recovery = await leased(c, id, (lease) => recoverOne(c, lease));
      recoveries.push(...(recovery === undefined ? [] : [recovery]));
    } catch (error) {
      if (!isRefoldError(error)) {
        throw error;
      }
      if (error.code !== 'replay.lease-held') {
        recoveries.push({ replay: id, outcome: 'waiting', error });
      }
    }
  }
  return recoveries;
};
