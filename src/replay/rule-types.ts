import type { StoreKind } from '../projections/generations';

/** A row that a statement of somebody else answered, as JSON. */
export type FoundRow = Readonly<Record<string, unknown>>;

/** So many rows, or so many percent of the rows that readers see now: `10`, `0.5%`. */
export type RowLimit = number | `${number}%`;

/** A query of the user that has to answer no row. */
export interface SqlCheck {
  /** `{before}` and `{after}` stand for the rows that readers see and those of the candidate. */
  readonly sql: string;
  /** Only of this projection; else of each one of the replay. */
  readonly projection?: string | undefined;
  /** Only in this store. */
  readonly store?: StoreKind | undefined;
}

/** What a comparison has to say for a cutover to be allowed; kept with the replay. */
export interface Rules {
  /** The same rows, columns and keys. */
  readonly expect?: 'identical' | undefined;
  /** Only these columns may have changed or be gone; no row may be missing or added unless a limit says so. Added columns are no change. */
  readonly allowColumns?: readonly string[] | undefined;
  /** Rows on both sides that are not the same. */
  readonly maxChanged?: RowLimit | undefined;
  /** Rows that only readers of today see. */
  readonly maxMissing?: RowLimit | undefined;
  /** Rows that only the candidate has. */
  readonly maxAdded?: RowLimit | undefined;
  /** By column: numbers that are no farther apart count as equal, for all other rules too. */
  readonly tolerances?: Readonly<Record<string, number>> | undefined;
  readonly checks?: readonly SqlCheck[] | undefined;
  /** Names of checks of the application, see `checks` of `defineApp`. */
  readonly functions?: readonly string[] | undefined;
}

/** What became of one rule for one member of a replay. */
export interface RuleOutcome {
  /** `identical`, `allow-columns`, `max-changed`, `max-missing`, `max-added`, `check`, `function`. */
  readonly rule: string;
  readonly projection: string;
  readonly store: StoreKind;
  readonly passed: boolean;
  /** What was asked for, for people. */
  readonly wanted: string;
  /** What was found, for people. */
  readonly found: string;
  /** The first rows that a check answered. */
  readonly rows?: readonly FoundRow[];
}
