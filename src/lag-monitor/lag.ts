import type { PartitionHead } from '../events/event-log';
import { partitionId, type TopicPartition } from '../events/position';
import { pauseText, type Pause } from '../projections/pauses';
import { NO_COUNTS, generationLabel, type Checkpoint, type Counters, type Generation, type GenerationStatus, type StoppedBy } from '../projections/generations';
import type { ParkedTotals } from '../projections/parking';

/**
 * What one partition of one generation is, the worst first:
 * - `rewound`: the checkpoint lies beyond the stable head, or the record folded last is another one now
 * - `stopped`: an error stopped it, the log holds its next records no more, or the log has no such partition
 * - `paused`: somebody decided that nobody works on it
 * - `stalled`: records wait, and nobody folds them: no live worker, or no movement for a while
 * - `no-checkpoint`: no worker has ever taken it
 * - `warn`: readers see older data than the objective allows, or no live worker follows
 * - `ok`
 */
export const LAG_STATUSES = ['rewound', 'stopped', 'paused', 'stalled', 'no-checkpoint', 'warn', 'ok'] as const;
export type LagStatus = (typeof LAG_STATUSES)[number];

/** What is known of a record without its body. Times in milliseconds since the epoch. */
export interface RecordTimes {
  readonly offset: number;
  /** Time of appending. */
  readonly timestamp: number;
  readonly eventTime: number;
  /** CloudEvents id, empty where there is none. */
  readonly id: string;
}

export interface LagLimits {
  /** Oldest data that readers may see, in milliseconds. */
  readonly objectiveMs: number;
  /** A lagging partition that has not moved for so long is stalled, in milliseconds. */
  readonly stallAfterMs: number;
}

/** Everything known about one partition of one generation at one time. */
export interface PartitionFacts extends TopicPartition {
  /** `undefined`: the log has no such partition. */
  readonly head: PartitionHead | undefined;
  /** `undefined`: the control schema has no row. */
  readonly checkpoint: Checkpoint | undefined;
  /** The newest record below the stable head. */
  readonly newest: RecordTimes | undefined;
  /** The first record not folded yet; `undefined` where none waits or it could not be read. */
  readonly waiting: RecordTimes | undefined;
  /** Since when the checkpoint stands where it stands, as far as it was watched; milliseconds since the epoch. */
  readonly unmovedSince: number;
  /** It is paused. */
  readonly paused?: Pause | undefined;
  /** Its replay waits for a person or an hour: what for. */
  readonly halted?: string | undefined;
}

/** The lag of one partition of one generation: every figure is a finite number of at least zero. */
export interface PartitionLag extends TopicPartition {
  readonly status: LagStatus;
  /** Why it is not `ok`, one sentence; empty otherwise. */
  readonly reason: string;
  /** Where folding goes on; without a checkpoint the start of the log. */
  readonly next: number;
  /** Offsets between the next one and the stable head that the log still holds. */
  readonly lagRecords: number;
  /** For how long the first record not folded has been in the log; 0 where none waits. */
  readonly lagSeconds: number;
  /** Event time between what is folded and the newest record; 0 where none waits. */
  readonly eventTimeLagSeconds: number;
  /** Records that the log gave up before they were folded. */
  readonly recordsLost: number;
  /** Offsets between the start of the log and the next one: what retention may take before anything is lost. */
  readonly retentionMargin: number;
  readonly counters: Counters;
  readonly stoppedBy: StoppedBy | undefined;
}

/** What some partitions are together. */
export interface LagSums {
  /** The worst of them. */
  readonly status: LagStatus;
  /** The sum. */
  readonly lagRecords: number;
  /** The largest. */
  readonly lagSeconds: number;
  readonly eventTimeLagSeconds: number;
  readonly recordsLost: number;
}

/** All partitions of one generation. */
export interface GenerationLag extends LagSums {
  readonly generation: Generation;
  /** `order-summary v2.r1 (postgres)`. */
  readonly label: string;
  /** Live workers whose code is what the generation was built with. */
  readonly workers: number;
  /** What could not be folded and waits for somebody. */
  readonly parked: ParkedTotals;
  readonly partitions: readonly PartitionLag[];
}

const seconds = (ms: number): number => (Number.isFinite(ms) ? Math.max(0, ms) / 1_000 : 0);

interface Figures {
  readonly next: number;
  readonly lagRecords: number;
  readonly lagSeconds: number;
  readonly eventTimeLagSeconds: number;
  readonly recordsLost: number;
  readonly retentionMargin: number;
}

const figuresOf = ({ head, checkpoint, newest, waiting, unmovedSince }: PartitionFacts, now: number): Figures => {
  const start = head?.start ?? 0;
  const next = checkpoint?.next ?? start;
  const from = Math.max(next, start);
  const lagRecords = Math.max(0, (head?.stable ?? 0) - from);
  const folded = checkpoint?.streamTime ?? waiting?.eventTime;
  return {
    next,
    lagRecords,
    // Where the waiting record cannot be read, it waits at least since the partition was first seen standing there.
    lagSeconds: lagRecords === 0 ? 0 : seconds(now - (waiting?.timestamp ?? unmovedSince)),
    eventTimeLagSeconds: lagRecords === 0 || newest === undefined || folded === undefined ? 0 : seconds(newest.eventTime - folded),
    recordsLost: head === undefined ? 0 : Math.max(0, start - next),
    retentionMargin: Math.max(0, next - start),
  };
};

/** The newest record is read anyway; if it is the one folded last, a topic that was recreated shows. */
const foldedAnother = ({ checkpoint, newest }: PartitionFacts): boolean => {
  const folded = checkpoint?.fingerprint;
  return folded !== undefined && folded.offset === newest?.offset && (folded.timestamp !== newest.timestamp || folded.id !== newest.id);
};

interface Verdict {
  readonly status: LagStatus;
  readonly reason: string;
}

const broken = (facts: PartitionFacts, figures: Figures): Verdict | undefined => {
  const { head, checkpoint } = facts;
  if (head === undefined) {
    return { status: 'stopped', reason: 'the log has no such partition' };
  }
  if (figures.next > head.stable) {
    return { status: 'rewound', reason: `offset ${String(figures.next)} lies beyond the head of the log, ${String(head.stable)}` };
  }
  if (foldedAnother(facts)) {
    return { status: 'rewound', reason: 'the record folded last is not the one that the log holds there now' };
  }
  if (checkpoint?.stoppedBy !== undefined) {
    return { status: 'stopped', reason: `[${checkpoint.stoppedBy.code}] ${checkpoint.stoppedBy.message}` };
  }
  return figures.recordsLost > 0 ? { status: 'stopped', reason: `the log begins at ${String(head.start)}, after the next offset` } : undefined;
};

const followed = (facts: PartitionFacts, figures: Figures, status: GenerationStatus, workers: number, now: number, limits: LagLimits): Verdict => {
  if (facts.paused !== undefined) {
    return { status: 'paused', reason: pauseText(facts.paused) };
  }
  if (facts.halted !== undefined) {
    return { status: 'paused', reason: `its replay waits for ${facts.halted}` };
  }
  const behind = figures.lagRecords > 0;
  const unmovedMs = now - facts.unmovedSince;
  if (facts.checkpoint?.owner === undefined) {
    return { status: 'no-checkpoint', reason: workers === 0 ? 'no worker has taken it yet, and none is live' : 'no worker has taken it yet' };
  }
  if (workers === 0) {
    return { status: behind ? 'stalled' : 'warn', reason: 'no live worker folds it' };
  }
  if (behind && unmovedMs >= limits.stallAfterMs) {
    return { status: 'stalled', reason: `it has not moved for ${String(Math.floor(unmovedMs / 1_000))} s` };
  }
  // A candidate is behind by nature: it reads history.
  if (behind && status !== 'candidate' && figures.lagSeconds * 1_000 > limits.objectiveMs) {
    return { status: 'warn', reason: `the first record not folded has waited for ${figures.lagSeconds.toFixed(1)} s` };
  }
  return { status: 'ok', reason: '' };
};

/** Pure: the lag of one partition. `workers`: live ones that can fold the generation. `now` in milliseconds since the epoch. */
export const partitionLag = (facts: PartitionFacts, status: GenerationStatus, workers: number, now: number, limits: LagLimits): PartitionLag => {
  const figures = figuresOf(facts, now);
  return {
    topic: facts.topic,
    partition: facts.partition,
    ...(broken(facts, figures) ?? followed(facts, figures, status, workers, now, limits)),
    ...figures,
    counters: facts.checkpoint?.counters ?? NO_COUNTS,
    stoppedBy: facts.checkpoint?.stoppedBy,
  };
};

/** The worst of some statuses; `ok` of none. */
export const worstStatus = (statuses: readonly LagStatus[]): LagStatus => LAG_STATUSES.find((status) => statuses.includes(status)) ?? 'ok';

const largest = (figures: readonly number[]): number => figures.reduce((most, one) => Math.max(most, one), 0);

/** Pure: sums and worst of some partitions. */
export const summed = (partitions: readonly PartitionLag[]): LagSums => ({
  status: worstStatus(partitions.map(({ status }) => status)),
  lagRecords: partitions.reduce((sum, { lagRecords }) => sum + lagRecords, 0),
  lagSeconds: largest(partitions.map(({ lagSeconds }) => lagSeconds)),
  eventTimeLagSeconds: largest(partitions.map(({ eventTimeLagSeconds }) => eventTimeLagSeconds)),
  recordsLost: partitions.reduce((sum, { recordsLost }) => sum + recordsLost, 0),
});

/** Pure: sums and worst of the partitions of one generation. */
export const generationLag = (
  generation: Generation,
  workers: number,
  partitions: readonly PartitionLag[],
  parked: ParkedTotals = { sequences: 0, events: 0 },
): GenerationLag => ({
  generation,
  label: generationLabel(generation),
  workers,
  ...summed(partitions),
  parked,
  partitions,
});

/** Where a partition of a generation was seen standing, and since when. */
export interface Sighting {
  readonly next: number;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/**
 * Pure: a partition that moved, or that waited for nothing, begins to stand now; another one has been standing since before.
 * Idle time does not count: a partition that was at the head for hours is not stalled when the next record arrives.
 */
export const sightingOf = (before: Sighting | undefined, next: number, behind: boolean, now: number): Sighting =>
  before !== undefined && before.next === next && behind ? before : { next, since: now };

/** Every partition there is in the log or in the control schema, by topic and partition. */
export const partitionsOf = (
  topics: readonly string[],
  heads: readonly PartitionHead[],
  checkpoints: readonly Checkpoint[],
): readonly Pick<PartitionFacts, 'topic' | 'partition' | 'head' | 'checkpoint'>[] => {
  const headOf = new Map(heads.map((head) => [partitionId(head), head]));
  const checkpointOf = new Map(checkpoints.map((checkpoint) => [partitionId(checkpoint), checkpoint]));
  const all = new Map([...heads.filter(({ topic }) => topics.includes(topic)), ...checkpoints].map((one) => [partitionId(one), one]));
  return [...all]
    .map(([id, { topic, partition }]) => ({ topic, partition, head: headOf.get(id), checkpoint: checkpointOf.get(id) }))
    .sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
};
