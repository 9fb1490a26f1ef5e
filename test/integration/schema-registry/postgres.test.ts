import { PostgresSchemaPins } from '../../../src/events/adapters/postgres/schema-pins';
import { PostgresSchemaRegistry } from '../../../src/events/adapters/postgres/schema-registry';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { errorOf } from '../../unit/events/serde-fixture';
import { schemaRegistrySuite } from '../../conformance/schema-registry.suite';
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

  describe('as every registry', () => {
    schemaRegistrySuite({ connect: () => registry('suite') });
  });

  test('ids have no gaps, however many processes register at once', async () => {
    const schemas = Array.from({ length: 10 }, (_, i) => `{"n":${String(i)}}`);
    const starters = Array.from({ length: 4 }, () => registry('race'));
    const answers = await Promise.all(starters.map((starter) => Promise.all(schemas.map((schema) => starter.register('s', schema)))));
    expect([...(answers[0] ?? [])].sort((a, b) => a - b)).toEqual(schemas.map((_, i) => i + 1));
  });

  test('applications count apart and do not see each other', async () => {
    const [mine, theirs] = [registry('mine'), registry('theirs')];
    expect([await mine.register('s', '{"x":1}'), await theirs.register('s', '{"y":1}')]).toEqual([1, 1]);
    expect([(await mine.byId(1))?.schema, (await theirs.byId(1))?.schema]).toEqual(['{"x":1}', '{"y":1}']);
    expect(await mine.byId(2)).toBeUndefined();
  });

  test('what an id means in a log is held once, whoever asks first', async () => {
    const pins = (app: string, log: string) => new PostgresSchemaPins({ pool: openPool(), app, log });
    const answers = await Promise.all(['a', 'b', 'c'].map((fingerprint) => pins('pins', 'kafka').hold(7, fingerprint)));
    expect(new Set(answers).size).toBe(1);
    expect(await pins('pins', 'kafka').find([7, 8])).toEqual(new Map([[7, answers[0]]]));
    expect([...(await pins('pins', 'postgres').find([7])), ...(await pins('other', 'kafka').find([7]))]).toEqual([]);
  });

  test('a database that does not answer is schema.unreachable, which may be retried', async () => {
    const dead = new PostgresSchemaRegistry({ pool: openPool('postgres://nobody@127.0.0.1:1/none'), app: 'x' });
    for (const work of [() => dead.byId(1), () => dead.register('s', '{}'), () => dead.idOf('s', '{}'), () => dead.subject('s')]) {
      const error = await errorOf(work);
      expect([error.code, error.retryable]).toEqual(['schema.unreachable', true]);
    }
  });
});
