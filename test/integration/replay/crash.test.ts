import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { moduleArguments } from '../../../src/app/services/launch';
import { isRefoldError } from '../../../src/kernel/errors';
import type { ReplayCoordinator } from '../../../src/replay/coordinator';
import type { ReplayOptions } from '../../../src/replay/parts';
import { until } from '../../support/harness';
import { crashes } from '../../support/crash/suite';
import { describeWithClickHouse, describeWithPostgres } from '../../support/services';
import { DAILY_V2, openWorld, type World } from './world';

const OPTIONS: Partial<ReplayOptions> = { leaseMs: 300, holdMs: 400 };

/** One command of a replay's life, and the state in which it was done already when its process died. */
interface Command {
  readonly name: string;
  readonly after: string;
  readonly run: (coordinator: ReplayCoordinator, id: number) => Promise<unknown>;
}

const LIFE: readonly Command[] = [
  { name: 'ready', after: 'ready', run: (c, id) => c.runUntil(id, 'ready') },
  { name: 'cutover', after: 'done', run: (c, id) => c.cutover(id) },
  { name: 'rollback', after: 'ready', run: (c, id) => c.rollback(id) },
  { name: 'cutover', after: 'done', run: (c, id) => c.cutover(id) },
  { name: 'retire', after: '', run: (c, id) => c.retire(id) },
];

/** Gives a command; waits for the lease of a dead process to run out. */
const insist = async (command: () => Promise<unknown>): Promise<void> => {
  await until(async () => {
    try {
      await command();
      return true;
    } catch (error) {
      if (isRefoldError(error, 'replay.lease-held')) {
        return false;
      }
      throw error;
    }
  }, 'the lease of the dead process has run out');
};

describeWithPostgres('a replay beside which something dies', () => {
  crashes({ name: 'crash-postgres', stores: ['postgres'], deaths: 10, workerDeaths: 2, timeoutMs: 120_000 });
});

describeWithClickHouse('a replay in both stores beside which something dies', () => {
  crashes({ name: 'crash-both', stores: ['postgres', 'clickhouse'], deaths: 3, workerDeaths: 1, short: true, timeoutMs: 120_000 });
});

describeWithPostgres('a replay whose process is killed', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-crash', orders: 60 });
  });
  afterAll(() => world.close());

  const goOn = async (id: number, from: number): Promise<void> => {
    const next = world.coordinator({ options: OPTIONS, by: 'successor' });
    for (const [i, { after, run }] of LIFE.slice(from).entries()) {
      const over = i === 0 && (await next.status(id)).state === after;
      if (!over) {
        await insist(() => run(next, id));
      }
    }
  };

  const expectDone = async (id: number): Promise<void> => {
    const coordinator = world.coordinator();
    expect((await coordinator.status(id)).state).toBe('done');
    expect((await coordinator.diff(id)).members[0]).toMatchObject({ onlyBefore: 0, onlyAfter: 0 });
    const living = (await world.generations()).filter((g) => !g.endsWith('retired'));
    expect(living).toEqual([expect.stringMatching(/^v2\.r\d+ active$/)]);
    const tables = await world.pool.query(`SELECT tablename AS t FROM pg_tables WHERE tablename LIKE 'customer\\_daily%'`);
    expect(tables.rows).toEqual([{ t: `customer_daily__${living[0]!.split(' ')[0]!.replace('.', '_')}` }]);
    expect((await world.total()).orders).toBe(54);
    const held = await world.pool.query('SELECT 1 FROM refold.checkpoints WHERE hold_until > clock_timestamp()');
    expect(held.rows).toEqual([]);
    expect(await coordinator.reconcile()).toEqual([]);
  };

  it('goes on when a process is killed while it holds both sides', async () => {
    for (const [command, step] of [
      ['ready', 'verifying:held'],
      ['cutover', 'cutting-over:held'],
    ] as const) {
      const { id } = await world.coordinator().start({ projections: DAILY_V2, again: true });
      if (command === 'cutover') {
        await world.coordinator().runUntil(id, 'ready');
      }
      const child = spawn(process.execPath, moduleArguments(path.join(__dirname, 'coordinator-process.ts'), [world.url, String(id), command, step]), {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
      expect(line).toBe(step);
      await expect(world.coordinator().abort(id)).rejects.toMatchObject({ code: 'replay.lease-held' });
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      await goOn(id, command === 'cutover' ? 1 : 0);
      await expectDone(id);
    }
  }, 120_000);
});
