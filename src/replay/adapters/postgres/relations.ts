import type { Sql } from '../../../platform/postgres/pool';

/** A column as the catalog describes it; `type` is what `format_type` says, e.g. `numeric(12,2)`. */
export interface RelationColumn {
  readonly name: string;
  readonly type: string;
  /** Quoted, where it is not the default of the type. */
  readonly collation?: string;
}

export interface Relation {
  /** `pg_class.relkind`: r table, v view, m materialised view, ... */
  readonly kind: string;
  readonly options: readonly string[];
  readonly columns: readonly RelationColumn[];
}

/** Looks a table or view up; `undefined` if nothing has this name. */
export const readRelation = async (sql: Sql, schema: string, name: string): Promise<Relation | undefined> => {
  const { rows } = await sql.query<{ relkind: string; reloptions: string[] | null; columns: RelationColumn[] | null }>(
    `SELECT c.relkind, c.reloptions,
            (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                     'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END)) ORDER BY a.attnum)
               FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    [schema, name],
  );
  const row = rows[0];
  return row === undefined ? undefined : { kind: row.relkind, options: row.reloptions ?? [], columns: row.columns ?? [] };
};

/** Who holds a lock on one of the relations: `pid 42 (active for 3.1 s): select ...`, `prepared transaction 'x' (for 3.1 s)`. */
export const readBlockers = async (sql: Sql, relations: readonly string[]): Promise<readonly string[]> => {
  const { rows } = await sql.query<{ pid: number; state: string | null; seconds: number | null; query: string }>(
    `SELECT DISTINCT a.pid, a.state, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds, left(regexp_replace(a.query, '\\s+', ' ', 'g'), 60) AS query
       FROM pg_locks l JOIN pg_stat_activity a USING (pid)
      WHERE l.granted AND l.locktype = 'relation' AND l.relation = ANY (SELECT to_regclass(r) FROM unnest($1::text[]) AS r) AND a.pid <> pg_backend_pid()
      ORDER BY a.pid LIMIT 5`,
    [relations],
  );
  // A prepared transaction belongs to no session any more; its number is that of the transaction.
  const { rows: prepared } = await sql.query<{ gid: string; seconds: number }>(
    `SELECT DISTINCT p.gid, extract(epoch FROM clock_timestamp() - p.prepared)::float8 AS seconds
       FROM pg_locks l JOIN pg_prepared_xacts p ON l.virtualtransaction = '-1/' || p.transaction
      WHERE l.granted AND l.locktype = 'relation' AND l.relation = ANY (SELECT to_regclass(r) FROM unnest($1::text[]) AS r) ORDER BY p.gid LIMIT 5`,
    [relations],
  );
  return [
    ...rows.map((row) => `pid ${String(row.pid)} (${row.state ?? 'unknown'} for ${(row.seconds ?? 0).toFixed(1)} s): ${row.query}`),
    ...prepared.map(({ gid, seconds }) => `prepared transaction '${gid}' (for ${seconds.toFixed(1)} s)`),
  ];
};
