import {
  avg,
  collectList,
  first,
  histogram,
  integer,
  projection,
  readModel,
  session,
  sum,
  text,
  topK,
  windowEnd,
  windowStart,
  type AnyProjection,
  type ProjectionOptions,
} from '../../../src/index';
import { checkDeterminism, clickHouseTestStore, foldEvents, postgresTestStore, type TestStore } from '../../../src/testing';
import { Said, saidOf } from '../../support/groups/models';
import { clickhouseUrl, describeWithClickHouse, describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

const WORDS = ['a', 'b', 'c'];
const events = Array.from({ length: 120 }, (_, i) =>
  saidOf({ key: `k${String((i * 11) % 7)}`, n: (i * 7) % 23, word: WORDS[(i * 5) % 3]!, at: ((i * 13) % 40) + i, gap: 0 }),
);

const stores = ['postgres', 'clickhouse'] as const;
const undone = { total: sum(integer()), mean: avg(integer()), sizes: histogram(integer(), [5, 15]) };
const tables = readModel('tables', { word: text().key(), ...undone });
const sessions = readModel('sessions', {
  word: text().key(),
  start: windowStart(),
  end: windowEnd(),
  ...undone,
  first: first(text()),
  keys: collectList(text(), { limit: 4 }),
  top: topK(integer(), 2),
});
const brought = ({ n }: Said) => ({ total: n, mean: n, sizes: n });
const into = (options: Pick<ProjectionOptions, 'trigger' | 'dedupe'> & { readonly replaces?: true }): AnyProjection =>
  projection({ name: 'tables', version: 1, store: stores, into: tables, ...options }).on(Said, (e) => tables.contribution({ word: e.word }, brought(e)));

const models: readonly (readonly [string, AnyProjection])[] = [
  ['facts that replace each other', into({ replaces: true })],
  ['a trigger that discards, without duplicates', into({ trigger: { count: 3, accumulate: false }, dedupe: { within: 9, by: (e: Said) => e.key } })],
  [
    'sessions',
    projection({ name: 'sessions', version: 1, store: stores, into: sessions, window: session(3, { grace: 15 }) }).on(Said, (e) =>
      sessions.contribution({ word: e.word }, { ...brought(e), first: e.key, keys: e.key, top: e.n }),
    ),
  ],
];

const onRealStores = (open: (postgresUrl: string) => Promise<TestStore>): void => {
  let database: TestDatabase;
  let store: TestStore;
  beforeAll(async () => {
    database = await freshDatabase('groups-kit');
    store = await open(database.url);
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  it.each(models)('%s: the rows are those of memory, however batches are cut and also where records are delivered twice', async (_, model) => {
    const inMemory = await foldEvents(model, events);
    expect(inMemory.rows.length).toBeGreaterThan(2);
    expect(await foldEvents(model, events, { store, numberOfTimes: 2 })).toEqual(inMemory);
    expect(await checkDeterminism(model, events, { store, partitions: 1, runs: 3, seed: 1 })).toMatchObject({ rows: inMemory.rows.length });
  });
};

describeWithPostgres('groups in PostgreSQL', () => {
  onRealStores((postgresUrl) => postgresTestStore({ postgresUrl }));
});

describeWithClickHouse('groups in ClickHouse', () => {
  onRealStores(async (postgresUrl) => clickHouseTestStore({ postgresUrl, clickhouseUrl: await clickhouseUrl() }));
});
