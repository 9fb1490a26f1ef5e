import type { Sql } from './pool';
import { identifier } from './quote';

/** Makes the schema unless it exists. IF NOT EXISTS alone asks for the right to create schemas even where there is nothing to do. */
export const ensureSchema = async (sql: Sql, schema: string): Promise<void> => {
  const { rows } = await sql.query<{ found: boolean }>('SELECT to_regnamespace($1) IS NOT NULL AS found', [identifier(schema)]);
  if (rows[0]?.found !== true) {
    await sql.query(`CREATE SCHEMA IF NOT EXISTS ${identifier(schema)}`);
  }
};
