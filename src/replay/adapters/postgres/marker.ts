import type { Sql } from '../../../platform/postgres/pool';
import { qualified } from '../../../platform/postgres/quote';
import type { Generation } from '../../../projections/generations';

/** Beside the views, in their schema: says which generation each of them shows. */
export const MARKER = 'refold_active';

/** Idempotent, and quiet where the table exists already. */
export const createMarker = async (sql: Sql, schema: string): Promise<void> => {
  const { rows } = await sql.query<{ found: boolean }>(`SELECT to_regclass($1) IS NOT NULL AS found`, [qualified(schema, MARKER)]);
  if (rows[0]?.found === true) {
    return;
  }
  await sql.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`refold.marker:${schema}`]); // IF NOT EXISTS alone can fail when two create at once
  await sql.query(
    `CREATE TABLE IF NOT EXISTS ${qualified(schema, MARKER)} (
       app text NOT NULL, projection text NOT NULL, store text NOT NULL, model text NOT NULL, version integer NOT NULL, run integer NOT NULL,
       generation_id bigint NOT NULL, switched_at timestamptz NOT NULL, PRIMARY KEY (app, projection, store))`,
  );
};

export const writeMarker = async (sql: Sql, g: Generation): Promise<void> => {
  await sql.query(
    `INSERT INTO ${qualified(g.viewSchema, MARKER)} AS m (app, projection, store, model, version, run, generation_id, switched_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())
     ON CONFLICT (app, projection, store) DO UPDATE SET model = excluded.model, version = excluded.version, run = excluded.run,
       generation_id = excluded.generation_id, switched_at = excluded.switched_at`,
    [g.app, g.projection, g.store, g.model, g.version, g.run, g.id],
  );
};

/** Whether a marker of this projection says that refold made the view. */
export const ownsView = async (sql: Sql, g: Generation): Promise<boolean> => {
  const { rows } = await sql.query(`SELECT 1 FROM ${qualified(g.viewSchema, MARKER)} WHERE app = $1 AND projection = $2 AND store = $3 AND model = $4`, [
    g.app,
    g.projection,
    g.store,
    g.model,
  ]);
  return rows.length > 0;
};
