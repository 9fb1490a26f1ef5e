import { runChecks } from './checks';
import { generationLabel } from '../projections/generations';
import { retryHold, withHold } from './hold';
import { pairsByStore, resolvePairs } from './members';
import { move, tell, type Coordination } from './parts';
import type { Comparison, GenerationPair, Hold, Inspection, Lease, PairComparison } from './ports';
import type { Replay } from './replay';
import type { RuleOutcome, Rules } from './rule-types';
import { hasRules, judge } from './rules';
import { differingRows, failedRules, isIdentical, type MemberVerdict, type Verdict } from './verdict';

const memberVerdict = ({ pair, diff, from, to }: PairComparison): MemberVerdict => ({
  projection: pair.to.projection,
  store: pair.to.store,
  before: generationLabel(pair.from),
  after: generationLabel(pair.to),
  positions: to.positions,
  counters: { before: from.counters, after: to.counters },
  parked: { before: from.parked, after: to.parked },
  stopped: [
    ...from.stopped.map((stop) => ({ ...stop, generation: generationLabel(pair.from) })),
    ...to.stopped.map((stop) => ({ ...stop, generation: generationLabel(pair.to) })),
  ],
  ...diff,
});

/** Pure: what the comparisons of all stores say together. */
export const verdictOf = (comparisons: readonly Comparison[], rules: Rules = {}, checked: readonly RuleOutcome[] = []): Verdict => {
  const members = comparisons.flatMap(({ pairs }) => pairs.map(memberVerdict));
  const horizons = Object.fromEntries(comparisons.flatMap(({ pairs, horizon }) => pairs.map(({ pair }) => [pair.to.store, horizon])));
  return {
    identical: members.every(isIdentical),
    takenAt: comparisons[0]?.takenAt ?? '',
    horizons,
    members,
    ...(hasRules(rules) ? { rules, outcomes: [...members.flatMap((member) => judge(rules, member)), ...checked] } : {}),
  };
};

/** Every store compares in a snapshot of its own; the hold ends when the last of them has taken it, the comparisons go on. Ends when all have ended: a copy of one that still runs would be taken for that of the next attempt. */
const compareStores = async (c: Coordination, replay: Replay, pairs: readonly GenerationPair[], hold: Hold): Promise<Verdict> => {
  const { rules } = replay;
  const stores = pairsByStore(c, pairs);
  let missing = stores.length;
  const onSnapshot = async (): Promise<void> => {
    missing -= 1;
    if (missing === 0) {
      await c.holds.lift(hold);
      await tell(c, replay.id, 'verifying:snapshot');
    }
  };
  const checked: RuleOutcome[] = [];
  const settings = { rules, functions: c.checks ?? {}, timeoutMs: c.options.checkMs };
  const inspect = async (comparison: PairComparison, inspection: Inspection): Promise<void> => {
    checked.push(...(await runChecks(settings, comparison, inspection)));
  };
  const compare = { hold, samples: Math.max(c.options.keptRows, c.options.samples), tolerances: rules.tolerances, onSnapshot, inspect };
  const ended = await Promise.allSettled(stores.map(([store, own]) => store.compare({ ...compare, pairs: own })));
  return verdictOf(
    ended.map((one) => {
      if (one.status === 'rejected') {
        throw one.reason;
      }
      return one.value;
    }),
    rules,
    checked,
  );
};

/** Compares both sides at one position and records the verdict with the rows that differ. @throws RefoldError `hold.timed-out`, `hold.lost` */
export const verify = async (c: Coordination, lease: Lease, replay: Replay): Promise<void> => {
  const pairs = await resolvePairs(c, replay);
  const whole = await retryHold(c, () =>
    withHold(c, replay.id, pairs, async (hold) => {
      await tell(c, replay.id, 'verifying:held', { targets: hold.targets.length });
      return compareStores(c, replay, pairs, hold);
    }),
  );
  await tell(c, replay.id, 'verifying:compared');
  const rows = whole.members.flatMap(({ samples }, member) => samples.map((sample) => ({ member, ...sample })));
  const verdict = { ...whole, members: whole.members.map((member) => ({ ...member, samples: member.samples.slice(0, c.options.samples) })) };
  const differing = verdict.members.reduce((sum, member) => sum + differingRows(member), 0);
  const failed = failedRules(verdict).map(({ rule }) => rule);
  await move(c, lease, replay, 'verified', {
    verdict,
    rows,
    facts: { identical: verdict.identical, differing, ...(failed.length === 0 ? {} : { failedRules: failed }) },
  });
};
