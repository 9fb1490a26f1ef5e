import type { TopicPartition } from '../../events/position';
import type { Advance } from '../read-model-store';
import type { RowCache } from './row-cache';

/** What loading and folding one batch took. Durations in milliseconds by the monotonic clock. */
export interface FoldFigures {
  /** When it began, milliseconds since the epoch. */
  readonly startedAt: number;
  /** When the oldest of its records was appended, milliseconds since the epoch; `undefined`: there are none. */
  readonly oldestAt: number | undefined;
  readonly loadMs: number;
  readonly foldMs: number;
  /** Rows looked for in memory and known there, whether they exist or not. */
  readonly cacheHits: number;
  /** Rows asked of the store. */
  readonly cacheMisses: number;
}

/** What one committed batch took: once per batch, never per event. */
export interface BatchFigures extends FoldFigures {
  /** When the store had committed it and readers could see its rows, milliseconds since the epoch. */
  readonly committedAt: number;
  readonly commitMs: number;
  /** What the rows kept in memory take, roughly. */
  readonly cacheBytes: number;
}

/** When the store answered a commit, and after how long. */
export interface CommitTime {
  readonly committedAt: number;
  readonly commitMs: number;
}

/** When the oldest record was appended that advances passed. */
export const oldestOf = (
  advances: readonly Pick<Advance, 'topic' | 'partition' | 'next'>[],
  batches: readonly (TopicPartition & { readonly records: readonly { readonly offset: number; readonly timestamp: number }[] })[],
): number | undefined => {
  const times = advances.map(({ topic, partition, next }) => {
    const first = batches.find((batch) => batch.partition === partition && batch.topic === topic)?.records[0];
    return first !== undefined && first.offset < next ? first.timestamp : undefined;
  });
  return times.reduce(earlier, undefined);
};

export const earlier = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined || b === undefined ? (a ?? b) : Math.min(a, b));

export const figuresOf = (folded: FoldFigures, { committedAt, commitMs }: CommitTime, rows: Pick<RowCache, 'bytes'>): BatchFigures => ({
  ...folded,
  committedAt,
  commitMs,
  cacheBytes: rows.bytes,
});

/** Milliseconds of the monotonic clock: for durations alone. */
export const ticks = (): number => performance.now();
