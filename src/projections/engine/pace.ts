import type { GenerationStatus } from '../generations';
import type { RunnerOptions } from './runner-parts';

/** While a generation is slowed down it never sleeps longer than this before it looks around, so that holds and other rates are obeyed in time. */
export const LONGEST_THROTTLE_MS = 200;

type Pace = Pick<RunnerOptions, 'replayBatch' | 'liveBatch'> & {
  /** Events per second; `Infinity`: as many as it can. */
  readonly rate: number;
};

/** Most records of the next batch. */
export const batchSizeOf = ({ replayBatch, liveBatch, rate }: Pace, status: GenerationStatus): number => {
  if (status !== 'candidate') {
    return liveBatch;
  }
  return Math.max(1, Math.min(replayBatch, Math.floor((rate * LONGEST_THROTTLE_MS) / 1_000)));
};

/** What is still owed of some events after so many milliseconds at a rate. */
export const owedAfter = (events: number, ms: number, rate: number): number => (rate === Infinity ? 0 : Math.max(0, events - (ms * rate) / 1_000));

/** How long to sleep before looking again at what is owed, in milliseconds. */
export const sleepFor = (owed: number, rate: number): number => Math.min(LONGEST_THROTTLE_MS, (owed * 1_000) / rate);

/** A partition of a generation that is rebuilt. */
export interface PacedPartition {
  readonly generationId: number;
  /** `topic/partition`. */
  readonly id: string;
  /** Events until the heads of the start. */
  readonly remaining: number;
}

/** What is nearly done follows the log meanwhile: of an even share each partition keeps this part. */
const LEAST_PART = 0.1;

export const partitionKey = ({ generationId, id }: Pick<PacedPartition, 'generationId' | 'id'>): string => `${String(generationId)} ${id}`;

/**
 * The share of each partition in what all of them may fold together: by what it has still to fold, so that all end at the same
 * time. The sum is 1, whoever owns which of them.
 */
export const sharesOf = (partitions: readonly PacedPartition[]): ReadonlyMap<string, number> => {
  const total = partitions.reduce((sum, { remaining }) => sum + remaining, 0);
  const least = total === 0 ? 1 : (LEAST_PART * total) / partitions.length;
  const weights = partitions.map((one) => [partitionKey(one), Math.max(least, one.remaining)] as const);
  const sum = weights.reduce((all, [, weight]) => all + weight, 0);
  return new Map(weights.map(([key, weight]) => [key, weight / sum]));
};
