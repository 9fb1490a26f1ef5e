import fs from 'node:fs';
import { connect, type ConnectedApp } from '../../src/app/connect';
import { TOKENS } from '../../src/app/container';
import { defineApp } from '../../src/app/define-app';
import type { Generation } from '../../src/projections/generations';
import type { PostgresPool } from '../../src/platform/postgres/pool';
import { COMPARING } from '../../src/replay/adapters/postgres/snapshots';
import type { ReplayCoordinator } from '../../src/replay/coordinator';
import { coordinatorOver, orders, startWorker, type WorkerHandle } from '../integration/replay/world';
import { corruptionOf, tablesOf } from '../support/corruption';
import { until } from '../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/services';
import { OrderSummary, shopEvents } from '../support/shop';
import { randomFrom } from '../../src/app/testing/chance';

/** Rows that are folded from events, and rows that are added to both sides by SQL afterwards. */
const FOLDED = Number(process.env['REFOLD_TEST_EVENTS'] ?? 1_000_000);
const LARGE = Number(process.env['REFOLD_TEST_ROWS'] ?? 10_000_000);
const MINUTES = 60_000;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** Private memory of a process in MB, where the system tells it. */
const memoryOf = (pid: number): number => {
  try {
    return Number(/RssAnon:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1] ?? 0) / 1_024;
  } catch {
    return 0; // a server elsewhere, or it has ended
  }
};

interface Peaks {
  readonly node: number;
  readonly backend: number;
  readonly tempMb: number;
  readonly ms: number;
}

/** What `work` takes at most: memory of this process and of the sessions that compare, and temporary files. */
const watched = async (pool: PostgresPool, work: () => Promise<unknown>): Promise<Peaks> => {
  const temp = async (): Promise<number> => {
    await pool.query(`SELECT pg_stat_force_next_flush()`);
    return (await pool.query<{ n: number }>(`SELECT temp_bytes AS n FROM pg_stat_database WHERE datname = current_database()`)).rows[0]!.n;
  };
  const [began, tempBefore, nodeBefore] = [Date.now(), await temp(), process.memoryUsage().rss];
  let [node, backend, going] = [0, 0, true];
  const watching = (async (): Promise<void> => {
    while (going) {
      const { rows } = await pool.query<{ pid: number }>(`SELECT pid FROM pg_stat_activity WHERE application_name = $1`, [COMPARING]);
      node = Math.max(node, (process.memoryUsage().rss - nodeBefore) / 1_048_576);
      backend = Math.max(backend, ...rows.map(({ pid }) => memoryOf(pid)));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  await work();
  const ms = Date.now() - began;
  going = false;
  await watching;
  return { node, backend, tempMb: ((await temp()) - tempBefore) / 1_048_576, ms };
};

describeWithPostgres('the cost of comparing', () => {
  let database: TestDatabase;
  let connection: ConnectedApp;
  let worker: WorkerHandle;
  let coordinator: ReplayCoordinator;
  let pool: PostgresPool;
  let id: number;

  beforeAll(async () => {
    database = await freshDatabase('verify-size');
    const app = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary] });
    connection = await connect(app, { configuration: { postgresUrl: database.url }, environment: {} });
    await connection.migrate();
    pool = connection.container.resolve(TOKENS.pool);
    for (let n = 0; n < FOLDED; n += 10_000) {
      await connection.emit(orders(n, Math.min(FOLDED, n + 10_000)));
    }
    worker = startWorker(connection, 'size');
    await until(async () => (await connection.generations()).some(({ generation }) => generation.status === 'active'), 'version 1 is active', 20 * MINUTES);
    coordinator = coordinatorOver(connection);
  }, 30 * MINUTES);
  afterAll(async () => {
    await worker.stop();
    await connection.close();
    await database.drop();
  }, 10 * MINUTES);

  it(
    'stands beside the time of the replay',
    async () => {
      ({ id } = await coordinator.start({ projections: [{ name: 'order-summary', version: 1 }], again: true }));
      const { verdict, steps } = await coordinator.runUntil(id, 'ready');
      const at = (state: string): number => steps.find(({ toState }) => toState === state)!.at;
      const [replaying, verifying] = [at('verifying') - at('replaying'), at('ready') - at('verifying')];
      say(
        `verify: ${String(FOLDED)} rows replayed in ${String(replaying)} ms, compared in ${String(verifying)} ms (${((100 * verifying) / replaying).toFixed(1)} %)`,
      );
      expect(verdict).toMatchObject({ identical: true, members: [{ rows: { before: FOLDED, after: FOLDED } }] });
    },
    20 * MINUTES,
  );

  it(
    'does not grow with the rows',
    async () => {
      const [active, candidate] = (await connection.generations()).map(({ generation }) => generation) as [Generation, Generation];
      const tables = tablesOf(pool, undefined, active, candidate);
      await tables.fill(LARGE);
      await pool.query(`VACUUM ANALYZE`);
      const equal = await watched(pool, () => coordinator.verify(id));
      expect((await coordinator.diff(id)).identical).toBe(true);
      const corruption = corruptionOf(randomFrom(1), LARGE);
      await tables.corrupt(corruption);
      const corrupted = await watched(pool, () => coordinator.verify(id));
      expect((await coordinator.differingRows((await coordinator.diff(id)).verification!)).length).toBe(corruption.expected.length);
      await pool.query(`UPDATE ${candidate.table} SET amount = amount + 1`);
      const all = await watched(pool, () => coordinator.verify(id));
      expect((await coordinator.diff(id)).members[0]!.changed).toBeGreaterThan(LARGE - 100);
      for (const [name, { ms, node, backend, tempMb }] of Object.entries({ equal, corrupted, 'all rows changed': all })) {
        say(
          `verify: ${String(LARGE)} rows, ${name}: ${String(ms)} ms, node +${node.toFixed(0)} MB, a session ${backend.toFixed(0)} MB, temporary files ${tempMb.toFixed(0)} MB`,
        );
      }
      expect(Math.max(equal.node, corrupted.node, all.node)).toBeLessThan(200);
      expect(Math.max(equal.backend, corrupted.backend, all.backend)).toBeLessThan(200);
      expect(equal.tempMb).toBeLessThan(1);
    },
    60 * MINUTES,
  );
});
