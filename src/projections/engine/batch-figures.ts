import type { RowCache } from './row-cache';

/** What loading and folding one batch took. Durations in milliseconds by the monotonic clock. */
export interface FoldFigures {
  /** When it began, milliseconds since the epoch. */
  readonly startedAt: number;
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

export const figuresOf = (folded: FoldFigures, { committedAt, commitMs }: CommitTime, rows: Pick<RowCache, 'bytes'>): BatchFigures => ({
  ...folded,
  committedAt,
  commitMs,
  cacheBytes: rows.bytes,
});

/** Milliseconds of the monotonic clock: for durations alone. */
export const ticks = (): number => performance.now();
