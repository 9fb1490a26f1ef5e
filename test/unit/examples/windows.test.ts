import { Decimal } from '../../../src/kernel/decimal';
import { checkDeterminism, feedProjection, jsonOf } from '../../../src/testing';
import { ActionTaken, LoginFailed, OrderPlaced, PaymentMade } from '../../../examples/windows/events';
import { LoginAlerts } from '../../../examples/windows/failed-logins';
import { CustomerHourly } from '../../../examples/windows/hourly-orders';
import { app } from '../../../examples/windows/refold.config';
import { SpendingAboveLimit } from '../../../examples/windows/spending';
import { Visits } from '../../../examples/windows/visits';

const DAY = Date.UTC(2026, 2, 1);
/** `'10:05'` of that day, or `'10:05:30'`. */
const at = (time: string): Date => new Date(DAY + time.split(':').reduce((sum, part, i) => sum + Number(part) * [3_600_000, 60_000, 1000][i]!, 0));
const clock = (time: number): string => new Date(time).toISOString().slice(11, 19).replace(/:00$/, '');
const fed = (...events: readonly object[]) => events.map((value) => ({ value }));

it('the four recipes are one application', () => {
  expect([...app.projections].map(({ name }) => name).sort()).toEqual(['customer-hourly', 'login-alerts', 'spending-above-limit', 'visits']);
});

describe('hourly orders per customer', () => {
  const placed = (customer: string, amount: string, time: string): OrderPlaced => new OrderPlaced(customer, Decimal.parse(amount), at(time));
  const events = [placed('ann', '5.00', '09:10'), placed('bob', '1.00', '09:20'), placed('ann', '7.50', '09:59:59'), placed('ann', '2.00', '10:00')];

  it('each hour has its own row, and an order within grace still counts in it', async () => {
    const feed = await feedProjection(CustomerHourly);
    await feed.feed(...fed(...events, placed('bob', '9.00', '09:30')));
    const rows = (await feed.table()).map(({ customer_id, window_start, orders, revenue, largest }) => [
      clock(window_start.getTime()),
      customer_id,
      orders,
      revenue.toString(),
      largest.toString(),
    ]);
    expect(rows).toEqual([
      ['09:00', 'ann', 2n, '12.50', '7.50'],
      ['09:00', 'bob', 2n, '10.00', '9.00'],
      ['10:00', 'ann', 1n, '2.00', '2.00'],
    ]);
  });

  it('an order after grace is late, and kept aside', async () => {
    const feed = await feedProjection(CustomerHourly);
    await feed.feed(...fed(placed('ann', '5.00', '10:09:59'), placed('ann', '1.00', '09:00'), placed('bob', '5.00', '10:10'), placed('ann', '1.00', '09:00')));
    expect(feed.late.map(({ offset }) => offset)).toEqual([3]);
  });

  it('is deterministic', async () => {
    await checkDeterminism(CustomerHourly, events, { seed: 1 });
  });
});

describe('sessions of actions', () => {
  const took = (user: string, action: string, time: string): ActionTaken => new ActionTaken(user, action, at(time));

  it('an action within half an hour goes on with the visit, one between two visits joins them', async () => {
    const feed = await feedProjection(Visits);
    const told = async (...events: readonly ActionTaken[]) =>
      (await feed.feed(...fed(...events))).map(({ windowStart, row }) => [clock(windowStart!), row === null ? null : row.trail.join(' ')]);
    expect(await told(took('ann', 'open', '09:00'), took('ann', 'search', '09:20'))).toEqual([
      ['09:00', 'open'],
      ['09:00', 'open search'],
    ]);
    expect(await told(took('ann', 'open', '09:52'))).toEqual([['09:52', 'open']]);
    // behind the last in the log, between the two in time
    expect(await told(took('ann', 'read', '09:40'))).toEqual([
      ['09:52', null],
      ['09:00', 'open search read open'],
    ]);
    expect((await feed.table()).map(({ window_end, actions }) => [clock(window_end.getTime()), actions])).toEqual([['10:22', 4n]]);
  });
});

describe('three failed logins within five minutes', () => {
  const failed = (address: string, time: string): LoginFailed => new LoginFailed(address, 'ann', at(time));

  it('an address has one row per burst, from the third failure on', async () => {
    const feed = await feedProjection(LoginAlerts);
    await feed.feed(...fed(failed('a', '09:00'), failed('a', '09:03'), failed('b', '09:04')));
    expect(feed.changes).toEqual([]);
    const [alert] = await feed.feed(...fed(failed('a', '09:05')));
    expect(alert).toMatchObject({ key: { address: 'a' }, offset: 3, row: { alerted_at: at('09:05') } });
    await feed.feed(...fed(failed('a', '09:06'), failed('a', '09:07')));
    expect(await feed.table()).toHaveLength(1);
    expect((await feed.table())[0]).toMatchObject({ window_start: at('09:00'), alerted_at: at('09:05') });
  });

  it('three failures in a longer time are no alert, though they are one session', async () => {
    const feed = await feedProjection(LoginAlerts);
    await feed.feed(...fed(failed('a', '09:00'), failed('a', '09:04'), failed('a', '09:08'), failed('a', '09:12')));
    expect(await feed.table()).toEqual([]);
    await feed.feed(...fed(failed('a', '09:13')));
    expect((await feed.table()).map(jsonOf)).toMatchObject([{ alerted_at: at('09:13').getTime() }]);
  });

  it('the next burst is a row of its own', async () => {
    const feed = await feedProjection(LoginAlerts);
    const burst = (hour: string) => ['00', '01', '02'].map((minute) => failed('a', `${hour}:${minute}`));
    await feed.feed(...fed(...burst('09'), ...burst('11')));
    expect((await feed.table()).map(({ alerted_at }) => alerted_at)).toEqual([at('09:02'), at('11:02')]);
  });
});

describe('a sliding sum above a limit', () => {
  const paid = (account: string, amount: string, time: string): PaymentMade => new PaymentMade(account, Decimal.parse(amount), at(time));

  it('names each ten minutes in which an account paid more', async () => {
    const feed = await feedProjection(SpendingAboveLimit);
    await feed.feed(...fed(paid('a', '600.00', '09:00'), paid('b', '900.00', '09:05'), paid('a', '400.00', '09:08')));
    expect(feed.changes).toEqual([]);
    const changes = await feed.feed(...fed(paid('a', '300.00', '09:10')));
    expect(changes.map(({ key, windowStart, windowEnd, row }) => [key['account'], clock(windowStart!), clock(windowEnd!), row!.total.toString()])).toEqual([
      ['a', '09:00', '09:10', '1300.00'],
    ]);
    // the first payment is out of these ten minutes
    expect(await feed.feed(...fed(paid('a', '250.00', '09:10:30')))).toEqual([]);
  });
});
