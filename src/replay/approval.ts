import { RefoldError } from '../kernel/errors';
import { generationLabel } from '../projections/generations';
import type { Coordination } from './parts';
import type { GenerationPair, Lease } from './ports';
import type { Replay } from './replay';
import { legalCommands } from './states';
import { failedRules } from './verdict';

/** Says why a verdict is good enough. */
export interface ApproveOptions {
  /** Who has decided. */
  readonly by: string;
  readonly reason: string;
  /** Number of the verification that was seen; the last one if not given. */
  readonly verification?: number | undefined;
}

/**
 * Rules that the last verdict did not keep forbid a cutover, unless somebody has approved this very verdict.
 * @throws RefoldError `cutover.rules-failed` with rules and figures
 */
export const requireRulesKept = ({ id, verdict }: Replay): void => {
  if (verdict === undefined || verdict.approval !== undefined) {
    return;
  }
  const failed = failedRules(verdict);
  if (failed.length > 0) {
    const facts = {
      replay: id,
      verification: verdict.verification,
      failed: failed.map(({ rule, projection, store, wanted, found }) => `${rule} of ${projection} (${store}): wanted ${wanted}, found ${found}`),
    };
    throw new RefoldError('cutover.rules-failed', `the comparison breaks ${failed.length === 1 ? 'a rule' : `${String(failed.length)} rules`}`, { facts });
  }
};

/** What is parked is missing in the rows. @throws RefoldError `cutover.more-parked` with the keys */
export const requireNotMoreParked = async (c: Coordination, replay: Replay, pairs: readonly GenerationPair[]): Promise<void> => {
  for (const pair of pairs) {
    const { keys, first } = await c.verifications.newlyParked(pair);
    if (keys > 0) {
      const facts = { replay: replay.id, generation: generationLabel(pair.to), keys: first, others: keys > first.length ? keys - first.length : undefined };
      throw new RefoldError('cutover.more-parked', 'events are parked in the generation to switch to that the one that readers see has folded', { facts });
    }
  }
};

/** Records the approval of the verdict that was seen. @throws RefoldError `replay.wrong-state`, `replay.verdict-changed`, `config.invalid` */
export const approve = async (c: Coordination, lease: Lease, replay: Replay, { by, reason, verification }: ApproveOptions): Promise<void> => {
  if (by.trim() === '' || reason.trim() === '') {
    throw new RefoldError('config.invalid', 'an approval needs a name and a reason');
  }
  const last = replay.verdict?.verification;
  if (replay.state !== 'ready' || last === undefined) {
    const facts = { replay: replay.id, state: replay.state, legal: legalCommands(replay) };
    throw new RefoldError('replay.wrong-state', 'only the verdict of a replay that is ready can be approved', {
      facts,
      ...(replay.state === 'ready' ? { remedy: 'Compare again: `refold replay verify`.' } : {}),
    });
  }
  await c.verifications.approve(lease, { verification: verification ?? last, by, reason });
};
