import { clickHouseTestStore, memoryTestStore, postgresTestStore, type TestStore } from '../../../src/testing';
import { clickhouseUrl, describeWithClickHouse, describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';
import { describeWithCases } from './cases';
import { runCases, seenIn } from './runs';

const onStore = (open: (postgresUrl: string) => Promise<TestStore>): void => {
  let database: TestDatabase;
  let store: TestStore;
  beforeAll(async () => {
    database = await freshDatabase('window-cases');
    store = await open(database.url);
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  it.each(runCases())('%s: readers see what they see in memory', async (_, known) => {
    expect(await seenIn(known, store)).toEqual(await seenIn(known, memoryTestStore()));
  });
};

describeWithCases('windows, by the cases of other engines, in PostgreSQL', () => {
  describeWithPostgres('tables', () => {
    onStore((postgresUrl) => postgresTestStore({ postgresUrl }));
  });
});

describeWithCases('windows, by the cases of other engines, in ClickHouse', () => {
  describeWithClickHouse('tables', () => {
    onStore(async (postgresUrl) => clickHouseTestStore({ postgresUrl, clickhouseUrl: await clickhouseUrl() }));
  });
});
