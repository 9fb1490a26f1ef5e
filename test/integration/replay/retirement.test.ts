import { PostgresReplayJournal } from '../../../src/replay/adapters/postgres/journal';
import { PostgresRetirements } from '../../../src/replay/adapters/postgres/retirements';
import type { ReplayParts } from '../../../src/replay/parts';
import type { Retirements } from '../../../src/replay/ports';
import { TOKENS } from '../../../src/app/container';
import { generationLabel } from '../../../src/projections/generations';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { DAILY_V2, openWorld, orders, type World } from './world';

const HOUR = 3_600_000;

describeWithPostgres('a retired generation', () => {
  let world: World;
  let emitted = 40;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-retirement', orders: emitted });
  });
  afterAll(() => world.close());

  /** A replay that has switched; `former` is the table readers saw before. */
  const switched = async (): Promise<{ readonly id: number; readonly former: string }> => {
    const coordinator = world.coordinator();
    const before = (await world.generations()).find((label) => label.endsWith('active'))!;
    const { id } = await coordinator.start({ projections: DAILY_V2, again: true });
    await coordinator.runUntil(id, 'done');
    return { id, former: `customer_daily__${before.split(' ')[0]!.replace('.', '_')}` };
  };
  const exists = async (table: string): Promise<boolean> =>
    (await world.pool.query<{ found: string | null }>(`SELECT to_regclass($1) AS found`, [table])).rows[0]!.found !== null;
  const databaseTime = async (): Promise<number> =>
    (await world.pool.query<{ now: number }>(`SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now`)).rows[0]!.now;
  const facts = async (id: number, name: string): Promise<readonly unknown[]> =>
    (await world.coordinator().status(id)).steps.flatMap((step) => (step.facts[name] === undefined ? [] : [step.facts[name]]));
  const retirements = (): Retirements => new PostgresRetirements({ pool: world.pool, app: 'shop' });
  const rewired = (changed: Partial<Retirements>): { readonly rewire: (parts: ReplayParts) => ReplayParts } => ({
    rewire: (parts) => {
      const { retirements: real } = parts;
      const all: Retirements = {
        retire: (...given) => real.retire(...given),
        due: () => real.due(),
        dropped: (...given) => real.dropped(...given),
      };
      return { ...parts, retirements: { ...all, ...changed } };
    },
  });

  const formerGeneration = async (table: string): Promise<Parameters<Retirements['retire']>[1] | undefined> =>
    (await world.shop.container.resolve(TOKENS.catalog).list()).find((generation) => generation.table === table);

  it('leaves no group behind in the log', async () => {
    const { id, former } = await switched();
    const { group, topics } = (await formerGeneration(former))!;
    const names = async (): Promise<readonly string[]> => (await world.shop.log.topicAdmin.groups(group, topics)).map((one) => one.group);
    expect(await names()).toContain(group);
    await world.pool.query(
      `INSERT INTO refold.log_members (app, group_name, member_id, topics, session_timeout_ms, heartbeat_at) VALUES ('shop', $1, 'dead', $2, 1000, now() - interval '1 hour')`,
      [group, topics],
    );
    await world.coordinator().retire(id);
    await until(async () => !(await names()).includes(group), 'the group is forgotten');
    const left = async (table: string): Promise<number> =>
      (await world.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM refold.${table} WHERE group_name = $1`, [group])).rows[0]!.n;
    await until(async () => (await left('log_members')) + (await left('log_claims')) === 0, 'nothing is left of a member that died');
  });

  it('is not followed any more and keeps its table for the delay, by the clock of the database', async () => {
    const { id, former } = await switched();
    const earliest = await databaseTime();
    const later = world.coordinator({ options: { retireDelayMs: HOUR } });
    const [label] = await later.retire(id);
    const status = await later.status(id);
    expect(label).toMatch(/^customer-daily v\d\.r\d \(postgres\)$/);
    expect(status).toMatchObject({ state: 'done', legal: ['retire'] });
    expect(status.dropsAt! - earliest).toBeGreaterThanOrEqual(HOUR - 1);
    expect(status.dropsAt!).toBeLessThanOrEqual((await databaseTime()) + HOUR);
    expect((await later.list())[0]!.dropsAt).toBe(status.dropsAt);
    expect((await world.shop.generations()).find(({ generation }) => generation.table === former)!.generation).toMatchObject({
      status: 'retired',
      dropAt: status.dropsAt,
      droppedAt: undefined,
    });
    const rows = async (): Promise<unknown> => (await world.pool.query<{ n: number }>(`SELECT sum(orders)::int AS n FROM ${former}`)).rows[0]!.n;
    const kept = await rows();
    const seen = (await world.total()).orders;
    await world.shop.emit(orders(emitted, emitted + 9));
    emitted += 9;
    await until(async () => (await world.total()).orders > seen, 'readers see new orders');
    expect(await rows()).toBe(kept);
    await expect(later.rollback(id)).rejects.toMatchObject({ code: 'replay.wrong-state' });
    await expect(later.retire(id, { afterMs: -1 })).rejects.toMatchObject({ code: 'duration.invalid' });
    expect(await exists(former)).toBe(true);

    // The same command again changes the time.
    expect(await later.retire(id, { afterMs: 2 * HOUR })).toEqual([label]);
    expect((await later.status(id)).dropsAt!).toBeGreaterThan(status.dropsAt! + HOUR / 2);
    expect(await later.retire(id, { afterMs: 0 })).toEqual([label]);
    expect(await exists(former)).toBe(false);
    expect(await later.status(id)).toMatchObject({ state: 'done', legal: [], dropsAt: undefined });
    expect(await facts(id, 'dropped')).toEqual([[label]]);
    const before = (await later.status(id)).steps.length;
    expect(await later.retire(id)).toEqual([label]); // there is nothing left to do
    expect((await later.status(id)).steps).toHaveLength(before);
  });

  it('is dropped by a worker once it is time', async () => {
    const { id, former } = await switched();
    await world.coordinator().retire(id, { afterMs: 300 });
    const { dropsAt } = await world.coordinator().status(id);
    await until(async () => !(await exists(former)), 'a worker has dropped it');
    expect(await databaseTime()).toBeGreaterThan(dropsAt!);
    await until(async () => (await facts(id, 'dropped')).length === 1, 'it stands in the history');
    expect(await world.coordinator().status(id)).toMatchObject({ dropsAt: undefined, legal: [] });
  });

  it('is dropped after a rollback too, which ends the replay', async () => {
    const { id } = await switched();
    const coordinator = world.coordinator();
    await coordinator.rollback(id);
    const [label] = await coordinator.retire(id, { afterMs: HOUR });
    expect(await coordinator.status(id)).toMatchObject({ state: 'aborted', legal: ['retire'] });
    const { generation } = (await world.shop.generations()).find((g) => generationLabel(g.generation) === label)!;
    expect([generation.status, await exists(generation.table)]).toEqual(['retired', true]);
    await coordinator.retire(id, { afterMs: 0 });
    expect(await exists(generation.table)).toBe(false);
    expect(await coordinator.status(id)).toMatchObject({ state: 'aborted', legal: [], dropsAt: undefined });
  });

  it('whose coordinator died at any step is dropped by whoever comes by', async () => {
    for (const step of ['retiring:retired', 'retired', 'retiring:dropped']) {
      const { id, former } = await switched();
      const death = { dead: false };
      const mortal = world.coordinator({
        death,
        options: { leaseMs: 300 },
        observe: (seen) => {
          if (seen.step === step) {
            death.dead = true;
            throw new Error('the process dies');
          }
        },
      });
      await expect(mortal.retire(id)).rejects.toThrow();
      await until(async () => !(await exists(former)) && (await world.coordinator().status(id)).dropsAt === undefined, `it is dropped after ${step}`);
    }
    const { id, former } = await switched();
    const unrecorded = world.coordinator(rewired({ dropped: () => Promise.reject(new Error('the process dies')) }));
    await expect(unrecorded.retire(id)).rejects.toThrow('the process dies');
    await until(async () => (await facts(id, 'dropped')).length === 1, 'the drop is recorded although another one did it');
    expect(await exists(former)).toBe(false);
  });

  it('is left alone while another process has the lease, or the time was put off', async () => {
    const { id, former } = await switched();
    await world.rest();
    const journal = new PostgresReplayJournal(world.pool, 'shop');
    const other = { replayId: id, owner: 'another' };
    await journal.acquire(other, 60_000);
    await retirements().retire(other, (await formerGeneration(former))!, 0);
    const due = await retirements().due();
    expect(due).toEqual([{ replayId: id, generationIds: [(await formerGeneration(former))!.id] }]);
    expect(await world.coordinator().dropRetired()).toEqual([]);
    expect(await exists(former)).toBe(true);

    await retirements().retire(other, (await formerGeneration(former))!, HOUR);
    await journal.release(other);
    let looks = 0;
    const late = world.coordinator(
      rewired({
        due: async () => {
          looks += 1;
          return looks === 1 ? due : retirements().due(); // it looked before the time was changed
        },
      }),
    );
    expect(await late.dropRetired()).toEqual([]);
    expect([looks, await exists(former)]).toEqual([2, true]);

    await world.coordinator().retire(id, { afterMs: 50 });
    await until(async () => (await retirements().due()).length === 1, 'it is time');
    expect(await exists(former)).toBe(true); // nobody has come by
    await expect(world.coordinator({ options: { liveWithinMs: 0 } }).start({ projections: DAILY_V2, again: true })).rejects.toMatchObject({
      code: 'replay.no-worker',
    });
    expect(await exists(former)).toBe(false);
    world.work();
    await until(async () => (await world.shop.container.resolve(TOKENS.catalog).liveWorkers(5_000)).length > 0, 'a worker has announced itself');
  });

  it('whose table something else depends on is told, tried again, and keeps nobody else waiting', async () => {
    const { id, former } = await switched();
    await world.pool.query(`CREATE VIEW mine AS SELECT * FROM ${former}`);
    await expect(world.coordinator().retire(id)).rejects.toMatchObject({ code: 'store.failed', facts: { sqlstate: '2BP01' } });
    expect(await world.coordinator().dropRetired()).toEqual([
      { generation: expect.stringContaining('customer-daily'), error: expect.objectContaining({ code: 'store.failed' }) },
    ]);
    const { id: next } = await switched();
    expect(await exists(former)).toBe(true);
    await world.pool.query('DROP VIEW mine');
    await until(async () => !(await exists(former)), 'a worker has dropped it at last');
    await world.coordinator().retire(next);
  });

  it('that belongs to no replay is dropped as well: a first build that gave way', async () => {
    const catalog = world.shop.container.resolve(TOKENS.catalog);
    const [some] = (await catalog.list()).slice(-1);
    const stray = await catalog.create({ ...some!, projection: 'stray', model: 'stray', run: 1, definition: {}, begin: [] });
    await world.pool.query(`CREATE TABLE ${stray.table} (n int)`);
    await world.pool.query(`UPDATE refold.generations SET status = 'retired', retired_at = now() WHERE generation_id = $1`, [stray.id]);
    await until(async () => !(await exists(stray.table)), 'a worker has dropped it');
    await until(async () => (await retirements().due()).length === 0, 'nothing is due');
  });
});
