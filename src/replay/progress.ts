import type { PartitionHead } from '../events/event-log';
import { partitionId, type TopicPartition } from '../events/position';
import { generationLabel, type Checkpoint, type Generation } from '../projections/generations';
import type { GenerationProgress, PartitionProgress } from './replay';

/** What one look at log and checkpoints has shown. */
export interface Measurement {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly done: number;
}

type Next = TopicPartition & Pick<Checkpoint, 'next' | 'stoppedBy'>;

const headAtStart = (g: Generation, partition: TopicPartition): number => g.headsAtStart[partitionId(partition)] ?? 0;

/** Whether a generation has folded everything there was when it was made; empty topics count as reached. */
export const reachedHeads = (g: Generation, checkpoints: readonly Next[]): boolean => checkpoints.every((c) => c.next >= headAtStart(g, c));

/** Events between the checkpoints and the stable heads. */
export const lagOf = (checkpoints: readonly Next[], heads: readonly PartitionHead[]): number => {
  const stable = new Map(heads.map((head) => [partitionId(head), head.stable]));
  return checkpoints.reduce((sum, c) => sum + Math.max(0, (stable.get(partitionId(c)) ?? 0) - c.next), 0);
};

/** Events of those at the start that are folded. A replay folds from offset zero, so offsets count events. */
export const doneOf = (g: Generation, checkpoints: readonly Next[]): number => checkpoints.reduce((sum, c) => sum + Math.min(c.next, headAtStart(g, c)), 0);

/** Events per second between the oldest and the newest of some measurements. */
export const rateOf = (measurements: readonly Measurement[]): number | undefined => {
  const [first, last] = [measurements[0], measurements.at(-1)];
  return first === undefined || last === undefined || last.at <= first.at ? undefined : ((last.done - first.done) * 1000) / (last.at - first.at);
};

const partitionProgress = (g: Generation, c: Next, heads: readonly PartitionHead[]): PartitionProgress => {
  const total = headAtStart(g, c);
  const done = doneOf(g, [c]);
  return { topic: c.topic, partition: c.partition, done, total, share: total === 0 ? 1 : done / total, lag: lagOf([c], heads) };
};

/** Pure: how far one generation is. */
export const progressOf = (
  g: Generation,
  side: 'from' | 'to',
  checkpoints: readonly Next[],
  heads: readonly PartitionHead[],
  measurements: readonly Measurement[],
  rows?: number,
): GenerationProgress => {
  const total = checkpoints.reduce((sum, c) => sum + headAtStart(g, c), 0);
  const done = doneOf(g, checkpoints);
  const rate = rateOf(measurements);
  return {
    generation: generationLabel(g),
    generationId: g.id,
    side,
    done,
    total,
    share: total === 0 ? 1 : done / total,
    ratePerSecond: rate,
    secondsLeft: done >= total ? 0 : rate === undefined || rate <= 0 ? undefined : (total - done) / rate,
    lag: lagOf(checkpoints, heads),
    partitions: checkpoints.map((c) => partitionProgress(g, c, heads)),
    rows,
    stopped: checkpoints.flatMap(({ stoppedBy }) => (stoppedBy === undefined ? [] : [stoppedBy])),
  };
};
