import { defineApp } from '../../../src/app/define-app';
import type { ReplayCheck } from '../../../src/replay/checks';
import type { ReplayCoordinator } from '../../../src/replay/coordinator';
import { CustomerDaily, OrderSummary, customerDailyV2, shopEvents } from '../../support/shop';
import { describeWithPostgres } from '../../support/services';
import { DAILY_V2, openWorld, type World } from './world';

const checks: Record<string, ReplayCheck> = {
  'no-lost-revenue': async ({ rows }) => {
    const lost = await rows('SELECT b.customer_id FROM {before} b JOIN {after} a USING (customer_id, window_start) WHERE a.revenue < b.revenue');
    return lost.map(({ customer_id }) => `${String(customer_id)} lost revenue`);
  },
  'nothing-changes': ({ diff }) => (diff.changed === 0 ? [] : [`${String(diff.changed)} rows changed`]),
  throws: () => Promise.reject(new Error('it cannot be told')),
};
const app = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary, CustomerDaily, customerDailyV2], checks });

describeWithPostgres('the rules of a replay', () => {
  let world: World;
  let coordinator: ReplayCoordinator;
  let id: number;
  /** Version 2 does not count orders of 0.00, so these rows change in `orders` alone. */
  let changed: number;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-rules', orders: 300, app });
    coordinator = world.coordinator();
    ({ id } = await coordinator.start({ projections: DAILY_V2, rules: { expect: 'identical' } }));
    const { verdict } = await coordinator.runUntil(id, 'ready');
    changed = verdict!.members[0]!.changed;
  });
  afterAll(() => world.close());

  const outcomes = async (): Promise<readonly (readonly [string, boolean])[]> =>
    ((await coordinator.diff(id)).outcomes ?? []).map(({ rule, passed }) => [rule, passed] as const);

  it('forbid a cutover that breaks them, with rule and figures, until somebody answers for this very verdict', async () => {
    expect(changed).toBeGreaterThan(10);
    await expect(coordinator.cutover(id)).rejects.toMatchObject({
      code: 'cutover.rules-failed',
      facts: {
        failed: [`identical of customer-daily (postgres): wanted the same rows and columns, found ${String(changed)} changed, 0 missing, 0 added rows`],
      },
    });
    const seen = (await coordinator.diff(id)).verification!;
    await expect(coordinator.approve(id, { by: ' ', reason: 'none' })).rejects.toMatchObject({ code: 'config.invalid' });
    await coordinator.approve(id, { by: 'ada', reason: 'orders of 0.00 do not count', verification: seen });
    expect((await coordinator.diff(id)).approval).toMatchObject({ by: 'ada', reason: 'orders of 0.00 do not count' });
    expect((await coordinator.status(id)).steps.at(-1)).toMatchObject({ by: 'ada', facts: { approved: seen, reason: 'orders of 0.00 do not count' } });

    await coordinator.verify(id);
    expect((await coordinator.diff(id)).approval).toBeUndefined();
    await expect(coordinator.cutover(id)).rejects.toMatchObject({ code: 'cutover.rules-failed' });
    await expect(coordinator.approve(id, { by: 'ada', reason: 'as before', verification: seen })).rejects.toMatchObject({ code: 'replay.verdict-changed' });
    expect((await coordinator.diff(id, { verification: seen })).approval).toMatchObject({ by: 'ada' });
    expect(await coordinator.verifications(id)).toMatchObject([
      { differing: changed, failed: 1, approval: undefined },
      { verification: seen, differing: changed, failed: 1, approval: { by: 'ada' } },
    ]);
  });

  it('take the place of those before, and run checks by SQL and by function over both sides', async () => {
    await coordinator.verify(id, {
      rules: {
        allowColumns: ['orders'],
        maxChanged: changed,
        maxMissing: 0,
        checks: [
          { sql: 'SELECT customer_id FROM {after} WHERE orders < 0' },
          { sql: 'SELECT customer_id FROM {before} b JOIN {after} a USING (customer_id, window_start) WHERE a.orders < b.orders;' },
          { sql: 'SELECT nothing FROM {after}' },
          { sql: 'DELETE FROM {after} RETURNING 1' },
          { sql: 'SELECT 1 FROM {after}) AS found; DELETE FROM {after}; SELECT * FROM (SELECT 2' },
          { sql: 'SELECT 1 FROM {after}', projection: 'customer-daily', store: 'clickhouse' },
        ],
        functions: ['no-lost-revenue', 'nothing-changes', 'throws'],
      },
    });
    expect(await outcomes()).toEqual([
      ['allow-columns', true],
      ['max-changed', true],
      ['max-missing', true],
      ['check', true],
      ['check', false],
      ['check', false],
      ['check', false],
      ['check', false],
      ['function', true],
      ['function', false],
      ['function', false],
    ]);
    const found = (await coordinator.diff(id)).outcomes!.filter(({ passed }) => !passed);
    expect(found[0]).toMatchObject({ found: 'more than 5 rows' });
    expect(found[0]!.rows).toHaveLength(5);
    expect(found[1]!.found).toContain('column "nothing" does not exist');
    expect(found[4]!.found).toBe(`${String(changed)} rows changed`);
    expect(found[5]!.found).toBe('it could not be run: it cannot be told');
    expect((await world.total()).rows).toBe((await coordinator.diff(id)).members[0]!.rows.after);
    await expect(coordinator.verify(id, { rules: { allowColumns: ['nothing'] } })).rejects.toMatchObject({ code: 'config.invalid' });
    expect((await coordinator.status(id)).state).toBe('ready');
  });

  it('end a check that takes too long', async () => {
    const hasty = world.coordinator({ options: { checkMs: 50 } });
    await hasty.verify(id, { rules: { checks: [{ sql: 'SELECT pg_sleep(30) FROM (SELECT FROM {after} LIMIT 1) AS one' }] } });
    expect((await coordinator.diff(id)).outcomes![0]!.found).toContain('statement timeout');
  });

  it('count numbers within a tolerance as equal, and say how many', async () => {
    await coordinator.verify(id, { rules: { expect: 'identical', tolerances: { orders: 1 } } });
    const { members, identical } = await coordinator.diff(id);
    expect(members[0]).toMatchObject({ changed: 0, tolerated: changed, changedByColumn: {}, samples: [] });
    expect(identical).toBe(true);
    await coordinator.verify(id, { rules: { expect: 'identical', tolerances: { orders: 0.5 } } });
    expect((await coordinator.diff(id)).members[0]).toMatchObject({ changed, tolerated: 0 });
  });

  it('are those of the same command given again, and no others once it has been compared', async () => {
    const rules = { expect: 'identical', tolerances: { orders: 0.5 } } as const;
    await coordinator.rule(id, rules);
    await expect(coordinator.rule(id, { maxMissing: 0 })).rejects.toMatchObject({ code: 'replay.wrong-state' });
    await expect(coordinator.diff(id, { verification: 999_999 })).rejects.toMatchObject({ code: 'replay.unknown' });
  });

  it('leave rows that differ to be looked at, by kind, column and number', async () => {
    const few = world.coordinator({ options: { keptRows: 7, samples: 3 } });
    await few.verify(id, { rules: {} });
    const { verification, members, outcomes: none } = await coordinator.diff(id);
    expect([members[0]!.samples.length, none]).toEqual([3, undefined]);
    const kept = await coordinator.differingRows(verification!);
    expect(kept).toHaveLength(7);
    expect(kept.slice(0, 3)).toEqual(members[0]!.samples.map((sample) => ({ member: 0, ...sample })));
    expect(await coordinator.differingRows(verification!, { limit: 2, column: 'orders', kind: 'changed' })).toEqual(kept.slice(0, 2));
    expect(await coordinator.differingRows(verification!, { column: 'revenue' })).toEqual([]);
    expect(await coordinator.differingRows(verification!, { kind: 'before' })).toEqual([]);
  });

  it('keep rows of the newest comparisons alone, and verdicts of all', async () => {
    const first = (await coordinator.verifications(id)).at(-1)!.verification;
    expect((await coordinator.differingRows(first)).length).toBe(changed);
    for (let n = 0; n < 15; n += 1) {
      await coordinator.verify(id);
    }
    expect(await coordinator.differingRows(first)).toEqual([]);
    expect((await coordinator.diff(id, { verification: first })).members[0]!.changed).toBe(changed);
    expect(await coordinator.cutover(id)).toMatchObject({ state: 'done' });
    await expect(coordinator.verify(id)).rejects.toMatchObject({ code: 'replay.wrong-state' });
    await expect(coordinator.approve(id, { by: 'ada', reason: 'late' })).rejects.toMatchObject({ code: 'replay.wrong-state' });
  });
});
