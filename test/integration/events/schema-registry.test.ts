import { PostgresSchemaRegistry } from '../../../src/events/adapters/postgres/schema-registry';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { decodedWith, errorOf, eventClass, recordOf, startedSerde, stored } from '../../unit/events/serde-fixture';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('the schema registry in Postgres', () => {
  let database: TestDatabase;
  const pools: PostgresPool[] = [];
  const openPool = (url = database.url): PostgresPool => {
    const pool = new PostgresPool({ url, max: 4 });
    pools.push(pool);
    return pool;
  };
  const registry = (app: string): PostgresSchemaRegistry => new PostgresSchemaRegistry({ pool: openPool(), app });

  beforeAll(async () => {
    database = await freshDatabase('schema-registry');
  });
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.close()));
    await database.drop();
  });

  test('before the migration it says what is missing', async () => {
    const unmigrated = registry('early');
    expect((await errorOf(() => unmigrated.register('s', '{}'))).code).toBe('store.not-migrated');
    expect((await errorOf(() => unmigrated.byId(1))).code).toBe('store.not-migrated');
    await migrate(openPool());
    expect(await unmigrated.register('s', '{}')).toBe(1);
  });

  test('registering again gives the same id, from another connection too; another subject or text another one', async () => {
    const [a, b] = [registry('again'), registry('again')];
    const first = await a.register('s', '{"a":1}');
    expect([await a.register('s', '{"a":1}'), await b.register('s', '{"a":1}')]).toEqual([first, first]);
    expect(await b.register('s', '{"a":2}')).toBe(first + 1);
    expect(await b.register('t', '{"a":1}')).toBe(first + 2);
    expect(await a.byId(first + 1)).toEqual({ id: first + 1, subject: 's', schema: '{"a":2}' });
  });

  test('processes that register the same schemas at once agree on every id, and ids have no gaps', async () => {
    const schemas = Array.from({ length: 10 }, (_, i) => `{"n":${String(i)}}`);
    const starters = Array.from({ length: 4 }, () => registry('race'));
    const answers = await Promise.all(starters.map((starter) => Promise.all(schemas.map((schema) => starter.register('s', schema)))));
    for (const answer of answers) {
      expect(answer).toEqual(answers[0]);
    }
    expect([...(answers[0] ?? [])].sort((a, b) => a - b)).toEqual(schemas.map((_, i) => i + 1));
  });

  test('applications count apart and do not see each other', async () => {
    const [mine, theirs] = [registry('mine'), registry('theirs')];
    expect([await mine.register('s', '{"x":1}'), await theirs.register('s', '{"y":1}')]).toEqual([1, 1]);
    expect([(await mine.byId(1))?.schema, (await theirs.byId(1))?.schema]).toEqual(['{"x":1}', '{"y":1}']);
    expect(await mine.byId(2)).toBeUndefined();
  });

  test('an id that only a foreign record can carry is unknown, not an error', async () => {
    const some = registry('mine');
    expect([await some.byId(0), await some.byId(-1), await some.byId(2 ** 31 - 1), await some.byId(-(2 ** 31))]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('events written by one process are read by another through it', async () => {
    const schema = recordOf({ name: 'id', type: 'string' });
    const Thing = eventClass({ schema });
    const record = stored((await startedSerde([Thing], registry('serde'))).encode(new Thing({ id: 'x' })));
    expect((await decodedWith([Thing], registry('serde'), record)).map(({ event }) => event)).toStrictEqual([new Thing({ id: 'x' })]);
  });

  test('a database that does not answer is schema.unreachable, which may be retried', async () => {
    const dead = new PostgresSchemaRegistry({ pool: openPool('postgres://nobody@127.0.0.1:1/none'), app: 'x' });
    for (const work of [() => dead.byId(1), () => dead.register('s', '{}')]) {
      const error = await errorOf(work);
      expect([error.code, error.retryable]).toEqual(['schema.unreachable', true]);
    }
  });
});
