import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { assertMigrated, migrate, readMigrations } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

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
    await expect(migrate(pool, folder)).rejects.toMatchObject({ code: 'store.failed' });
    await expect(assertMigrated(pool, folder)).rejects.toMatchObject({ code: 'store.not-migrated', facts: { missing: ['2_two'] } });
    await file('0002_two.sql', 'CREATE TABLE refold.two (a int);');
    expect((await migrate(pool, folder)).map(({ name }) => name)).toEqual(['two']);
  });

  it('refuses a schema with a newer breaking migration, and accepts a newer one that breaks nothing', async () => {
    await file('0001_one.sql', 'CREATE TABLE refold.one (a int);');
    await migrate(pool, folder);
    await pool.query(`INSERT INTO refold.migrations (number, name, breaking) VALUES (2, 'two', false)`);
    await assertMigrated(pool, folder);
    await pool.query(`INSERT INTO refold.migrations (number, name, breaking) VALUES (3, 'three', true)`);
    await expect(assertMigrated(pool, folder)).rejects.toMatchObject({ code: 'store.too-new' });
    await expect(migrate(pool, folder)).rejects.toMatchObject({ code: 'store.too-new' });
  });

  it('reads the mark of a breaking file from its first line, and refuses wrong names', async () => {
    await file('0001_one.sql', '-- breaking\nSELECT 1;');
    await file('0002_two.sql', '-- harmless\n-- breaking\nSELECT 1;');
    expect((await readMigrations(folder)).map(({ breaking }) => breaking)).toEqual([true, false]);
    await file('0002_again.sql', 'SELECT 1;');
    await expect(readMigrations(folder)).rejects.toMatchObject({ code: 'internal.invariant', facts: { number: 2 } });
    await rm(path.join(folder, '0002_again.sql'));
    await file('three.sql', 'SELECT 1;');
    await expect(readMigrations(folder)).rejects.toMatchObject({ code: 'internal.invariant', facts: { file: 'three.sql' } });
  });
});
