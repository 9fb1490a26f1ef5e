import { Progress, type Standing } from '../../../src/app/following';
import { lagOf, readinessOf, type HeadsSeen, type Hindrance } from '../../../src/app/readiness';
import type { PartitionId } from '../../../src/events/position';
import type { Generation, GenerationStatus } from '../../../src/projections/generations';

const options = { readyLag: 10, headsEveryMs: 1_000 };
const alive = { alive: true, silentMs: 0, following: [] };
const heads: HeadsSeen = {
  at: 50_000,
  stable: new Map<PartitionId, number>([
    ['orders/0', 100],
    ['orders/1', 50],
  ]),
};

const standing = (
  next: Record<string, number> | undefined,
  given: Partial<Standing> = {},
  status: GenerationStatus = 'active',
  firstBuild = false,
): Standing => ({
  followed: { kind: 'generation', generation: { projection: 'p', version: 1, run: 1, store: 'postgres', status, firstBuild } as Generation },
  heardAt: undefined,
  topics: ['orders'],
  next: next && (new Map(Object.entries(next)) as ReadonlyMap<PartitionId, number>),
  stopped: [],
  failedWith: undefined,
  ...given,
});
const of = 'p v1.r1 (postgres)';

const hindrances = (standings: readonly Standing[], given: Partial<Parameters<typeof readinessOf>[0]> = {}): readonly Hindrance[] => {
  const said = readinessOf({ now: 50_000, options, liveness: alive, heads, standings, ...given });
  expect(said.ready).toBe(said.hindrances.length === 0);
  return said.hindrances;
};

describe('readiness of a worker', () => {
  it('is there when all that it follows is assigned, moves, and lies within the bound', () => {
    expect(hindrances([standing({ 'orders/0': 95, 'orders/1': 45 }), standing({})])).toEqual([]); // none of the partitions is an assignment too
    expect(hindrances([])).toEqual([]);
  });

  it('names what lies further behind than the bound, over all partitions', () => {
    expect(hindrances([standing({ 'orders/0': 94, 'orders/1': 45 })])).toEqual([{ because: 'behind', of, lagRecords: 11, bound: 10 }]);
    expect(hindrances([standing({ 'orders/0': 120, 'orders/1': 45 })])).toEqual([]); // what was folded since the look takes nothing off others
  });

  it('lets a candidate of a replay read history, but waits for a first build', () => {
    expect(hindrances([standing({ 'orders/0': 0 }, {}, 'candidate')])).toEqual([]);
    expect(hindrances([standing({ 'orders/0': 0 }, {}, 'candidate', true)])).toMatchObject([{ because: 'behind', lagRecords: 100 }]);
    expect(hindrances([standing({ 'orders/0': 0 }, {}, 'standby')])).toMatchObject([{ because: 'behind' }]);
    expect(hindrances([standing(undefined, {}, 'candidate')])).toEqual([{ because: 'no-assignment', of }]);
  });

  it('names what has no assignment, fails or stands still', () => {
    const stop = { topic: 'orders', partition: 1, offset: 45, code: 'event.unknown-type' };
    expect(hindrances([standing(undefined)])).toEqual([{ because: 'no-assignment', of }]);
    expect(hindrances([standing({ 'orders/1': 45 }, { stopped: [stop] })])).toEqual([{ because: 'stopped', of, ...stop }]);
    expect(hindrances([standing(undefined, { failedWith: 'store.unreachable' })])).toEqual([{ because: 'failing', of, code: 'store.unreachable' }]);
    expect(hindrances([standing(undefined, { followed: { kind: 'reactor', reactor: 'mails' } })])).toEqual([{ because: 'no-assignment', of: 'reactor mails' }]);
  });

  it('knows nothing without fresh heads of every partition', () => {
    const fine = standing({ 'orders/0': 100 });
    expect(hindrances([fine], { heads: undefined })).toEqual([{ because: 'heads-unknown' }]);
    expect(hindrances([fine], { now: 54_000 })).toEqual([]);
    expect(hindrances([fine], { now: 54_001 })).toEqual([{ because: 'heads-unknown' }]);
    expect(hindrances([standing({ 'orders/9': 0 })])).toEqual([{ because: 'heads-unknown' }]);
    expect(hindrances([fine], { liveness: { ...alive, alive: false } })).toEqual([{ because: 'not-alive' }]);
  });
});

describe('how far a runner is', () => {
  it('follows its assignment: what it lost counts no more, what stopped is asked again', () => {
    const progress = new Progress();
    expect(lagOf(standing(undefined), heads)).toBeUndefined();
    progress.moved({ topic: 'orders', partition: 0, next: 5 });
    expect(progress.standing().next).toBeUndefined();
    progress.assigned(new Map([['orders/0', 5]] as const));
    progress.moved({ topic: 'orders', partition: 0, next: 90 });
    progress.moved({ topic: 'orders', partition: 1, next: 7 }); // a commit that landed after its partition had gone
    progress.stopped({ topic: 'orders', partition: 0, offset: 90, code: 'x' });
    expect(progress.standing()).toEqual({
      next: new Map([['orders/0', 90]]),
      stopped: [{ topic: 'orders', partition: 0, offset: 90, code: 'x' }],
      failedWith: undefined,
    });
    expect(lagOf(progress.standing(), heads)).toBe(10);
    progress.assigned(new Map([['orders/1', 7]] as const));
    expect(progress.standing()).toEqual({ next: new Map([['orders/1', 7]]), stopped: [], failedWith: undefined });
  });
});
