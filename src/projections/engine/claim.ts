import { RefoldError } from '../../kernel/errors';
import { overlayOf } from '../../events/errata';
import type { Assignment } from '../../events/event-log';
import { partitionId, type PartitionId } from '../../events/position';
import { PARK_ALL, type ParkingRules } from '../failure-rules';
import { generationLabel, type Checkpoint, type Generation } from '../generations';
import type { GenerationStore } from '../read-model-store';
import { checkFingerprints } from './continuity';
import type { Rulings } from './decoded';
import type { Standing } from './fold';
import { Parking } from './parking';
import { Pending } from './pending';
import { repeatBatch } from './repeat';
import { Room } from './room';
import { RowCache } from './row-cache';
import type { RunnerOptions, RunnerParts } from './runner-parts';

/** What was claimed for one assignment, and what of it is in work. */
export interface Claim {
  readonly assignment: number;
  readonly standings: Map<PartitionId, Standing>;
  readonly rulings: Rulings;
  readonly parking: Parking;
  readonly pending: Pending;
  readonly rows: RowCache;
  readonly room: Room;
}

/** What is decided about the records that a generation reads from its checkpoints on. */
export const rulingsOf = async (
  { errata }: Pick<RunnerParts, 'errata'>,
  { errataVersion }: Pick<Generation, 'errataVersion'>,
  store: GenerationStore,
  checkpoints: readonly Checkpoint[],
): Promise<Rulings> => {
  const overlay = errataVersion === 0 ? [] : await errata.list(errataVersion);
  return { decisions: await store.decisions(checkpoints), errata: overlayOf(overlay) };
};

/**
 * Commits again what an earlier owner left in doubt; where that is fenced, so is what follows, and all is claimed anew.
 * @throws RefoldError `store.repeat-differs`
 */
export const settle = async (
  parts: Pick<RunnerParts, 'definition' | 'log' | 'decoder' | 'generation'>,
  store: GenerationStore,
  checkpoint: Checkpoint,
  rulings: Rulings,
): Promise<Checkpoint> => {
  const { repeatTo } = checkpoint;
  if (repeatTo === undefined) {
    return checkpoint;
  }
  const parking = new Parking(PARK_ALL, await store.parkedSequences([checkpoint])); // what was parked with the intent is there already
  const advance = await repeatBatch(parts, store, { ...checkpoint, repeatTo }, rulings, parking);
  return advance === undefined ? checkpoint : { ...checkpoint, next: advance.next, streamTime: advance.streamTime };
};

const requireAll = (generation: Generation, { partitions }: Assignment, checkpoints: readonly Checkpoint[]): void => {
  const known = new Set(checkpoints.map(partitionId));
  const unknown = partitions.find((partition) => !known.has(partitionId(partition)));
  if (unknown !== undefined) {
    throw new RefoldError('log.topic-mismatch', `${generationLabel(generation)} has no checkpoint for a partition that was added to its topic`, {
      facts: { topic: unknown.topic, partition: unknown.partition },
      remedy: 'Start a replay of the projection; the new generation covers all partitions.',
    });
  }
};

/** Claims the partitions of an assignment and learns all that folding them depends on; answers where each goes on. */
export const takeClaim = async (
  parts: RunnerParts,
  generation: Generation,
  store: GenerationStore,
  assignment: Assignment,
  options: ParkingRules & Pick<RunnerOptions, 'rowCacheBytes' | 'roomMs'>,
): Promise<{ readonly claim: Claim; readonly next: ReadonlyMap<PartitionId, number> }> => {
  const checkpoints = await store.claim(assignment.partitions, parts.worker);
  requireAll(generation, assignment, checkpoints);
  await checkFingerprints(parts.log, generation, checkpoints);
  const rulings = await rulingsOf(parts, generation, store, checkpoints);
  const settled = await Promise.all(checkpoints.map((checkpoint) => settle(parts, store, checkpoint, rulings)));
  const standings = new Map(settled.map((checkpoint) => [partitionId(checkpoint), { epoch: checkpoint.epoch, streamTime: checkpoint.streamTime }]));
  const parking = new Parking(options, await store.parkedSequences(assignment.partitions));
  return {
    claim: {
      assignment: assignment.number,
      standings,
      rulings,
      parking,
      pending: new Pending(),
      rows: new RowCache(options.rowCacheBytes),
      room: new Room(store, parts.clock, options.roomMs),
    },
    next: new Map(settled.map((checkpoint) => [partitionId(checkpoint), checkpoint.next])),
  };
};
