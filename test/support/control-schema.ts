import type { PostgresPool } from '../../src/platform/postgres/pool';

const TABLES = `
SELECT c.oid, c.relname AS name, array_to_string(c.reloptions, ', ') AS options FROM pg_class c
WHERE c.relnamespace = 'refold'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY c.relname COLLATE "C"`;

/** Columns in their order, then constraints and indexes by name, one line each. */
const LINES = `
SELECT line FROM (
  SELECT 1 AS part, a.attnum::text AS place, a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
      || CASE WHEN co.collname IS NOT NULL AND co.collname <> 'default' THEN ' COLLATE ' || co.collname ELSE '' END
      || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
      || CASE WHEN a.attidentity <> '' THEN ' IDENTITY' ELSE coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') END AS line, a.attnum AS n
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum LEFT JOIN pg_collation co ON co.oid = a.attcollation
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT 2, conname, 'CONSTRAINT ' || conname || ' ' || pg_get_constraintdef(oid), 0 FROM pg_constraint WHERE conrelid = $1 AND contype <> 'n'
  UNION ALL
  SELECT 3, x.indexrelid::regclass::text, pg_get_indexdef(x.indexrelid), 0 FROM pg_index x
    WHERE x.indrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = x.indexrelid AND contype IN ('p', 'u', 'x'))
) AS lines ORDER BY part, n, place COLLATE "C"`;

/** Tables, columns, types, constraints and indexes of the control schema, as text. */
export const controlSchema = async (pool: PostgresPool): Promise<string> => {
  const { rows: tables } = await pool.query<{ oid: number; name: string; options: string | null }>(TABLES);
  const texts = await Promise.all(
    tables.map(async ({ oid, name, options }) => {
      const { rows } = await pool.query<{ line: string }>(LINES, [oid]);
      return [`${name}${options === null ? '' : ` (${options})`}`, ...rows.map(({ line }) => `  ${line}`)].join('\n');
    }),
  );
  return `${texts.join('\n\n')}\n`;
};
