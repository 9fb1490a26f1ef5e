import { RefoldError } from '../kernel/errors';
import type { PartitionHead } from '../events/event-log';
import { comparePartitions, partitionId, samePartition, type PartitionId, type Position, type TopicPartition } from '../events/position';
import { generationLabel, type Checkpoint, type Generation } from './generations';
import type { Decision, Stamp } from './read-model-store';

/**
 * Where the keys of a topic moved to other partitions: an offset for each partition there was then. Everything before these
 * offsets is folded before anything from them on.
 */
export type Barrier = ReadonlyMap<PartitionId, number>;

/** From an offset on the stream time of a partition is at least `streamTime`, milliseconds since the epoch. */
export interface StreamTimeFrom extends Position {
  readonly streamTime: number;
}

/** What recorded decisions say to a fold, made ready for it. */
export interface FoldDecisions {
  readonly barriers: readonly Barrier[];
  readonly streamTimes: ReadonlyMap<PartitionId, readonly StreamTimeFrom[]>;
  /** Records that count in their windows even if these are closed; see {@link readmittedId}. */
  readonly readmitted?: ReadonlySet<string>;
}

/** Names a record. */
export const readmittedId = (position: Position): string => `${partitionId(position)}@${String(position.offset)}`;

export const NOTHING_DECIDED: FoldDecisions = { barriers: [], streamTimes: new Map() };

/** What is kept with a barrier: the offsets by number of partition. */
export const barrierFacts = (barrier: readonly Position[]): { readonly offsets: readonly number[] } => ({
  offsets: [...barrier].sort(comparePartitions).map(({ offset }) => offset),
});

const barrierOf = ({ topic, facts }: Decision): Barrier =>
  new Map((facts['offsets'] as readonly number[]).map((offset, partition) => [partitionId({ topic, partition }), offset]));

/** Pure. */
export const foldDecisions = (decisions: readonly Decision[]): FoldDecisions => {
  const streamTimes = new Map<PartitionId, StreamTimeFrom[]>();
  for (const { kind, topic, partition, offset, facts } of decisions) {
    if (kind === 'idle-advance') {
      const id = partitionId({ topic, partition });
      streamTimes.set(id, [...(streamTimes.get(id) ?? []), { topic, partition, offset, streamTime: facts['streamTime'] as number }]);
    }
  }
  return {
    barriers: decisions.filter(({ kind }) => kind === 'partition-barrier').map(barrierOf),
    streamTimes,
    readmitted: new Set(decisions.filter(({ kind }) => kind === 'readmit').map(readmittedId)),
  };
};

/** The least that the stream time of a partition is at an offset; `undefined`: nobody has said. */
export const decidedStreamTime = (times: readonly StreamTimeFrom[], at: number): number | undefined =>
  times.reduce<number | undefined>((most, { offset, streamTime }) => (offset <= at ? Math.max(most ?? streamTime, streamTime) : most), undefined);

/** Whether a key may have moved from where its row was changed last to another partition: a barrier lies between the two. */
export const mayHaveMoved = ({ barriers }: Pick<FoldDecisions, 'barriers'>, from: Stamp, to: Position): boolean =>
  barriers.some((barrier) => from.offset < (barrier.get(partitionId(from)) ?? -1) && to.offset >= (barrier.get(partitionId(to)) ?? Infinity));

/** Where a row was changed before, if that is another partition than it is changed in now. */
export const movedFrom = (stored: Stamp | undefined, to: TopicPartition): Stamp | undefined =>
  stored === undefined || samePartition(stored, to) ? undefined : stored;

/** The barriers that not all partitions have reached yet. */
export const barriersAhead = (barriers: readonly Barrier[], checkpoints: readonly Checkpoint[]): readonly Barrier[] => {
  const next = new Map(checkpoints.map((checkpoint) => [partitionId(checkpoint), checkpoint.next]));
  return barriers.filter((barrier) => [...barrier].some(([id, offset]) => (next.get(id) ?? -1) < offset));
};

/** The first barrier ahead of each partition: it is not folded beyond. */
export const limitsOf = (ahead: readonly Barrier[]): ReadonlyMap<PartitionId, number> => {
  const limits = new Map<PartitionId, number>();
  for (const [id, offset] of ahead.flatMap((barrier) => [...barrier])) {
    limits.set(id, Math.min(offset, limits.get(id) ?? Infinity));
  }
  return limits;
};

/** Partitions that their topic got since the generation was made. */
export const partitionsWithout = (checkpoints: readonly TopicPartition[], there: readonly TopicPartition[]): readonly TopicPartition[] => {
  const known = new Set(checkpoints.map(partitionId));
  return there.filter((partition) => !known.has(partitionId(partition)));
};

/** Whether growth moves the keys of a generation: its rows are folded by the event key, or its groups lie in one partition each. */
export const isMovedByGrowth = ({ storage }: Pick<Generation, 'storage'>): boolean => storage === 'rows' || storage === 'groups';

/** A generation that reads a topic, with where it stands while nobody folds. */
export interface Following {
  readonly generation: Pick<Generation, 'id' | 'storage' | 'projection' | 'store' | 'version' | 'run'>;
  readonly checkpoints: readonly (TopicPartition & Pick<Checkpoint, 'next'>)[];
}

/**
 * Pure: the partitions that were added, and the barrier at the ends of the others.
 * @throws RefoldError `partitions.nothing-added`, `partitions.passed`
 */
export const planGrowth = (topic: string, heads: readonly PartitionHead[], all: readonly Following[]): Pick<AcceptedGrowth, 'added' | 'barrier'> => {
  const following = all.filter(({ generation }) => isMovedByGrowth(generation));
  const missing = new Set(following.flatMap(({ checkpoints }) => partitionsWithout(checkpoints, heads)).map(partitionId));
  const added = heads.filter((head) => missing.has(partitionId(head)));
  if (added.length === 0) {
    throw new RefoldError('partitions.nothing-added', `no generation lacks a partition of topic ${topic}`, { facts: { topic, partitions: heads.length } });
  }
  for (const { generation, checkpoints } of following) {
    const passed = checkpoints.find((checkpoint) => added.some((head) => partitionId(head) === partitionId(checkpoint) && checkpoint.next > head.start));
    if (passed !== undefined) {
      throw new RefoldError('partitions.passed', `${generationLabel(generation)} has folded what lies in a partition that is to be accepted`, {
        facts: { topic, partition: passed.partition, next: passed.next },
      });
    }
  }
  const offsetOf = (head: PartitionHead): number => (missing.has(partitionId(head)) ? head.start : head.end);
  return {
    added: added.map(({ partition }) => ({ topic, partition })),
    barrier: heads.map((head) => ({ topic, partition: head.partition, offset: offsetOf(head) })),
  };
};

/** Pure: where nobody has been yet, so that all come by. @throws RefoldError `log.unknown-partition` */
export const planAdvance = (
  { topic, partition, streamTime }: AdvanceRequest,
  heads: readonly PartitionHead[],
  following: readonly Following[],
): StreamTimeFrom => {
  const id = partitionId({ topic, partition });
  const head = heads.find((one) => partitionId(one) === id);
  if (head === undefined) {
    throw new RefoldError('log.unknown-partition', `there is no partition ${id}`, { facts: { topic, partition } });
  }
  const reached = following.flatMap(({ checkpoints }) => checkpoints.filter((one) => partitionId(one) === id).map(({ next }) => next));
  return { topic, partition, offset: Math.max(head.end, ...reached), streamTime };
};

/** Somebody takes the new partitions of a topic for good. */
export interface GrowthRequest {
  readonly topic: string;
  readonly by: string;
  readonly reason: string;
  /** Asked for while nothing is folded, so that nothing is folded beyond its answer. */
  readonly heads: () => Promise<readonly PartitionHead[]>;
}

export interface AcceptedGrowth {
  /** The partitions that were added. */
  readonly added: readonly TopicPartition[];
  readonly barrier: readonly Position[];
  /** Names of the generations that go on with it. */
  readonly generations: readonly string[];
}

/** Somebody says that nothing older will come in a partition that has become idle. */
export interface AdvanceRequest extends TopicPartition {
  /** Milliseconds since the epoch. */
  readonly streamTime: number;
  readonly by: string;
  readonly reason: string;
  /** Takes the place of what the same one has decided at the same position before. */
  readonly supersedes?: boolean;
  /** Asked for while nothing is folded. */
  readonly heads: () => Promise<readonly PartitionHead[]>;
}

/**
 * Port to decisions about partitions, obeyed by all generations of an application. They are recorded while the checkpoints of
 * all that are followed are locked, at positions that none of them has passed.
 */
export interface PartitionDecisions {
  /** @throws RefoldError `partitions.nothing-added`, `partitions.passed`, `store.conflict` */
  accept(request: GrowthRequest): Promise<AcceptedGrowth>;
  /** Answers from which offset on it holds. @throws RefoldError `log.unknown-partition`, `store.conflict` while a batch is in doubt */
  advance(request: AdvanceRequest): Promise<StreamTimeFrom>;
}
