import { RefoldError } from '../../kernel/errors';
import { overlayOf } from '../../events/errata';
import type { Assignment, PartitionHead } from '../../events/event-log';
import { partitionId, type PartitionId, type Position, type TopicPartition } from '../../events/position';
import { PARK_ALL, type ParkingRules } from '../failure-rules';
import { generationLabel, type Checkpoint, type Generation } from '../generations';
import { foldedModel } from '../kept-groups';
import type { GenerationStore } from '../read-model-store';
import { barriersAhead, foldDecisions, isMovedByGrowth, limitsOf, partitionsWithout, type FoldDecisions } from '../partition-decisions';
import { checkFingerprints } from './continuity';
import type { Decoding, Rulings } from './decoded';
import type { Standing } from './fold';
import { parkedFor } from './followers';
import { Gate, openGate } from './gate';
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
  readonly gate: Gate;
  readonly room: Room;
}

/** Whether nothing waits or fails, and no gate is reached. */
export const isPlain = ({ pending, gate }: Claim, decodings: readonly Decoding[]): boolean =>
  decodings.length > 0 && pending.size === 0 && decodings.every(({ decoded, failure }) => failure === undefined && !gate.stops(decoded));

/** What is decided about the records that a generation reads from its checkpoints on. These are claimed already: whoever pins other errata has to claim them again. */
export const rulingsOf = async (
  { errata, definition }: Pick<RunnerParts, 'errata' | 'definition'>,
  store: GenerationStore,
  checkpoints: readonly Checkpoint[],
): Promise<Rulings> => {
  const errataVersion = await store.errataVersion();
  const overlay = errataVersion === 0 ? [] : await errata.list(errataVersion);
  const decisions = await store.decisions(checkpoints);
  return { decisions, errata: overlayOf(overlay), folding: foldDecisions(decisions), window: definition.window };
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

/** Partitions that the topics got since the generation was made, with the offsets at which they begin. */
const addedPartitions = ({ partitions }: Assignment, heads: readonly PartitionHead[], known: readonly Checkpoint[]): readonly Position[] => {
  const begin = new Map<PartitionId, Position>([
    ...partitions.map((partition) => [partitionId(partition), { ...partition, offset: 0 }] as const),
    ...heads.map(({ topic, partition, start }) => [partitionId({ topic, partition }), { topic, partition, offset: start }] as const),
  ]);
  return partitionsWithout(known, [...begin.values()]).map((partition) => begin.get(partitionId(partition))!);
};

const notAccepted = (generation: Generation, added: readonly TopicPartition[]): RefoldError =>
  new RefoldError('partitions.not-accepted', `${generationLabel(generation)} does not go on: its topic has got partitions, to which keys may have moved`, {
    facts: { generation: generationLabel(generation), topic: added[0]?.topic, added: added.map(partitionId) },
  });

const nothing = ({ number }: Assignment, gate: Gate, room: Room): Claim => ({
  assignment: number,
  standings: new Map(),
  rulings: { decisions: [], errata: overlayOf([]), folding: foldDecisions([]) },
  parking: new Parking(PARK_ALL),
  pending: new Pending(),
  rows: new RowCache([], { maxBytes: 0, isComplete: false }),
  gate,
  room,
});

/** Of an assignment of which nothing is read until somebody accepts the partitions that were added. */
const unread = (generation: Generation, assignment: Assignment, known: readonly Checkpoint[], added: readonly TopicPartition[], room: Room): Claim => {
  const checkpoints = new Map(known.map((checkpoint) => [partitionId(checkpoint), checkpoint]));
  const error = notAccepted(generation, added);
  const failures = assignment.partitions.map((partition) => ({ ...partition, offset: checkpoints.get(partitionId(partition))?.next ?? 0, error }));
  const claim = nothing(assignment, new Gate(new Map(), (now) => partitionsWithout(now, added).length === 0, failures), room);
  checkpoints.forEach(({ epoch, streamTime }, id) => claim.standings.set(id, { epoch, streamTime }));
  return claim;
};

/** Open as soon as one more barrier is passed. What lies ahead is judged by checkpoints of before the claim, whose epoch is beyond theirs. */
const gateOf = ({ barriers }: FoldDecisions, before: readonly Checkpoint[]): Gate => {
  const ahead = barriersAhead(barriers, before);
  return ahead.length === 0 ? openGate() : new Gate(limitsOf(ahead), (now) => barriersAhead(barriers, now).length < ahead.length);
};

/** Whether nothing was ever folded. */
const isUntouched = (checkpoints: readonly Checkpoint[]): boolean =>
  checkpoints.every(({ counters, repeatTo }) => counters.read === 0 && repeatTo === undefined);

/** Whether nobody else writes the same rows: partials are apart by partition, and of all others the keys might not stay in theirs. */
const isAlone = ({ storage }: Generation, { partitions }: Assignment, heads: readonly PartitionHead[]): boolean =>
  storage === 'partials' || partitions.length === heads.length;

/** Claims the partitions of an assignment and learns all that folding them depends on; answers where each goes on. */
export const takeClaim = async (
  parts: RunnerParts,
  generation: Generation,
  store: GenerationStore,
  assignment: Assignment,
  options: ParkingRules & Pick<RunnerOptions, 'rowCacheBytes' | 'roomMs'> & { readonly afterFence: boolean },
): Promise<{ readonly claim: Claim; readonly next: ReadonlyMap<PartitionId, number> }> => {
  const room = new Room(store, parts.clock, options.roomMs);
  const before = await store.checkpoints();
  const heads = await parts.log.heads(generation.topics);
  const added = addedPartitions(assignment, heads, before);
  if (added.length > 0 && isMovedByGrowth(generation)) {
    return { claim: unread(generation, assignment, before, added, room), next: new Map() };
  }
  await store.begin(added);
  const checkpoints = await store.claim(assignment.partitions, parts.worker);
  await checkFingerprints(parts.log, generation, checkpoints);
  const rulings = await rulingsOf(parts, store, checkpoints);
  const settled = await Promise.all(checkpoints.map((checkpoint) => settle(parts, store, checkpoint, rulings)));
  const standings = new Map(settled.map((checkpoint) => [partitionId(checkpoint), { epoch: checkpoint.epoch, streamTime: checkpoint.streamTime }]));
  const parking = new Parking(options, await parkedFor(store, assignment, before, rulings.folding));
  const gate = gateOf(rulings.folding, before);
  const isComplete = !options.afterFence && isUntouched(settled) && rulings.folding.barriers.length === 0 && isAlone(generation, assignment, heads);
  const claim = {
    assignment: assignment.number,
    standings,
    rulings,
    parking,
    pending: new Pending(gate.limits),
    rows: new RowCache(foldedModel(parts.definition).columns, { maxBytes: options.rowCacheBytes, isComplete }),
    gate,
    room,
  };
  return { claim, next: new Map(settled.map((checkpoint) => [partitionId(checkpoint), checkpoint.next])) };
};
