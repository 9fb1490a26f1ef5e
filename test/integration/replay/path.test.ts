import type { World } from './world';
import { DAILY_V2, openWorld, orders } from './world';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';

describeWithPostgres('a replay', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-path', orders: 200 });
  });
  afterAll(() => world.close());

  it('rebuilds, compares, cuts over, goes back and forth, and retires', async () => {
    const steps: string[] = [];
    const coordinator = world.coordinator({ observe: ({ step }) => void steps.push(step), by: 'ann' });
    const { id, state } = await coordinator.start({ projections: DAILY_V2 });
    expect(state).toBe('planned');
    await expect(coordinator.diff(id)).rejects.toMatchObject({ code: 'replay.wrong-state' });
    await expect(coordinator.cutover(id)).rejects.toMatchObject({ code: 'replay.wrong-state', facts: { legal: ['advance', 'set', 'pause', 'abort'] } });
    await expect(coordinator.start({ projections: DAILY_V2 })).rejects.toMatchObject({ code: 'replay.candidate-exists', facts: { replay: id } });

    const shares: number[] = [];
    const ready = await coordinator.runUntil(id, 'ready', {
      onProgress: ({ progress }) => void shares.push(progress.find(({ side }) => side === 'to')?.share ?? 0),
    });
    expect(ready).toMatchObject({ state: 'ready', legal: ['cutover', 'verify', 'abort'], waitingFor: undefined, error: undefined });
    expect(shares.at(-1)).toBe(1);
    expect([...shares].sort((a, b) => a - b)).toEqual(shares);
    expect(ready.progress.find(({ side }) => side === 'to')).toMatchObject({ generation: 'customer-daily v2.r1 (postgres)', done: 200, total: 200, lag: 0 });

    const verdict = await coordinator.diff(id);
    expect(verdict.identical).toBe(false);
    const [member] = verdict.members;
    expect(member).toMatchObject({
      before: 'customer-daily v1.r1 (postgres)',
      after: 'customer-daily v2.r1 (postgres)',
      onlyBefore: 0,
      onlyAfter: 0,
      changed: 20,
      changedByColumn: { orders: 20 },
      addedColumns: [],
      removedColumns: [],
      keyColumns: ['customer_id', 'window_start'],
      counters: { before: { read: 200, applied: 200 }, after: { read: 200, applied: 200 } },
      stopped: [],
    });
    expect(member!.rows.before).toBe(member!.rows.after);
    expect(Object.values(member!.positions).reduce((a, b) => a + b, 0)).toBe(200);
    expect(member!.samples).toHaveLength(10);
    expect(member!.samples[0]).toEqual({
      kind: 'changed',
      key: { customer_id: 'c0', window_start: expect.stringMatching(/^2026-01-\d\d 00:00:00\+00$/) },
      changes: [{ column: 'orders', before: expect.any(String), after: expect.any(String) }],
    });
    const keys = member!.samples.map(({ key }) => `${key['customer_id']!} ${key['window_start']!}`);
    expect([...keys].sort()).toEqual(keys);

    const before = await world.total();
    expect(before.orders).toBe(200);
    expect((await coordinator.cutover(id)).legal).toEqual(['rollback', 'retire']);
    const after = await world.total();
    expect(after).toEqual({ ...before, orders: 180 });
    expect(await world.generations()).toEqual(['v1.r1 standby', 'v2.r1 active']);

    const back = await coordinator.rollback(id);
    expect(back).toMatchObject({ state: 'ready', legal: ['cutover', 'verify', 'abort', 'retire'] });
    expect(await world.total()).toEqual(before);
    expect(await world.generations()).toEqual(['v1.r1 active', 'v2.r1 standby']);

    await world.shop.emit(orders(200, 230));
    await coordinator.cutover(id);
    await until(async () => (await world.total()).orders === 207, 'the new generation follows');
    expect(await coordinator.retire(id)).toEqual(['customer-daily v1.r1 (postgres)']);
    expect(await world.generations()).toEqual(['v1.r1 retired', 'v2.r1 active']);
    expect((await world.pool.query(`SELECT to_regclass('customer_daily__v1_r1') AS t`)).rows).toEqual([{ t: null }]);
    await expect(coordinator.rollback(id)).rejects.toMatchObject({
      code: 'replay.wrong-state',
      remedy: expect.stringContaining('refold replay start') as string,
    });

    const done = await coordinator.status(id);
    expect(done).toMatchObject({ state: 'done', legal: [], coordinatedBy: undefined });
    expect(done.steps.map(({ toState }) => toState)).toEqual(
      [
        ['planned', 'provisioning', 'replaying', 'catching-up', 'verifying', 'ready'],
        ['cutting-over', 'done', 'cutting-over', 'ready', 'cutting-over', 'done'],
        ['done', 'done'], // retired, dropped
      ].flat(),
    );
    expect(new Set(done.steps.map(({ by }) => by))).toEqual(new Set(['ann']));
    expect(steps).toEqual(expect.arrayContaining(['provisioning:table-created', 'verifying:snapshot', 'cutting-over:held', 'retiring:dropped']));
  });

  it('refuses what cannot be started, by name', async () => {
    const coordinator = world.coordinator();
    await expect(coordinator.start({ projections: DAILY_V2 })).rejects.toMatchObject({ code: 'replay.not-behind' });
    await expect(coordinator.start({ projections: [{ name: 'customer-daily', version: 9 }] })).rejects.toMatchObject({
      code: 'projection.unknown',
      facts: { known: ['v1', 'v2'] },
    });
    await expect(coordinator.start({ projections: [] })).rejects.toMatchObject({ code: 'config.invalid' });
    await expect(coordinator.status(4711)).rejects.toMatchObject({ code: 'replay.unknown' });
    expect((await coordinator.list()).map(({ state }) => state)).toEqual(['done']);
  });

  it('rebuilds the same version again, switches several projections together, and finds the result identical', async () => {
    const coordinator = world.coordinator();
    const { id } = await coordinator.start({ projections: [...DAILY_V2, { name: 'order-summary', version: 1 }], again: true });
    await coordinator.runUntil(id, 'done');
    const verdict = await coordinator.diff(id);
    expect(verdict.identical).toBe(true);
    expect(verdict.members.map(({ rows }) => rows.before === rows.after && rows.after > 0)).toEqual([true, true]);
    expect(await world.generations()).toEqual(['v1.r1 retired', 'v2.r1 standby', 'v2.r2 active']);
    expect(await world.generations('order-summary')).toEqual(['v1.r1 standby', 'v1.r2 active']);
    const { rows } = await world.pool.query('SELECT projection, version, run FROM refold_active ORDER BY projection');
    expect(rows).toEqual([
      { projection: 'customer-daily', version: 2, run: 2 },
      { projection: 'order-summary', version: 1, run: 2 },
    ]);
    expect((await world.total()).orders).toBe(207);
    const moments = await world.pool.query('SELECT DISTINCT xmin::text FROM refold_active');
    expect(moments.rows).toHaveLength(1); // both in one transaction
    await coordinator.rollback(id);
    expect(await coordinator.retire(id)).toEqual(['customer-daily v2.r2 (postgres)', 'order-summary v1.r2 (postgres)']);
    expect((await coordinator.status(id)).state).toBe('aborted');
    expect(await world.generations('order-summary')).toEqual(['v1.r1 active', 'v1.r2 retired']);
  });

  it('detaches when asked to and goes on by the same call', async () => {
    const coordinator = world.coordinator();
    const { id } = await coordinator.start({ projections: DAILY_V2, again: true });
    const abort = new AbortController();
    const seen: string[] = [];
    const detached = await coordinator.runUntil(id, 'ready', {
      signal: abort.signal,
      onProgress: ({ state }) => {
        seen.push(state);
        if (state === 'replaying') {
          abort.abort();
        }
      },
    });
    expect(detached.state).toBe('replaying');
    expect((await world.coordinator().runUntil(id, 'ready')).state).toBe('ready');
    await world.coordinator().abort(id);
  });

  it.each(['planned', 'provisioning', 'replaying', 'catching-up', 'verifying', 'ready'])('can be aborted from %s and leaves nothing behind', async (state) => {
    const coordinator = world.coordinator();
    const before = await world.total();
    const { id } = await coordinator.start({ projections: DAILY_V2, again: true });
    await until(
      async () => ((await coordinator.status(id)).state === state || !(await coordinator.advance(id)) ? (await coordinator.status(id)).state === state : false),
      `the replay is ${state}`,
    );
    expect((await coordinator.abort(id)).state).toBe('aborted');
    expect((await coordinator.abort(id)).state).toBe('aborted'); // the same command again, as after a crash
    expect((await world.generations()).filter((g) => !g.endsWith('retired'))).toEqual(['v2.r1 active']);
    const tables = await world.pool.query(`SELECT tablename FROM pg_tables WHERE tablename LIKE 'customer\\_daily%'`);
    expect(tables.rows).toEqual([{ tablename: 'customer_daily__v2_r1' }]);
    expect(await world.total()).toEqual(before);
  });
});
