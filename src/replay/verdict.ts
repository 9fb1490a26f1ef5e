import type { Counters, StoppedBy, StoreKind } from '../projections/generations';

/** One row that would change; values as text, `null` for SQL's null. */
export interface DiffSample {
  /** `before`: only in the active generation; `after`: only in the candidate; `changed`: in both. */
  readonly kind: 'before' | 'after' | 'changed';
  /** Key columns, and the start of the window where there is one. */
  readonly key: Readonly<Record<string, string | null>>;
  readonly changes: readonly { readonly column: string; readonly before: string | null; readonly after: string | null }[];
}

/** How the rows of two generations differ at one position. */
export interface RowDiff {
  readonly rows: { readonly before: number; readonly after: number };
  readonly onlyBefore: number;
  readonly onlyAfter: number;
  readonly changed: number;
  /** Changed rows by column; columns without a change are left out. */
  readonly changedByColumn: Readonly<Record<string, number>>;
  /** In key order: changed rows first, then those of one side only. */
  readonly samples: readonly DiffSample[];
  /** Columns that only one model has; they are not compared. */
  readonly addedColumns: readonly string[];
  readonly removedColumns: readonly string[];
  /** Columns that identify a row; empty if the models' keys differ, then rows are only counted. */
  readonly keyColumns: readonly string[];
}

/** What one side could not fold: its rows lack these events. */
export interface ParkedKeys {
  readonly sequences: number;
  readonly events: number;
  /** The first keys, in order. */
  readonly keys: readonly string[];
}

/** The verdict on one member of a replay. */
export interface MemberVerdict extends RowDiff {
  readonly projection: string;
  readonly store: StoreKind;
  readonly before: string;
  readonly after: string;
  /** `topic/partition` to the offset at which both sides were compared. */
  readonly positions: Readonly<Record<string, number>>;
  readonly counters: { readonly before: Counters; readonly after: Counters };
  /** Rows of these keys may differ for that reason alone. Verdicts of older versions do not say. */
  readonly parked?: { readonly before: ParkedKeys; readonly after: ParkedKeys };
  /** Partitions that do not go on; none at the time of a comparison unless they stopped exactly there. */
  readonly stopped: readonly (StoppedBy & { readonly generation: string })[];
}

/** What verify found out, stored with the replay. */
export interface Verdict {
  readonly identical: boolean;
  /** ISO time of the snapshot by the database's clock. */
  readonly takenAt: string;
  /** By store: what a snapshot must include to see the candidates whole. A cutover waits for readers with older ones. */
  readonly horizons?: Readonly<Partial<Record<StoreKind, string>>>;
  readonly members: readonly MemberVerdict[];
}

/** Rows that are not the same on both sides. */
export const differingRows = (diff: Pick<RowDiff, 'onlyBefore' | 'onlyAfter' | 'changed'>): number => diff.onlyBefore + diff.onlyAfter + diff.changed;

/** Identical: the same rows, the same columns, comparable keys. */
export const isIdentical = (diff: RowDiff): boolean =>
  differingRows(diff) === 0 && diff.keyColumns.length > 0 && diff.addedColumns.length === 0 && diff.removedColumns.length === 0;
