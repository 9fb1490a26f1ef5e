import { partitionId, type PartitionId } from '../../events/position';
import type { ProjectionDefinition } from '../definition';
import { NO_COUNTS, type Counters, type Storage } from '../generations';
import type { Advance, BatchCommit, StampedRow } from '../read-model-store';
import type { DecodedBatch, DecodedRecord, Failure } from './decoded';
import type { Fold } from './fold-step';
import { PARK_ALL } from '../failure-rules';
import { isKeyOf } from '../values';
import { MergeFold } from './merge-fold';
import { Parking, type BatchParking } from './parking';
import { RowFold } from './row-fold';

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

const foldPartition = (
  fold: Fold,
  batch: DecodedBatch,
  standing: Standing,
  parking: BatchParking,
): { readonly advance: Advance; readonly failure: Failure | undefined } => {
  const { topic, partition } = batch;
  const tally: Tally = { counts: { ...NO_COUNTS }, streamTime: standing.streamTime, last: undefined };
  for (const record of batch.records) {
    const streamTime = laterOf(tally.streamTime, record.time);
    try {
      const place = { topic, partition, offset: record.offset, streamTime: streamTime ?? Number.NEGATIVE_INFINITY };
      const fate = record.aside ?? parking.fate(record, streamTime, () => fold.record(record, place));
      tally.counts[fate] += 1;
    } catch (error) {
      const { offset } = record;
      return { advance: advanceOf(batch, offset, standing.epoch, tally), failure: { topic, partition, offset, error } };
    }
    tally.streamTime = streamTime;
    tally.last = record;
  }
  return { advance: advanceOf(batch, batch.next, standing.epoch, tally), failure: undefined };
};

/** Keys of the rows that folding these batches may touch; empty for merged models, which load nothing. */
export const touchedKeys = (definition: ProjectionDefinition, batches: readonly DecodedBatch[]): readonly string[] => {
  if (definition.kind === 'merged') {
    return [];
  }
  const { type } = definition.model.keys[0]!;
  const keys = new Set<string>();
  for (const { records } of batches) {
    for (const { events } of records) {
      for (const { key } of events) {
        if (isKeyOf(type, key)) {
          keys.add(key);
        }
      }
    }
  }
  return [...keys];
};

/** The way in which a projection is folded. */
export const foldOf = (definition: ProjectionDefinition, storage: Storage, loaded: ReadonlyMap<string, StampedRow>): Fold =>
  storage === 'rows' ? new RowFold(definition, loaded) : new MergeFold(definition, storage);

const stopping = (batch: DecodedBatch): BatchParking => new Parking({ ...PARK_ALL, failures: 'stop' }).batch(batch, 0);

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
): FoldResult => {
  const fold = foldOf(definition, storage, loaded);
  const parkings = batches.map(parkingOf);
  const results = batches.map((batch, i) => foldPartition(fold, batch, standings.get(partitionId(batch))!, parkings[i]!));
  return {
    commit: {
      advances: results.map(({ advance }) => advance).filter(({ from, next }) => next > from),
      ...fold.writes(),
      parked: parkings.flatMap(({ parked }) => parked),
    },
    failures: results.flatMap(({ failure }) => failure ?? []),
  };
};
