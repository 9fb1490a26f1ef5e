import type { Counters, StoppedBy, StoreKind } from '../projections/generations';
import type { RuleOutcome, Rules } from './rule-types';

/** One row that would change; values as text, `null` for SQL's null. */
export interface DiffSample {
  /** `before`: only in the active generation; `after`: only in the candidate; `changed`: in both. */
  readonly kind: 'before' | 'after' | 'changed';
  /** Key columns, and the start of the window where there is one. */
  readonly key: Readonly<Record<string, string | null>>;
  readonly changes: readonly { readonly column: string; readonly before: string | null; readonly after: string | null }[];
}

/** A row that differed, with the member of the verdict it belongs to, from 0. */
export interface DifferingRow extends DiffSample {
  readonly member: number;
}

/** Characters of a value that are shown. */
export const LONGEST_VALUE = 4_000;

/** The value as it is shown: a longer one is cut and ends with `…`. */
export const shownValue = (value: string | null | undefined): string | null => {
  const characters = value === null || value === undefined || value.length <= LONGEST_VALUE ? undefined : [...value];
  return characters === undefined || characters.length <= LONGEST_VALUE ? (value ?? null) : `${characters.slice(0, LONGEST_VALUE).join('')}…`;
};

/** How the rows of two generations differ at one position. */
export interface RowDiff {
  readonly rows: { readonly before: number; readonly after: number };
  readonly onlyBefore: number;
  readonly onlyAfter: number;
  readonly changed: number;
  /** Rows whose only differences are within the tolerances; they do not count as changed. Verdicts of older versions do not say. */
  readonly tolerated?: number;
  /** Changed rows by column; columns without a change are left out. */
  readonly changedByColumn: Readonly<Record<string, number>>;
  /** The first by key: changed rows first, then those of one side only. */
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
  /** Number of the verification; verdicts of older versions have none. */
  readonly verification?: number;
  readonly rules?: Rules;
  /** What became of each rule. */
  readonly outcomes?: readonly RuleOutcome[];
  /** Of this verdict; another verification is another verdict. */
  readonly approval?: Approval;
}

/** A person who has seen that rules failed and wants the cutover all the same. */
export interface Approval {
  readonly by: string;
  readonly reason: string;
  /** ISO time by the database's clock. */
  readonly at: string;
}

/** Rows that are not the same on both sides. */
export const differingRows = (diff: Pick<RowDiff, 'onlyBefore' | 'onlyAfter' | 'changed'>): number => diff.onlyBefore + diff.onlyAfter + diff.changed;

/** Outcomes of rules that were not kept. */
export const failedRules = ({ outcomes = [] }: Pick<Verdict, 'outcomes'>): readonly RuleOutcome[] => outcomes.filter(({ passed }) => !passed);

/** Identical: the same rows, the same columns, comparable keys. */
export const isIdentical = (diff: RowDiff): boolean =>
  differingRows(diff) === 0 && diff.keyColumns.length > 0 && diff.addedColumns.length === 0 && diff.removedColumns.length === 0;
