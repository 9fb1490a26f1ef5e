import type { Approval, DifferingRow, DiffSample, Verdict } from './verdict';
import type { GenerationPair, Lease } from './ports';

/** One comparison of a replay, in short. */
export interface VerificationEntry {
  readonly verification: number;
  /** ISO time of the snapshot. */
  readonly takenAt: string;
  readonly by: string;
  readonly identical: boolean;
  /** Rows that are not the same, of all members. */
  readonly differing: number;
  /** Rules that failed. */
  readonly failed: number;
  readonly approval: Approval | undefined;
}

/** Which of the rows kept are wanted; nothing: all. */
export interface RowFilter {
  readonly kind?: DiffSample['kind'] | undefined;
  /** Rows in which this column differs. */
  readonly column?: string | undefined;
  /** Of each member. */
  readonly limit?: number | undefined;
}

/** Events of a key that one generation has parked and the other one has folded. */
export interface NewlyParked {
  readonly keys: number;
  /** The first of them, in order. */
  readonly first: readonly string[];
}

/**
 * Port to what comparisons found. They are written by the transition that ends them. Verdicts are kept as long as the replay,
 * rows that differed of the newest {@link KEPT_VERIFICATIONS} of the application.
 */
export interface Verifications {
  /** Newest first. */
  list(replayId: number): Promise<readonly VerificationEntry[]>;
  /** @throws RefoldError `replay.unknown` if the replay has no such verification */
  verdict(replayId: number, verification: number): Promise<Verdict>;
  /** By member, changed rows first, each kind in the order of the comparison. */
  rows(verification: number, filter: RowFilter): Promise<readonly DifferingRow[]>;
  /**
   * Records who has approved the last verdict of the replay, with a row in the history; an earlier approval is replaced.
   * @throws RefoldError `replay.verdict-changed` if another comparison came meanwhile, `replay.lease-held`
   */
  approve(lease: Lease, approval: { readonly verification: number; readonly by: string; readonly reason: string }): Promise<void>;
  /** Keys of which `to` has parked events that `from` has not. */
  newlyParked(pair: GenerationPair): Promise<NewlyParked>;
}

/** The rows that differed are kept of so many comparisons of an application. */
export const KEPT_VERIFICATIONS = 20;
