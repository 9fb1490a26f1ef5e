import type { GenerationStatus } from '../generations';
import type { RunnerOptions } from './runner-parts';

/** While a generation is slowed down it never sleeps longer than this after a batch, so that holds are obeyed in time. */
const LONGEST_THROTTLE_MS = 200;

type Pace = Pick<RunnerOptions, 'replayBatch' | 'liveBatch' | 'maxRate'>;

/** Most records of the next batch. */
export const batchSizeOf = ({ replayBatch, liveBatch, maxRate }: Pace, status: GenerationStatus): number => {
  if (status !== 'candidate') {
    return liveBatch;
  }
  return maxRate === 0 ? replayBatch : Math.max(1, Math.min(replayBatch, Math.floor((maxRate * LONGEST_THROTTLE_MS) / 1_000)));
};

/** Whether it is a rebuild with a rate. */
export const isSlowed = ({ maxRate }: Pace, status: GenerationStatus): boolean => maxRate > 0 && status === 'candidate';

/** For how long so many records keep a rebuild busy at its rate, in milliseconds; 0 where it is not slowed down. */
export const pauseMsAfter = (records: number, pace: Pace, status: GenerationStatus): number => (isSlowed(pace, status) ? (records * 1_000) / pace.maxRate : 0);
