import { defineApp } from '../../../src/app/define-app';
import { Decimal } from '../../../src/kernel/decimal';
import type { Logger } from '../../../src/kernel/logger';
import { integer, json, text } from '../../../src/projections/columns';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { checkDeterminism, clickHouseTestStore, foldEvents, postgresTestStore, type TestStore } from '../../../src/testing';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { ConnectedWorld, allFolded } from '../../support/connected';
import { clickhouseUrl, describeWithClickHouse, describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';
import { CustomerDaily, OrderErased, OrderPlaced, OrderShipped, OrderSummary, shopEvents } from '../../support/shop';

const DAY = 86_400_000;
const events: object[] = [...'abcdefghijkl'].flatMap((id, i) => [
  new OrderPlaced(id, i % 3 === 0 ? 'ann' : 'bob', Decimal.parse(`${String(i)}.50`), new Date(Date.UTC(2026, 0, 1) + i * DAY)),
  new OrderShipped(id, new Date(Date.UTC(2026, 0, 1) + i * DAY)),
]);
events.push(new OrderErased('a')); // its time is now, which ends the windows of all that comes after

const listed = readModel('listed', { id: text().key(), list: json<readonly number[]>() });
const listing = projection({ name: 'listed', version: 1, into: listed })
  .on(OrderPlaced, (e, row) => ({ id: e.orderId, list: [...(row?.list ?? []), 1] }))
  .on(OrderErased, () => undefined);

const numbered = readModel('numbered', { id: text().key(), n: integer() });
const stateful = () => {
  let n = 0;
  return projection({ name: 'numbered', version: 1, into: numbered }).on(OrderPlaced, (e) => ({ id: e.orderId, n: (n += 1) }));
};

const onRealStores = (open: (postgresUrl: string) => Promise<TestStore>): void => {
  let database: TestDatabase;
  let store: TestStore;
  beforeAll(async () => {
    database = await freshDatabase('test-kit');
    store = await open(database.url);
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  it.each([OrderSummary, CustomerDaily])('the rows are those of memory, also where records are delivered twice: %p', async (model) => {
    for (const partitions of [1, 3]) {
      const inMemory = await foldEvents(model, events, { partitions });
      expect(inMemory.rows.length).toBeGreaterThan(5);
      expect(await foldEvents(model, events, { store, partitions })).toEqual(inMemory);
      expect(await foldEvents(model, events, { store, partitions, numberOfTimes: 2 })).toEqual(inMemory);
    }
  });

  it('a row with JSON that was deleted before comes back', async () => {
    const [first, , second] = events.slice(0, 3);
    const back = [first!, new OrderErased('a'), first!, second!, new OrderErased('b'), second!, second!];
    expect(await checkDeterminism(listing, back, { store, runs: 4, partitions: 1, seed: 1 })).toMatchObject({ rows: 2 });
  });

  it('what outlives a call is caught there too', async () => {
    expect(await checkDeterminism(CustomerDaily, events, { store, runs: 3, seed: 1 })).toMatchObject({ runs: 3 });
    await expect(checkDeterminism(stateful(), events, { store })).rejects.toMatchObject({ code: 'projection.not-deterministic', facts: { column: 'n' } });
  });
};

describeWithPostgres('the test kit on PostgreSQL', () => {
  onRealStores((postgresUrl) => postgresTestStore({ postgresUrl }));

  it('leaves nothing behind', async () => {
    const database = await freshDatabase('test-kit-leaves');
    const pool = new PostgresPool({ url: database.url, max: 1 });
    const databases = async (): Promise<number> =>
      (await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM pg_database WHERE datname LIKE 'refold_test_%'`)).rows[0]!.n;
    const before = await databases();
    const store = await postgresTestStore({ postgresUrl: database.url });
    expect(await databases()).toBeGreaterThan(before);
    await store.close();
    expect(await databases()).toBe(before);
    await pool.close();
    await database.drop();
  });
});

describeWithClickHouse('the test kit on ClickHouse', () => {
  onRealStores(async (postgresUrl) => clickHouseTestStore({ postgresUrl, clickhouseUrl: await clickhouseUrl() }));
});

describeWithPostgres('handlers while they are written', () => {
  it('a worker of a process in development says which handler asks the clock; one in production does not look', async () => {
    const world = await ConnectedWorld.open('watched');
    try {
      const clock = projection({ name: 'clock', version: 1, into: numbered }).on(OrderPlaced, (e) => ({ id: e.orderId, n: Date.now() > 0 ? 1 : 0 }));
      for (const [environment, codes] of [
        [{ NODE_ENV: 'development' }, ['handler.impure']],
        [{ NODE_ENV: 'production' }, []],
      ] as const) {
        const said: unknown[] = [];
        const logger: Logger = { log: (level, _, facts) => void (level === 'warn' && said.push(facts?.['code'])), child: () => logger };
        const app = defineApp({ name: `watched-${environment.NODE_ENV}`, events: shopEvents, projections: [clock], topics: { orders: { partitions: 1 } } });
        const connection = await world.connect(app, { environment, logger, configuration: { viewSchema: `views_${environment.NODE_ENV}` } });
        await connection.migrate();
        await connection.emit(events.slice(0, 4));
        const worker = world.work(connection);
        await allFolded(connection);
        await worker.stop();
        expect(said).toEqual(codes);
      }
    } finally {
      await world.close();
    }
  });
});
