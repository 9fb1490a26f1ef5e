import { PostgresPool } from '../../../src/platform/postgres/pool';
import { describeWithPostgres, freshDatabase } from '../../support/services';

describeWithPostgres('a fresh database', () => {
  it('is empty, apart from the others, and gone after drop', async () => {
    const database = await freshDatabase('Fresh Database!');
    const pool = new PostgresPool({ url: database.url, max: 1 });
    const tables = await pool.query<{ n: number }>(`SELECT count(*) AS n FROM pg_tables WHERE schemaname = 'public'`);
    await database.drop();
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ facts: { sqlstate: '3D000' } });
    await pool.close();
    expect(tables.rows).toEqual([{ n: 0 }]);
  });
});
