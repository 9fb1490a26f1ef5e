import { generationLabel } from '../projections/generations';
import { retryHold, withHold } from './hold';
import { pairsByStore, resolvePairs } from './members';
import { move, tell, type Coordination } from './parts';
import type { Comparison, GenerationPair, Hold, Lease, PairComparison } from './ports';
import type { Replay } from './replay';
import { differingRows, isIdentical, type MemberVerdict, type Verdict } from './verdict';

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
export const verdictOf = (comparisons: readonly Comparison[]): Verdict => {
  const members = comparisons.flatMap(({ pairs }) => pairs.map(memberVerdict));
  const horizons = Object.fromEntries(comparisons.flatMap(({ pairs, horizon }) => pairs.map(({ pair }) => [pair.to.store, horizon])));
  return { identical: members.every(isIdentical), takenAt: comparisons[0]?.takenAt ?? '', horizons, members };
};

/** Every store compares in a snapshot of its own; the hold ends when the last of them has taken it, the comparisons go on. Ends when all have ended: a copy of one that still runs would be taken for that of the next attempt. */
const compareStores = async (c: Coordination, replay: Replay, pairs: readonly GenerationPair[], hold: Hold): Promise<Verdict> => {
  const stores = pairsByStore(c, pairs);
  let missing = stores.length;
  const onSnapshot = async (): Promise<void> => {
    missing -= 1;
    if (missing === 0) {
      await c.holds.lift(hold);
      await tell(c, replay.id, 'verifying:snapshot');
    }
  };
  const ended = await Promise.allSettled(stores.map(([store, own]) => store.compare({ pairs: own, hold, samples: c.options.samples, onSnapshot })));
  return verdictOf(
    ended.map((one) => {
      if (one.status === 'rejected') {
        throw one.reason;
      }
      return one.value;
    }),
  );
};

/** Compares both sides at one position and records the verdict. @throws RefoldError `hold.timed-out`, `hold.lost` */
export const verify = async (c: Coordination, lease: Lease, replay: Replay): Promise<Replay> => {
  const pairs = await resolvePairs(c, replay);
  const verdict = await retryHold(c, () =>
    withHold(c, replay.id, pairs, async (hold) => {
      await tell(c, replay.id, 'verifying:held', { targets: hold.targets.length });
      return compareStores(c, replay, pairs, hold);
    }),
  );
  await tell(c, replay.id, 'verifying:compared');
  const differing = verdict.members.reduce((sum, member) => sum + differingRows(member), 0);
  return { ...(await move(c, lease, replay, 'verified', { verdict, facts: { identical: verdict.identical, differing } })), verdict };
};
