import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { assertMigrated, migrate, planMigrations, readMigrations } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { controlSchema } from '../../support/control-schema';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

/** What the migrations give, so that a change shows where it is looked at. */
const SNAPSHOT = path.join(__dirname, 'control-schema.txt');

describeWithPostgres('the migrator', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  let folder: string;

  beforeEach(async () => {
    database = await freshDatabase('migrate');
    pool = new PostgresPool({ url: database.url });
    folder = await mkdtemp(path.join(os.tmpdir(), 'refold-migrations-'));
  });
  afterEach(async () => {
    await pool.close();
    await database.drop();
    await rm(folder, { recursive: true });
  });

  const file = (name: string, sql: string): Promise<void> => writeFile(path.join(folder, name), sql);

  it('applies all files of the package once, however many start at the same time', async () => {
    await expect(assertMigrated(pool)).rejects.toMatchObject({ code: 'store.not-migrated', facts: { database: new URL(pool.url).pathname.slice(1) } });
    const applied = await Promise.all([1, 2, 3, 4].map(() => migrate(pool)));
    const known = (await readMigrations()).map(({ number }) => number);
    expect(
      applied
        .flat()
        .map(({ number }) => number)
        .sort((a, b) => a - b),
    ).toEqual(known);
    await assertMigrated(pool);
    expect(await migrate(pool)).toEqual([]);
  });

  it('keeps what was applied before a file that fails, and goes on when it is corrected', async () => {
    await file('0001_one.sql', 'CREATE TABLE refold.one (a int);');
    await file('0002_two.sql', 'CREATE TABLE refold.two (a int); SELECT * FROM nowhere;');
    await expect(migrate(pool, { directory: folder })).rejects.toMatchObject({ code: 'store.failed' });
    await expect(assertMigrated(pool, folder)).rejects.toMatchObject({ code: 'store.not-migrated', facts: { missing: ['0002_two'] } });
    await file('0002_two.sql', 'CREATE TABLE refold.two (a int);');
    expect((await migrate(pool, { directory: folder })).map(({ name }) => name)).toEqual(['two']);
  });

  it('refuses a schema with a newer breaking migration, and accepts a newer one that breaks nothing', async () => {
    await file('0001_one.sql', 'CREATE TABLE refold.one (a int);');
    await migrate(pool, { directory: folder });
    await pool.query(`INSERT INTO refold.migrations (number, name, breaking) VALUES (2, 'two', false)`);
    await assertMigrated(pool, folder);
    await pool.query(`INSERT INTO refold.migrations (number, name, breaking) VALUES (3, 'three', true)`);
    await expect(assertMigrated(pool, folder)).rejects.toMatchObject({ code: 'store.too-new' });
    await expect(migrate(pool, { directory: folder })).rejects.toMatchObject({ code: 'store.too-new' });
  });

  it('waits with a breaking file for the end of the workers of before, unless told otherwise', async () => {
    await file('0001_one.sql', 'CREATE TABLE refold.workers (app text, worker text, seen_at timestamptz);');
    await migrate(pool, { directory: folder });
    await pool.query(`INSERT INTO refold.workers VALUES ('shop', 'dead', now() - interval '1 hour')`);
    await file('0002_two.sql', '-- breaking: other columns\nSELECT 1;');
    expect(await planMigrations(pool, { directory: folder })).toEqual({ pending: [{ name: '0002_two', breaking: true, why: 'other columns' }], workers: [] });
    await migrate(pool, { directory: folder }); // nobody lives
    await file('0003_three.sql', 'SELECT 1;');
    await pool.query(`INSERT INTO refold.workers VALUES ('shop', 'alive', now() + interval '1 hour')`);
    await migrate(pool, { directory: folder }); // breaks nothing
    await file('0004_four.sql', 'SELECT 1;');
    await file('0005_five.sql', '-- breaking\nSELECT 1;');
    await expect(migrate(pool, { directory: folder })).rejects.toMatchObject({
      code: 'store.breaking-migration',
      facts: { migrations: ['0005_five: no reason given'], workers: ['shop/alive'] },
    });
    expect(await planMigrations(pool, { directory: folder })).toMatchObject({
      pending: [{ name: '0004_four' }, { name: '0005_five' }],
      workers: ['shop/alive'],
    });
    expect((await migrate(pool, { directory: folder, breaking: true })).map(({ name }) => name)).toEqual(['four', 'five']);
  });

  it('gives the control schema that was committed', async () => {
    await migrate(pool);
    const found = await controlSchema(pool);
    if (process.env['REFOLD_RENEW_SNAPSHOTS'] === '1') {
      await writeFile(SNAPSHOT, found);
    }
    const renew = 'If the change is meant: REFOLD_RENEW_SNAPSHOTS=1 npx jest test/integration/platform/migrate';
    expect(`${found}\n${renew}`).toBe(`${await readFile(SNAPSHOT, 'utf8')}\n${renew}`);
  });

  it('reads the mark of a breaking file from its first line, and refuses wrong names', async () => {
    await file('0001_one.sql', '-- breaking: another shape\nSELECT 1;');
    await file('0002_two.sql', '-- harmless\n-- breaking\nSELECT 1;');
    expect((await readMigrations(folder)).map(({ breaking, why }) => [breaking, why])).toEqual([
      [true, 'another shape'],
      [false, undefined],
    ]);
    await file('0002_again.sql', 'SELECT 1;');
    await expect(readMigrations(folder)).rejects.toMatchObject({ code: 'internal.invariant', facts: { number: 2 } });
    await rm(path.join(folder, '0002_again.sql'));
    await file('three.sql', 'SELECT 1;');
    await expect(readMigrations(folder)).rejects.toMatchObject({ code: 'internal.invariant', facts: { file: 'three.sql' } });
  });
});
