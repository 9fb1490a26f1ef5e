import { setTimeout as sleep } from 'node:timers/promises';
import { RefoldError, isRefoldError } from 'refold';
import { checkViews, expectedFrom, type CheckResult, type Expected } from '../check';
import type { OrderPlaced } from '../events';
import { ORDERS_FILE, importOrders, readOrders } from '../import';
import type { Deployment } from './deployment';
import { agreement, type DemoResult, type Facts } from './result';
import { seconds, thousands, type Screen } from './screen';
import type { Orders, Stage } from './stage';

/** Orders that arrive while the replay runs, and how many of them in a second. */
const HELD_BACK = 5_000;
const ARRIVALS_PER_SECOND = 500;
const ARRIVALS_AT_ONCE = 25;
/** Events per second the candidate may fold: without it the replay is over before anybody has looked. */
const REPLAY_RATE = 6_500;
const REPLAY_BATCH = 650;
/** Nothing in the demo takes longer to begin; the bound only ends one that would hang. */
const WAIT_BOUND_MS = 60_000;

interface Scene {
  readonly stage: Stage;
  readonly screen: Screen;
  readonly seconds: Record<string, number>;
}

const until = async <T>(look: () => Promise<T | undefined>, what: string): Promise<T> => {
  for (const end = Date.now() + WAIT_BOUND_MS; Date.now() < end; await sleep(50)) {
    const found = await look();
    if (found !== undefined) {
      return found;
    }
  }
  throw new RefoldError('service.unavailable', `waited ${seconds(WAIT_BOUND_MS)} in vain until ${what}`);
};

const timed = async <T>(scene: Scene, phase: string, work: () => Promise<T>): Promise<T> => {
  const began = Date.now();
  const result = await work();
  scene.seconds[phase] = (Date.now() - began) / 1000;
  return result;
};

/** Events folded and events there are, over all generations. */
const folded = async (connected: Orders): Promise<{ readonly done: number; readonly total: number; readonly active: number }> => {
  const [heads, states] = [await connected.log.heads(['orders']), await connected.generations()];
  const inLog = heads.reduce((sum, { stable }) => sum + stable, 0);
  const done = states.flatMap(({ checkpoints }) => checkpoints).reduce((sum, { next }) => sum + next, 0);
  return { done, total: inLog * states.length, active: states.filter(({ generation }) => generation.status === 'active').length };
};

const caughtUp = (orders: Orders): Promise<true> =>
  until(async () => {
    const { done, total } = await folded(orders);
    return done === total && total > 0 ? true : undefined;
  }, 'every generation has reached the head of the log');

const importHistory = async ({ stage, screen }: Scene, history: readonly OrderPlaced[]): Promise<void> => {
  const bar = screen.bar('importing');
  const began = Date.now();
  await importOrders(stage.connected, history, (appended) => {
    bar.update(appended / history.length, `${thousands(appended)} orders`);
  });
  bar.done(`${thousands(history.length)} orders appended to topic orders, 4 partitions, in ${seconds(Date.now() - began)}`);
};

const buildReadModels = async ({ stage, screen }: Scene): Promise<void> => {
  const bar = screen.bar('building');
  const began = Date.now();
  await until(async () => {
    const { done, total, active } = await folded(stage.connected);
    if (total > 0) {
      bar.update(done / total, `${thousands(done)} of ${thousands(total)} events`);
    }
    return active === 2 ? true : undefined;
  }, 'both read models are active');
  await caughtUp(stage.connected);
  bar.done(`order_summary and customer_daily are there after ${seconds(Date.now() - began)}`);
};

const showRows = async ({ stage, screen }: Scene): Promise<void> => {
  const { db } = stage.connected;
  screen.line('  SELECT * FROM order_summary ORDER BY placed_at DESC, order_id LIMIT 5');
  screen.table(await db.selectFrom('order_summary').selectAll().orderBy('placed_at', 'desc').orderBy('order_id').limit(5).execute());
  screen.line('  SELECT * FROM customer_daily ORDER BY revenue DESC LIMIT 5');
  screen.table(await db.selectFrom('customer_daily').selectAll().orderBy('revenue', 'desc').limit(5).execute());
};

/** Appends at a fixed rate, whatever each append takes. */
const arrive = async ({ connected }: Stage, orders: readonly OrderPlaced[], onArrival: (arrived: number) => void): Promise<void> => {
  const began = Date.now();
  for (let from = 0; from < orders.length; from += ARRIVALS_AT_ONCE) {
    await connected.emit(orders.slice(from, from + ARRIVALS_AT_ONCE));
    const arrived = Math.min(orders.length, from + ARRIVALS_AT_ONCE);
    onArrival(arrived);
    await sleep(Math.max(0, began + (arrived * 1000) / ARRIVALS_PER_SECOND - Date.now()));
  }
};

/** A worker is heard of a moment after its process began. */
const startReplay = ({ replays }: Orders): Promise<number> =>
  until(async () => {
    try {
      return (await replays.start({ projections: [{ name: 'customer-daily', version: 2 }] })).id;
    } catch (error) {
      if (isRefoldError(error, 'replay.no-worker')) {
        return undefined;
      }
      throw error;
    }
  }, 'a worker announces customer-daily v2');

/** Version 2 is built from offset zero while the last orders arrive; compared only once all of them are in both. */
const replay = async ({ stage, screen }: Scene, id: number, latest: readonly OrderPlaced[]): Promise<void> => {
  const { connected } = stage;
  const bar = screen.bar('replaying');
  const began = Date.now();
  let arrived = 0;
  const arriving = arrive(stage, latest, (n) => (arrived = n));
  arriving.catch(() => undefined); // awaited below, when the replay has come so far
  const nearTheHead = new AbortController();
  await connected.replays.runUntil(id, 'ready', {
    signal: nearTheHead.signal,
    onProgress: ({ state, progress }) => {
      const to = progress.find(({ side }) => side === 'to');
      if (to !== undefined) {
        const left = to.secondsLeft === undefined ? '' : `, ${to.secondsLeft.toFixed(0)} s left`;
        bar.update(to.share, `${thousands(to.done)} events${left}, ${thousands(arrived)} new orders`);
      }
      if (state === 'catching-up') {
        nearTheHead.abort();
      }
    },
  });
  bar.done(`from offset zero to the head in ${seconds(Date.now() - began)}; readers still see version 1`);
  await arriving;
  await caughtUp(connected);
  screen.line(`  all ${thousands(latest.length)} new orders have arrived, ${ARRIVALS_PER_SECOND} per second; version 1 and version 2 have folded them both`);
  await connected.replays.runUntil(id, 'ready');
};

const showDiff = async ({ stage, screen }: Scene, id: number): Promise<number> => {
  const [member] = (await stage.connected.replays.diff(id)).members;
  const { before, after, rows, changed, onlyBefore, onlyAfter, changedByColumn, samples } = member!;
  const columns = Object.entries(changedByColumn).map(([name, n]) => `${name} in ${thousands(n)}`);
  screen.line(`  ${before} has ${thousands(rows.before)} rows, ${after} has ${thousands(rows.after)}`);
  screen.line(
    `  ${thousands(changed)} rows would change (${columns.join(', ')}), ${thousands(onlyBefore)} would go, ${thousands(onlyAfter)} would come; for instance`,
  );
  screen.table(
    samples.slice(0, 3).map(({ key, changes }) => ({
      ...key,
      change: changes.map((change) => `${change.column}: ${String(change.before)} -> ${String(change.after)}`).join(', '),
    })),
  );
  return changed + onlyBefore + onlyAfter;
};

/** The query that is asked before and after each switch. */
const totals = async ({ stage, screen }: Scene, when: string): Promise<{ readonly orders: number; readonly revenue: string }> => {
  const row = await stage.connected.db
    .selectFrom('customer_daily')
    .select(({ fn }) => [fn.sum('orders').as('orders'), fn.sum('revenue').as('revenue')])
    .executeTakeFirstOrThrow();
  const [orders, revenue] = [String(row.orders), String(row.revenue)];
  screen.line(`  ${when.padEnd(16)} sum(orders) = ${thousands(Number(orders))}   sum(revenue) = ${revenue}`);
  return { orders: Number(orders), revenue };
};

const check = async ({ stage, screen }: Scene, version: number, expected: Expected): Promise<CheckResult> => {
  const result = await checkViews(stage.postgresUrl, expected);
  const { orderSummary, customerDaily } = result.rows;
  const verdict = result.agrees ? 'every row agrees' : `${thousands(result.differing)} rows DIFFER`;
  screen.line(
    `  one pass over the file: ${thousands(orderSummary)} rows of order_summary, ${thousands(customerDaily)} of customer_daily v${version}: ${verdict}`,
  );
  result.differences.forEach((difference) => {
    screen.line(`    ${difference}`);
  });
  return result;
};

/** The deployment that knows both versions takes over from the one that knows version 1 alone, as a rolling deployment does. */
const rollOut = async ({ stage, screen }: Scene, v1: Deployment): Promise<number> => {
  stage.deploy('refold.config.ts', { maxRate: REPLAY_RATE, replayBatch: REPLAY_BATCH });
  const id = await startReplay(stage.connected);
  await v1.stop();
  screen.line(`  a worker with version 1 and version 2 has taken over; replay ${id} of customer-daily v2 is planned`);
  return id;
};

const switches = async (scene: Scene, id: number): Promise<Pick<Facts, 'before' | 'after' | 'rolledBack'>> => {
  const { stage, screen } = scene;
  const { replays } = stage.connected;
  screen.heading('5. Cutover: the view is switched while both versions are held at one position');
  const before = await totals(scene, 'before');
  await timed(scene, 'cutover', () => replays.cutover(id));
  await totals(scene, 'after cutover');
  screen.heading('6. Rollback, and cutover again: version 1 has followed all the time');
  await timed(scene, 'rollback', () => replays.rollback(id));
  await totals(scene, 'after rollback');
  const rolledBack = await check(scene, 1, expectedFrom(ORDERS_FILE, true));
  await timed(scene, 'cutoverAgain', () => replays.cutover(id));
  return { before, after: await totals(scene, 'after cutover'), rolledBack };
};

/** Plays the whole demo on a stage. Throws what goes wrong; says in the result whether everything agrees. */
export const play = async (stage: Stage, screen: Screen): Promise<DemoResult> => {
  const scene: Scene = { stage, screen, seconds: {} };
  const orders = readOrders();
  const [history, latest] = [orders.slice(0, -HELD_BACK), orders.slice(-HELD_BACK)];

  screen.heading(`1. History: ${thousands(orders.length)} real orders, by date; the last ${thousands(HELD_BACK)} are held back`);
  await timed(scene, 'import', () => importHistory(scene, history));

  screen.heading('2. Read models: order_summary (a row per order), customer_daily (a row per customer and day)');
  const v1 = stage.deploy('refold.v1.config.ts');
  await timed(scene, 'build', () => buildReadModels(scene));
  await showRows(scene);

  screen.heading('3. customer-daily v1 counts orders of 0.00 as purchases: version 2 is deployed beside it and replayed');
  const id = await timed(scene, 'deploy', () => rollOut(scene, v1));
  await timed(scene, 'replay', () => replay(scene, id, latest));

  screen.heading('4. The diff: what readers would see change');
  const changedRows = await showDiff(scene, id);
  const { before, after, rolledBack } = await switches(scene, id);

  screen.heading('7. The independent check');
  await caughtUp(stage.connected);
  const expected = expectedFrom(ORDERS_FILE, false);
  const checked = await timed(scene, 'check', () => check(scene, 2, expected));
  return agreement({ connected: stage.connected, expected, checked, rolledBack, changedRows, before, after, seconds: scene.seconds });
};
