import { once, type EventEmitter } from 'node:events';
import { Client, type ClientConfig } from 'pg';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { DAILY_V2, openWorld, type World } from './world';

const COUNT = 'SELECT count(*)::int AS rows FROM customer_daily';

interface Standby {
  /** Tells the server of the oldest transaction that a reader here does not see the end of. */
  report(xmin: number): void;
  end(): Promise<void>;
}

/** Says to the server what a standby with `hot_standby_feedback` says, and takes the log without looking at it. */
const reportingStandby = async (url: string): Promise<Standby> => {
  const client = new Client({ connectionString: url, replication: 'true', application_name: 'east' } as ClientConfig);
  await client.connect();
  const { connection } = client as unknown as { readonly connection: EventEmitter & { sendCopyFromChunk(chunk: Buffer): void } };
  const { rows } = await client.query<{ xlogpos: string }>('IDENTIFY_SYSTEM');
  const started = once(connection, 'replicationStart');
  client.query(`START_REPLICATION PHYSICAL ${rows[0]!.xlogpos}`).catch(() => undefined); // ends with the connection
  await started;
  return {
    report: (xmin) => {
      const message = Buffer.alloc(25); // 'h', time, xmin and its epoch, catalog xmin and its epoch
      message.write('h');
      message.writeUInt32BE(xmin, 9);
      connection.sendCopyFromChunk(message);
    },
    end: () => client.end(),
  };
};

describeWithPostgres('a reader whose snapshot is older than the candidate', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-snapshots', orders: 100 });
  });
  afterAll(() => world.close());

  /** One transaction with one snapshot, taken now. */
  const transaction = async (first: string): Promise<{ readonly pid: number; rows(): Promise<number>; end(): Promise<void> }> => {
    const client = new Client({ connectionString: world.url });
    await client.connect();
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await client.query(first);
    return {
      pid: rows[0]!.pid,
      rows: async () => (await client.query<{ rows: number }>(COUNT)).rows[0]!.rows,
      end: async () => {
        await client.query('COMMIT');
        await client.end();
      },
    };
  };

  it.each([
    ['has read something else', 'SELECT 1 FROM refold.workers'],
    ['has read the view', COUNT],
  ])('is waited for when it %s, and named when it takes too long', async (_, first) => {
    const shown = (await world.total()).rows;
    const old = await transaction(first);
    const { id } = await world.coordinator().start({ projections: DAILY_V2, again: true });
    await world.coordinator().runUntil(id, 'ready');

    const impatient = world.coordinator({ options: { switchBoundMs: 150 } });
    const active = await world.generations();
    await expect(impatient.cutover(id)).rejects.toMatchObject({
      code: 'cutover.old-snapshots',
      retryable: true,
      facts: { store: 'postgres', readers: [expect.stringMatching(new RegExp(`^pid ${String(old.pid)} \\(idle in transaction for \\d+\\.\\d s\\): `))] },
    });
    expect(await impatient.status(id)).toMatchObject({ state: 'ready', error: { code: 'cutover.old-snapshots' }, legal: ['cutover', 'verify', 'abort'] });
    expect(await world.generations()).toEqual(active);

    const steps: string[] = [];
    const cutover = world.coordinator({ observe: ({ step }) => void steps.push(step) }).cutover(id);
    await until(() => steps.includes('cutting-over:waiting'), 'the cutover waits');
    expect(await old.rows()).toBe(shown);
    expect(steps).not.toContain('cutting-over:held');
    await old.end();
    expect((await cutover).state).toBe('done');
    expect((await world.total()).rows).toBe(shown);
    await world.coordinator().retire(id);
  });

  it('is not mistaken for one that began later, even while an older transaction writes', async () => {
    const writer = await transaction('SELECT pg_current_xact_id()');
    const { id } = await world.coordinator().start({ projections: DAILY_V2, again: true });
    await world.coordinator().runUntil(id, 'ready');
    const later = await transaction('SELECT 1 FROM refold.workers');
    const refused: unknown = await world
      .coordinator({ options: { switchBoundMs: 0 } })
      .cutover(id)
      .catch((error: unknown) => error);
    // The writer's own snapshot is old; that of the other one has the writer's id as its oldest and is new all the same.
    expect(refused).toMatchObject({ facts: { readers: [expect.stringContaining(`pid ${String(writer.pid)} `)] } });
    await writer.end();
    // It would see the table whole, and yet perhaps as it was before the side that readers saw: it is waited for within the hold.
    await expect(world.coordinator({ options: { switchBoundMs: 300 } }).cutover(id)).rejects.toMatchObject({
      code: 'cutover.old-snapshots',
      facts: { readers: [expect.stringContaining(`pid ${String(later.pid)} `)] },
    });
    expect(await later.rows()).toBe((await world.total()).rows);
    await later.end();
    expect((await world.coordinator({ options: { switchBoundMs: 5_000 } }).cutover(id)).state).toBe('done');
    await world.coordinator().retire(id);
  });

  it('is waited for on the way back too, unless an older state may be seen', async () => {
    const { id } = await world.coordinator().start({ projections: DAILY_V2, again: true });
    await world.coordinator().runUntil(id, 'done');
    const reader = await transaction('SELECT 1 FROM refold.workers');
    await expect(world.coordinator({ options: { switchBoundMs: 0 } }).rollback(id)).rejects.toMatchObject({ code: 'cutover.old-snapshots' });
    expect((await world.coordinator({ options: { switchBoundMs: 0 } }).rollback(id, { stale: true })).state).toBe('ready');
    expect(await reader.rows()).toBe((await world.total()).rows);
    await reader.end();
    await world.coordinator().abort(id);
  });

  it('is waited for on a standby that says how old the snapshots of its readers are', async () => {
    const standby = await reportingStandby(world.url);
    const { rows } = await world.pool.query<{ xmin: number }>(`SELECT pg_snapshot_xmin(pg_current_snapshot())::text::int8 AS xmin`);
    const { id } = await world.coordinator().start({ projections: DAILY_V2, again: true });
    await world.coordinator().runUntil(id, 'ready');
    standby.report(rows[0]!.xmin);
    await until(
      async () => (await world.pool.query('SELECT FROM pg_stat_replication WHERE backend_xmin IS NOT NULL')).rows.length === 1,
      'the server has heard of it',
    );
    await expect(world.coordinator({ options: { switchBoundMs: 0 } }).cutover(id)).rejects.toMatchObject({
      code: 'cutover.old-snapshots',
      facts: { readers: ['a reader on standby east (hot_standby_feedback)'] },
    });
    const steps: string[] = [];
    const cutover = world.coordinator({ observe: ({ step }) => void steps.push(step) }).cutover(id);
    await until(() => steps.includes('cutting-over:waiting'), 'the cutover waits');
    const { rows: now } = await world.pool.query<{ xmin: number }>(`SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8 AS xmin`);
    standby.report(now[0]!.xmin);
    expect((await cutover).state).toBe('done');
    await standby.end();
    await world.coordinator().retire(id);
  });
});
