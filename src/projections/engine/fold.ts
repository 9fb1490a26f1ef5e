import { partitionId, type PartitionId } from '../../events/position';
import type { ProjectionDefinition } from '../definition';
import { NO_COUNTS, type Counters, type Storage } from '../generations';
import type { Advance, BatchCommit, StampedRow } from '../read-model-store';
import type { DecodedBatch, DecodedRecord, Failure } from './decoded';
import type { Fold } from './fold-step';
import { decidedStreamTime, NOTHING_DECIDED, type FoldDecisions, type StreamTimeFrom } from '../partition-decisions';
import { PARK_ALL } from '../failure-rules';
import { isKeyOf } from '../values';
import { touchedGroups } from './brought';
import { GroupFold } from './group-fold';
import { MergeFold } from './merge-fold';
import { Parking, type BatchParking, type Fates } from './parking';
import { RowFold, foundIn, type FindRow } from './row-fold';

/** Where a partition stands before the batch. */
export interface Standing {
  readonly epoch: number;
  readonly streamTime: number | undefined;
}

/** Where partitions stand when a batch is committed. */
export const standingsAfter = (standings: ReadonlyMap<PartitionId, Standing>, advances: readonly Advance[]): ReadonlyMap<PartitionId, Standing> =>
  new Map([...standings, ...advances.map((advance) => [partitionId(advance), { epoch: advance.epoch, streamTime: advance.streamTime }] as const)]);

export interface FoldResult {
  readonly commit: BatchCommit;
  /** At most one per partition; the advance ends before it. */
  readonly failures: readonly Failure[];
}

interface Tally {
  readonly counts: Record<keyof Counters, number>;
  streamTime: number | undefined;
  last: DecodedRecord | undefined;
}

const advanceOf = (batch: DecodedBatch, next: number, epoch: number, { counts, streamTime, last }: Tally): Advance => {
  const read = next - batch.from;
  const recorded = counts.applied + counts.filtered + counts.late + counts.parked + counts.discarded + counts.errata;
  return {
    topic: batch.topic,
    partition: batch.partition,
    from: batch.from,
    next,
    epoch,
    streamTime,
    counters: { ...counts, read, control: read - recorded },
    fingerprint: last && { offset: last.offset, timestamp: last.timestamp, id: last.id },
  };
};

const laterOf = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined || b === undefined ? (a ?? b) : Math.max(a, b));

const NO_TIMES: readonly StreamTimeFrom[] = [];

const foldPartition = (
  fold: Fold,
  batch: DecodedBatch,
  standing: Standing,
  fates: Fates,
  times: readonly StreamTimeFrom[],
): { readonly advance: Advance; readonly failure: Failure | undefined } => {
  const { topic, partition } = batch;
  const tally: Tally = { counts: { ...NO_COUNTS }, streamTime: standing.streamTime, last: undefined };
  for (const record of batch.records) {
    tally.streamTime = laterOf(tally.streamTime, decidedStreamTime(times, record.offset));
    const streamTime = laterOf(tally.streamTime, record.time);
    try {
      const place = { topic, partition, offset: record.offset, streamTime: streamTime ?? Number.NEGATIVE_INFINITY };
      const fate = record.aside ?? fates.fate(record, place, fold);
      tally.counts[fate] += 1;
    } catch (error) {
      const { offset } = record;
      return { advance: advanceOf(batch, offset, standing.epoch, tally), failure: { topic, partition, offset, error } };
    }
    tally.streamTime = streamTime;
    tally.last = record;
  }
  tally.streamTime = laterOf(tally.streamTime, decidedStreamTime(times, batch.next));
  return { advance: advanceOf(batch, batch.next, standing.epoch, tally), failure: undefined };
};

/** Keys of the rows, or names of the groups, that folding these batches may touch, those that are needed; empty for merged models, which load nothing. */
export const touchedKeys = (
  definition: ProjectionDefinition,
  batches: readonly DecodedBatch[],
  isNeeded: (key: string) => boolean = () => true,
): readonly string[] => {
  if (definition.kind !== 'row-fold') {
    return definition.kind === 'grouped' ? touchedGroups(definition, batches, isNeeded) : [];
  }
  const { type } = definition.model.keys[0]!;
  const keys = new Set<string>();
  for (const { records } of batches) {
    for (const { events } of records) {
      for (const { key } of events) {
        if (!keys.has(key) && isNeeded(key) && isKeyOf(type, key)) {
          keys.add(key);
        }
      }
    }
  }
  return [...keys];
};

/** The way in which a projection is folded. */
export const foldOf = (definition: ProjectionDefinition, storage: Storage, find: FindRow, decided: FoldDecisions, isNew?: (id: string) => boolean): Fold => {
  switch (storage) {
    case 'rows':
      return new RowFold(definition, find, decided);
    case 'groups':
      return new GroupFold(definition, find, decided);
    default:
      return new MergeFold(definition, storage, decided, isNew);
  }
};

const stopping = (batch: DecodedBatch): BatchParking => new Parking({ ...PARK_ALL, failures: 'stop' }).batch(batch, 0);

/** How partitions moved, those that did, and what ended the batches of others before they were through. */
export interface Folded {
  readonly advances: readonly Advance[];
  readonly failures: readonly Failure[];
}

/** Folds batches of several partitions, each in log order, on what was folded before. */
export const foldOn = (
  fold: Fold,
  batches: readonly DecodedBatch[],
  standings: ReadonlyMap<PartitionId, Standing>,
  fatesOf: (batch: DecodedBatch, i: number) => Fates,
  { streamTimes }: FoldDecisions,
): Folded => {
  const results = batches.map((batch, i) => {
    const id = partitionId(batch);
    return foldPartition(fold, batch, standings.get(id)!, fatesOf(batch, i), streamTimes.get(id) ?? NO_TIMES);
  });
  return {
    advances: results.map(({ advance }) => advance).filter(({ from, next }) => next > from),
    failures: results.flatMap(({ failure }) => failure ?? []),
  };
};

/**
 * Folds batches of several partitions, each in log order. Pure: rows loaded before go in, everything to be written
 * comes out. A record that fails is parked, or
 * ends its partition's batch right before it; the other partitions go on.
 */
export const foldBatches = (
  definition: ProjectionDefinition,
  storage: Storage,
  batches: readonly DecodedBatch[],
  standings: ReadonlyMap<PartitionId, Standing>,
  loaded: ReadonlyMap<string, StampedRow>,
  parkingOf: (batch: DecodedBatch) => BatchParking = stopping,
  decided: FoldDecisions = NOTHING_DECIDED,
): FoldResult => {
  const fold = foldOf(definition, storage, foundIn(loaded), decided);
  const parkings = batches.map(parkingOf);
  const { advances, failures } = foldOn(fold, batches, standings, (_, i) => parkings[i]!, decided);
  return { commit: { advances, ...fold.writes(), parked: parkings.flatMap(({ parked }) => parked) }, failures };
};
