import { isRefoldError } from 'refold';
import { lagSnapshot, lagText } from '../../../src/app/cli/lag-commands';
import { checkViews, expectedFrom, type CheckResult, type Expected, type LedgerEntry } from '../check';
import type { OrderPlaced } from '../events';
import { ORDERS_FILE, importOrders, readOrders } from '../import';
import type { Deployment } from './deployment';
import { agreement, type DemoResult, type Facts, type Totals } from './result';
import { caughtUp, folded, timed, until, type Scene } from './scene';
import { seconds, thousands, type Screen } from './screen';
import { usesClickHouse, type Orders, type Stage } from './stage';
import { analyticsTotals } from './analytics';
import { readOwnWrite, showOutcome, traffic, type Traffic } from './traffic';

/** Orders that arrive while the replay runs. */
const HELD_BACK = 5_000;
/** Events per second a candidate may fold: without it the replay is over before anybody has looked. */
const REPLAY_RATE = 10_000;
const REPLAY_BATCH = 1_000;
/** Events of the import that the relay publishes at once. */
const RELAY_BATCH = 5_000;

const importHistory = async ({ stage: { connected }, screen }: Scene, history: readonly OrderPlaced[]): Promise<void> => {
  const bar = screen.bar('importing');
  const began = Date.now();
  await importOrders(connected, history, (taken) => {
    bar.update(taken / history.length, `${thousands(taken)} orders`);
  });
  bar.done(`${thousands(history.length)} orders are streams of the journal after ${seconds(Date.now() - began)}`);
  const published = await connected.relay({ batch: RELAY_BATCH }).drain();
  screen.line(`  relaying   ${thousands(published)} events are in topic orders, 4 partitions, after ${seconds(Date.now() - began)}`);
};

const buildReadModels = async ({ stage, screen }: Scene): Promise<void> => {
  const bar = screen.bar('building');
  const began = Date.now();
  await until(async () => {
    const { done, total, active } = await folded(stage.connected);
    if (total > 0) {
      bar.update(done / total, `${thousands(done)} of ${thousands(total)} events`);
    }
    return active === (usesClickHouse ? 3 : 2) ? true : undefined;
  }, 'all read models are active');
  await caughtUp(stage.connected);
  bar.done(`order_summary and customer_daily${usesClickHouse ? ' (in both databases)' : ''} are there after ${seconds(Date.now() - began)}`);
};

const showRows = async ({ stage, screen }: Scene): Promise<void> => {
  const { db } = stage.connected;
  screen.line('  SELECT * FROM order_summary ORDER BY placed_at DESC, order_id LIMIT 5');
  screen.table(await db.selectFrom('order_summary').selectAll().orderBy('placed_at', 'desc').orderBy('order_id').limit(5).execute());
  screen.line('  SELECT * FROM customer_daily ORDER BY revenue DESC LIMIT 5');
  screen.table(await db.selectFrom('customer_daily').selectAll().orderBy('revenue', 'desc').limit(5).execute());
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

/** Version 2 is built from offset zero while orders and commands come in; compared only once all of it is in both. */
const replay = async (scene: Scene, id: number, history: readonly OrderPlaced[], latest: readonly OrderPlaced[]): Promise<Traffic> => {
  const { stage, screen } = scene;
  const { connected } = stage;
  const bar = screen.bar('replaying');
  const began = Date.now();
  let arrived = 0;
  const coming = traffic(stage, history, latest, (n) => (arrived = n));
  coming.catch(() => undefined); // awaited below, when the replay has come so far
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
  const { outcome, ledger } = await coming;
  screen.line(`  ${thousands(latest.length)} new orders have arrived`);
  showOutcome(scene, outcome);
  const own = await readOwnWrite(scene, history.length + latest.length + ledger.filter(({ placed }) => placed !== undefined).length);
  await caughtUp(connected);
  await connected.replays.runUntil(id, 'ready');
  return { outcome, ledger: [...ledger, ...own] };
};

/** Answers how many rows would change, for each store. */
const showDiff = async ({ stage, screen }: Scene, id: number): Promise<readonly number[]> => {
  const { members } = await stage.connected.replays.diff(id);
  return members.map(({ before, after, rows, changed, onlyBefore, onlyAfter, changedByColumn, samples }) => {
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
  });
};

/** The query that is asked before and after each switch, of both databases. */
const totals = async ({ stage, screen }: Scene, when: string): Promise<readonly Totals[]> => {
  const row = await stage.connected.db
    .selectFrom('customer_daily')
    .select(({ fn }) => [fn.sum('orders').as('orders'), fn.sum('revenue').as('revenue')])
    .executeTakeFirstOrThrow();
  const all = [{ store: 'postgres', orders: Number(row.orders), revenue: String(row.revenue) }, ...(await analyticsTotals(stage.databases))];
  all.forEach(({ store, orders, revenue }, i) => {
    screen.line(`  ${(i === 0 ? when : '').padEnd(16)} ${store.padEnd(10)} sum(orders) = ${thousands(orders)}   sum(revenue) = ${revenue}`);
  });
  return all;
};

const check = async ({ stage, screen }: Scene, version: number, expected: Expected): Promise<CheckResult> => {
  const result = await checkViews(stage.databases, expected);
  const { orderSummary, customerDaily, customerDailyClickHouse } = result.rows;
  const verdict = result.agrees ? 'every row agrees' : `${thousands(result.differing)} rows DIFFER`;
  const analytics = customerDailyClickHouse === undefined ? '' : ` and ${thousands(customerDailyClickHouse)} of it in ClickHouse`;
  screen.line(
    `  one pass over file and commands: ${thousands(orderSummary)} rows of order_summary, ${thousands(customerDaily)} of customer_daily v${version}${analytics}: ${verdict}`,
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

const switches = async (scene: Scene, id: number, ledger: readonly LedgerEntry[]): Promise<Pick<Facts, 'before' | 'after' | 'rolledBack'>> => {
  const { stage, screen } = scene;
  const { replays } = stage.connected;
  screen.heading('5. Cutover: the view is switched while both versions are held at one position');
  const before = await totals(scene, 'before');
  await timed(scene, 'cutover', () => replays.cutover(id));
  await totals(scene, 'after cutover');
  screen.heading('6. Rollback, and cutover again: version 1 has followed all the time');
  await timed(scene, 'rollback', () => replays.rollback(id));
  await totals(scene, 'after rollback');
  const rolledBack = await check(scene, 1, expectedFrom(ORDERS_FILE, true, ledger));
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

  screen.heading(
    '3. customer-daily v1 counts orders of 0.00 as purchases: version 2 is deployed beside it and replayed,\n   while orders arrive and people pay, ship, cancel and place orders',
  );
  const id = await timed(scene, 'deploy', () => rollOut(scene, v1));
  const { outcome, ledger } = await timed(scene, 'replay', () => replay(scene, id, history, latest));

  screen.heading('4. The diff: what readers would see change');
  const changedRows = await showDiff(scene, id);
  const { before, after, rolledBack } = await switches(scene, id, ledger);

  screen.heading('7. The independent check');
  await caughtUp(stage.connected);
  const expected = expectedFrom(ORDERS_FILE, false, ledger);
  const checked = await timed(scene, 'check', () => check(scene, 2, expected));

  screen.heading('8. The lag of every generation that is followed');
  lagText(await lagSnapshot(stage.connected))
    .split('\n')
    .forEach((text) => {
      screen.line(`    ${text}`);
    });
  screen.line();
  return agreement({ connected: stage.connected, outcome, expected, checked, rolledBack, changedRows, before, after, seconds: scene.seconds });
};
