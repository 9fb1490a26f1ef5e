// What goes on while version 2 is built: orders arrive, and people do something with orders.
import { setTimeout as sleep } from 'node:timers/promises';
import { Decimal } from 'refold';
import { OrderPlaced } from '../events';
import type { LedgerEntry } from '../check';
import { carryOut, together, type Outcome } from './clients';
import { until, type Scene } from './scene';
import { thousands } from './screen';
import { coursesOf, ledgerOf, newCoursesOf } from './script';
import { usesClickHouse, type Stage } from './stage';

const ARRIVALS_PER_SECOND = 600;
const ARRIVALS_AT_ONCE = 25;
/** Orders of the history that something happens to, the newest ones, and orders that are placed by a command. */
const TOUCHED = 150;
const PLACED = 40;

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

/** The day after the last one of the file: what is placed by commands comes after all that was held back, so nothing is late. */
const PLACED_ON = new Date(Date.UTC(1998, 6, 1));

/** Orders that the file does not have; the fifth of each five is a gift. */
const newOrders = (after: number): readonly OrderPlaced[] =>
  Array.from({ length: PLACED }, (_, i) => {
    const dollars = Decimal.parse(i % 5 === 4 ? '0.00' : `${10 + i}.49`);
    return new OrderPlaced(String(after + 1 + i), `9${String(i).padStart(4, '0')}`, 1 + (i % 3), dollars, PLACED_ON);
  });

/** What has come of the commands, and what they changed. */
export interface Traffic {
  readonly outcome: Outcome;
  readonly ledger: readonly LedgerEntry[];
}

/** What a replay has to bear: orders arrive as facts, commands are given on orders of the history, and at the end on new ones. */
export const traffic = async (
  stage: Stage,
  history: readonly OrderPlaced[],
  latest: readonly OrderPlaced[],
  onArrival: (arrived: number) => void,
): Promise<Traffic> => {
  const courses = coursesOf(history.slice(-TOUCHED));
  const [touched] = await Promise.all([carryOut(stage.connected, courses), arrive(stage, latest, onArrival)]);
  const newCourses = newCoursesOf(newOrders(history.length + latest.length));
  const outcome = together(touched, await carryOut(stage.connected, newCourses));
  await until(async () => {
    const published = await Promise.all(outcome.accepted.map((id) => stage.connected.commands.published(id)));
    return published.includes(undefined) ? undefined : true;
  }, 'the events of all commands are in the log');
  return { outcome, ledger: ledgerOf([...courses, ...newCourses]) };
};

export const showOutcome = ({ screen }: Scene, { accepted, refused, wrong }: Outcome): void => {
  const refusals = [...refused.values()].reduce((sum, n) => sum + n, 0);
  screen.line(
    `  ${thousands(accepted.length + refusals)} commands were given meanwhile: ${accepted.length} accepted, ${refusals} refused, which left nothing behind:`,
  );
  screen.table([...refused].map(([reason, n]) => ({ refused: n, because: reason })));
  wrong.forEach((text) => {
    screen.line(`    NOT AS IT HAS TO BE: ${text}`);
  });
};

/** A client reads what it has just written, though another process folds it: it waits for the position of its event. */
export const readOwnWrite = async ({ stage, screen }: Scene, orders: number): Promise<readonly LedgerEntry[]> => {
  const { connected } = stage;
  const orderId = String(orders + 1);
  const course = newCoursesOf([new OrderPlaced(orderId, '99999', 2, Decimal.parse('25.00'), PLACED_ON)])[0]!.slice(0, 1);
  const { accepted } = await carryOut(connected, [course]);
  const began = Date.now();
  const written = { command: accepted[0]! };
  await connected.caughtUp('order_summary', written);
  const [row] = await connected.db.selectFrom('order_summary').select(['order_id', 'status']).where('order_id', '=', orderId).execute();
  const [position] = (await connected.commands.published(written.command))!;
  screen.line(
    `  read your writes: order ${orderId} is at orders/${position!.partition} offset ${position!.offset}; order_summary has it ${Date.now() - began} ms after the command: ${row?.status}`,
  );
  for (const store of usesClickHouse ? (['postgres', 'clickhouse'] as const) : (['postgres'] as const)) {
    await connected.caughtUp('customer_daily', written, { store });
    screen.line(`  customer_daily in ${store} has it ${Date.now() - began} ms after the command`);
  }
  return ledgerOf([course]);
};
