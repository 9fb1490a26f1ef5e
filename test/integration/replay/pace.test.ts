import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import type { ReplayStatus } from '../../../src/replay/replay';
import { DAILY_V2, openWorld, type World } from './world';

describeWithPostgres('the pace of a replay', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-pace', orders: 400 });
  });
  afterAll(() => world.close());

  const candidate = (status: ReplayStatus) => status.progress.find(({ side }) => side === 'to')!;
  /** Workers that fold the candidate: members of its group in the log. */
  const members = async (): Promise<number> => {
    const { rows } = await world.pool.query<{ n: number }>(`SELECT count(*) AS n FROM refold.log_members WHERE group_name LIKE '%customer-daily.postgres.v2%'`);
    return rows[0]!.n;
  };

  it('waits while it is paused, goes on where it was, and tells who and why', async () => {
    const coordinator = world.coordinator({ by: 'ann' });
    const { id } = await coordinator.start({ projections: DAILY_V2, pace: { rate: 40, yieldMs: 5_000 } });
    expect((await coordinator.list())[0]!.id).toBe(id);
    while ((await coordinator.status(id)).state !== 'replaying') {
      await coordinator.advance(id);
    }
    await until(async () => candidate(await coordinator.status(id)).done > 0, 'something is folded');
    expect(candidate(await coordinator.status(id)).share).toBeLessThan(1);

    await expect(coordinator.pause(id, { reason: ' ' })).rejects.toMatchObject({ code: 'config.invalid' });
    await coordinator.pause(id, { reason: 'the sale', by: 'bob' });
    await coordinator.pause(id, { reason: 'another' });
    await until(async () => (await members()) === 0, 'no worker folds it');
    const paused = await coordinator.status(id);
    expect(paused).toMatchObject({ pace: { rate: 40, yieldMs: 5_000, paused: { by: 'bob', reason: 'the sale' } } });
    expect(paused.waitingFor).toMatch(/by bob: the sale/);
    expect(await coordinator.advance(id)).toBe(false);

    // Whoever coordinates waits for as long as that takes.
    const seen: ReplayStatus[] = [];
    const abort = new AbortController();
    const impatient = world.coordinator({ options: { noWorkerMs: 1, stoppedMs: 1 } });
    await impatient.runUntil(id, 'ready', {
      signal: abort.signal,
      onProgress: (status) => {
        seen.push(status);
        if (seen.length === 5) {
          abort.abort();
        }
      },
    });
    expect(seen.map((status) => candidate(status).done)).toEqual(seen.map(() => candidate(paused).done));

    expect(await coordinator.setPace(id, { rate: null, yieldMs: null })).toMatchObject({ replay: id, paused: { by: 'bob' } });
    expect(await coordinator.resume(id, 'carl')).toMatchObject({ by: 'bob', reason: 'the sale' });
    expect(await coordinator.resume(id)).toBeUndefined();
    const ready = await coordinator.runUntil(id, 'ready');
    expect(candidate(ready)).toMatchObject({ done: 400, total: 400, share: 1 });
    expect(candidate(ready).partitions.reduce((sum, { done }) => sum + done, 0)).toBe(400);
    expect(ready.steps.flatMap(({ by, facts }) => ('paused' in facts || 'resumed' in facts ? [[by, facts]] : []))).toEqual([
      ['bob', { paused: 'the sale' }],
      ['carl', { resumed: 'the sale' }],
    ]);
    await expect(coordinator.pause(id, { reason: 'too late' })).rejects.toMatchObject({ code: 'replay.wrong-state' });
    await expect(coordinator.setPace(id, { rate: 1 })).rejects.toMatchObject({ code: 'replay.wrong-state' });
    await expect(coordinator.setPace(999, { rate: 1 })).rejects.toMatchObject({ code: 'replay.unknown' });
    await coordinator.abort(id);
  });

  it('folds only within its hours, and again once they are changed', async () => {
    const coordinator = world.coordinator();
    const now = new Date();
    const hour = (offset: number): string => `${String((now.getUTCHours() + offset) % 24).padStart(2, '0')}:00`;
    const { id } = await coordinator.start({ projections: DAILY_V2, pace: { hours: [`${hour(4)}-${hour(5)}`] } });
    const halted: string[] = [];
    const running = coordinator.runUntil(id, 'ready', { onProgress: (status) => halted.push(status.halted ?? '') });
    await until(() => halted.length > 3, 'it was looked at');
    expect(halted.every((why) => why.startsWith('its hours: '))).toBe(true);
    await coordinator.setPace(id, { hours: ['00:00-24:00'] });
    expect((await running).state).toBe('ready');
    await coordinator.abort(id);
  });

  it('is obeyed by all workers together', async () => {
    const other = world.work();
    const coordinator = world.coordinator();
    const { id } = await coordinator.start({ projections: DAILY_V2, pace: { rate: 100 } });
    while ((await coordinator.status(id)).state !== 'replaying') {
      await coordinator.advance(id);
    }
    const began = Date.now();
    await until(async () => candidate(await coordinator.status(id)).done >= 200, 'half of it is folded');
    // A bound, not a speed: so many events cannot be folded in less time, but for what is taken at once after each change.
    expect(Date.now() - began).toBeGreaterThan(700);
    await coordinator.setPace(id, { rate: null });
    expect((await coordinator.runUntil(id, 'ready')).state).toBe('ready');
    await coordinator.abort(id);
    await other.stop();
  });
});
