import type { Clock } from '../../kernel/clock';
import { backoffMs } from '../../kernel/retry';
import type { Checkpoint, Counters } from '../generations';
import type { Advance } from '../read-model-store';

/** Most records in one transaction of whoever works at the position of a partition without taking it over. */
export const CHUNK = 500;

/** A live worker claims its partition back as soon as it is fenced, so somebody has to give way now and then: so often at most. */
export const ATTEMPTS = 20;

/** Waits longer with each attempt. */
export const giveWay = (clock: Clock, attempt: number): Promise<void> => clock.sleep(backoffMs(attempt, 20, 1_000, Math.random));

/** Stays where the partition is, and adds to the counters. */
export const advanceAt = ({ topic, partition, next, epoch, streamTime }: Checkpoint, counters: Counters): Advance => ({
  topic,
  partition,
  from: next,
  next,
  epoch,
  streamTime,
  counters,
  fingerprint: undefined,
});
