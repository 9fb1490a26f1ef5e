import type { VerificationEntry } from '../../replay/verifications';
import type { DifferingRow, Verdict } from '../../replay/verdict';

/** Everything that `replay diff` shows, in whatever form. */
export interface DiffReport {
  readonly replay: number;
  readonly verdict: Verdict;
  /** Rows chosen of those that were kept. */
  readonly rows: readonly DifferingRow[];
  /** All comparisons of the replay, newest first. */
  readonly verifications: readonly VerificationEntry[];
}

/** As JSON. */
export const reportJson = ({ replay, verdict, rows, verifications }: DiffReport): object => ({
  replay,
  diff: verdict,
  rows: rows.map(({ member, ...row }) => ({ projection: verdict.members[member]!.projection, store: verdict.members[member]!.store, ...row })),
  verifications,
});
