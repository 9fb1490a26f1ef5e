import { ActionTaken, LoginFailed, PaymentMade } from '../../../examples/windows/events';
import { LoginAlerts } from '../../../examples/windows/failed-logins';
import { SpendingAboveLimit } from '../../../examples/windows/spending';
import { Visits } from '../../../examples/windows/visits';
import { Decimal } from '../../../src/kernel/decimal';
import { collectList } from '../../../src/projections/aggregates/columns';
import { count, text, windowEnd, windowName, windowStart } from '../../../src/projections/columns';
import { projection, type AnyProjection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { several } from '../../../src/projections/windows/several';
import { hopping, session, tumbling } from '../../../src/projections/windows/window';
import { checkDeterminism, clickHouseTestStore, feedProjection, foldEvents, jsonOf, postgresTestStore, type TestStore } from '../../../src/testing';
import { clickhouseUrl, describeWithClickHouse, describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

const DAY = Date.UTC(2026, 2, 1);
const minutes = (n: number): Date => new Date(DAY + n * 60_000);
const USERS = [...'abcdef'];
const TIMES = [0, 20, 70, 45, 71, 72, 130, 128, 300, 40, 301];

const actions = TIMES.flatMap((at, i) => USERS.map((user) => new ActionTaken(user, `action ${String(i)}`, minutes(at))));
const logins = TIMES.flatMap((at) => USERS.map((address) => new LoginFailed(address, 'ann', minutes(at))));
const payments = TIMES.flatMap((at) => USERS.map((account) => new PaymentMade(account, Decimal.parse('600.00'), minutes(at))));

const trails = readModel('trails', {
  user_id: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  actions: count(),
  trail: collectList(text(), { limit: 100 }),
});
const published = { name: 'trails', version: 1, into: trails, emit: 'final' } as const;
const trailed = ({ userId, action }: ActionTaken) => trails.contribution({ user_id: userId }, { actions: 1, trail: action });
const finalSessions = projection({ ...published, window: session('30 minutes', { grace: '5 minutes' }) }).on(ActionTaken, trailed);
const finalHours = projection({ ...published, window: tumbling('1 hour', { grace: '5 minutes' }) }).on(ActionTaken, trailed);

const both = readModel('both', { cut: windowName(), user_id: text().key(), window_start: windowStart(), window_end: windowEnd(), actions: count() });
const grace = '5 minutes';
const hours = tumbling('1 hour', { grace });
const inTwo = { name: 'both', version: 1, store: ['postgres', 'clickhouse'], into: both, retention: '3 hours' } as const;
const actionsInBoth = ({ userId }: ActionTaken) => both.contribution({ user_id: userId }, { actions: 1 });
const hoursAndHalves = projection({ ...inTwo, window: several({ hours, halves: hopping('1 hour', { advance: '30 minutes', grace }) }) }).on(
  ActionTaken,
  actionsInBoth,
);
const hoursAndVisits = projection({ ...inTwo, emit: 'final', window: several({ hours, visits: session('30 minutes', { grace }) }) }).on(
  ActionTaken,
  actionsInBoth,
);

const MODELS: readonly (readonly [string, AnyProjection, readonly object[]])[] = [
  ['sessions', Visits, actions],
  ['final sessions', finalSessions, actions],
  ['final hours', finalHours, actions],
  ['windows of two kinds in one model', hoursAndHalves, actions],
  ['final hours and sessions in one model', hoursAndVisits, actions],
  ['sessions that meet a condition', LoginAlerts, logins],
  ['sliding windows that meet a condition', SpendingAboveLimit, payments],
];

const onRealStores = (open: (postgresUrl: string) => Promise<TestStore>): void => {
  let database: TestDatabase;
  let store: TestStore;
  beforeAll(async () => {
    database = await freshDatabase('test-kit-windows');
    store = await open(database.url);
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  it.each(MODELS)('%s are those of memory, also where a worker that was replaced sends its batches again', async (_, model, events) => {
    for (const partitions of [1, 2]) {
      const inMemory = await foldEvents(model, events, { partitions });
      expect(inMemory.rows.length).toBeGreaterThan(0);
      expect(await foldEvents(model, events, { store, partitions, numberOfTimes: 2 })).toEqual(inMemory);
    }
  });

  it.each(MODELS)('%s are the same however batches and restarts fall', async (_, model, events) => {
    expect((await checkDeterminism(model, events, { store, runs: 4, partitions: 2, seed: 3 })).rows).toBeGreaterThan(0);
  });

  it('a session that is joined or reaches further is one row for readers at every moment (R25)', async () => {
    const feed = await feedProjection(Visits, { store });
    const rows: number[] = [];
    for (const at of [0, 20, 52, 40, -10, 30]) {
      await feed.feed({ value: new ActionTaken('ann', `at ${String(at)}`, minutes(at)) });
      rows.push((await feed.table()).length);
    }
    expect(rows).toEqual([1, 1, 2, 1, 1, 1]);
    expect((await feed.table()).map(jsonOf)).toEqual([
      expect.objectContaining({ window_start: minutes(-10).getTime(), window_end: minutes(82).getTime(), actions: 6 }),
    ]);
  });

  it('a final window stays as it was shown when a process starts right behind its close (R21)', async () => {
    for (const model of [finalSessions, finalHours]) {
      const feed = await feedProjection(model, { store });
      await feed.feed(...[0, 10].map((at) => ({ value: new ActionTaken('ann', 'x', minutes(at)) })));
      expect(feed.changes).toEqual([]);
      expect(await feed.advanceTo(minutes(65))).toHaveLength(1);
      await feed.restart();
      expect(await feed.feed({ value: new ActionTaken('ann', 'late', minutes(5)) })).toEqual([]);
      expect(feed.late).toHaveLength(1);
      expect((await feed.table()).map(({ actions: n }) => n)).toEqual([2n]);
    }
  });
};

describeWithPostgres('windows of the test kit on PostgreSQL', () => {
  onRealStores((postgresUrl) => postgresTestStore({ postgresUrl }));
});

describeWithClickHouse('windows of the test kit on ClickHouse', () => {
  onRealStores(async (postgresUrl) => clickHouseTestStore({ postgresUrl, clickhouseUrl: await clickhouseUrl() }));
});
