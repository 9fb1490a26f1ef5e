import type { Sql } from '../../../platform/postgres/pool';

/** Name of the sessions in which refold compares generations for minutes perhaps: their snapshot is old, and they read no view. */
export const COMPARING = 'refold compare';

/**
 * In a transaction with one snapshot, after it was taken, or by a statement of its own: the first transaction id that the snapshot does not know, and
 * the time. A snapshot whose oldest transaction is not below that id includes everything that this one does; so does the
 * snapshot of any transaction that began after that time.
 */
export const readHorizon = async (sql: Sql): Promise<string> => {
  const { rows } = await sql.query<{ horizon: string }>(
    `SELECT pg_snapshot_xmax(pg_current_snapshot())::text || '@' || extract(epoch FROM clock_timestamp())::text AS horizon`,
  );
  return rows[0]!.horizon;
};

/**
 * Client sessions of this database with a snapshot older than the horizon: `pid 42 (idle in transaction for 3.1 s): select ...`.
 * The id alone would not do: as long as any older transaction writes, new snapshots have old ids too; hence the time.
 * Roles without `pg_read_all_stats` see no times of others; for those the id alone decides. A transaction that was prepared
 * reads nothing any more, one that waits for its client at READ COMMITTED has no snapshot.
 */
export const readOldSnapshots = async (sql: Sql, horizon: string, which: 'any' | 'kept'): Promise<readonly string[]> => [
  ...(await readSessions(sql, horizon, which)),
  ...(which === 'any' ? await readStandbys(sql, horizon) : []),
];

/** A statement in a transaction of its own takes a new snapshot for whatever it does next. Sessions of workers read no views. */
const KEPT = `AND (a.state IS NULL OR a.state <> 'active' OR a.query_start > a.xact_start) AND NOT (a.application_name LIKE 'refold %' AND a.application_name <> 'refold reader')`;

const readSessions = async (sql: Sql, horizon: string, which: 'any' | 'kept'): Promise<readonly string[]> => {
  const [xmax, at] = horizon.split('@');
  const { rows } = await sql.query<{ pid: number; state: string | null; seconds: number | null; query: string | null }>(
    `SELECT a.pid, a.state, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds,
            left(regexp_replace(a.query, '\\s+', ' ', 'g'), 60) AS query
       FROM pg_stat_activity a
      WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.application_name <> $3
        AND a.usesysid IS NOT NULL AND coalesce(a.backend_type, 'client backend') = 'client backend'
        AND NOT EXISTS (SELECT FROM pg_stat_replication r WHERE r.pid = a.pid)
        AND a.backend_xmin IS NOT NULL AND age(a.backend_xmin) > age($1::text::xid8::xid)
        AND (a.xact_start IS NULL OR a.xact_start < to_timestamp($2::float8)) ${which === 'kept' ? KEPT : ''}
      ORDER BY a.xact_start, a.pid`,
    [xmax, at, COMPARING],
  );
  return rows.map(({ pid, state, seconds, query }) => {
    const since = seconds === null ? '' : ` for ${seconds.toFixed(1)} s`;
    return `pid ${String(pid)} (${state ?? 'state unknown'}${since}): ${query ?? ''}`;
  });
};

/**
 * Standbys with `hot_standby_feedback` say how old the oldest snapshot of their readers is: it holds back vacuum here by the
 * sender, or by its slot. Of others nothing is known. There is no time to decide by, and word comes every few seconds only.
 */
const readStandbys = async (sql: Sql, horizon: string): Promise<readonly string[]> => {
  const { rows } = await sql.query<{ name: string | null }>(
    `SELECT coalesce(nullif(r.application_name, ''), s.slot_name::text, 'pid ' || r.pid) AS name
       FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid
      WHERE s.slot_type IS DISTINCT FROM 'logical' AND coalesce(s.xmin, r.backend_xmin) IS NOT NULL
        AND age(coalesce(s.xmin, r.backend_xmin)) > age($1::text::xid8::xid) ORDER BY 1`,
    [horizon.split('@')[0]],
  );
  return rows.map(({ name }) => `a reader on standby ${name ?? ''} (hot_standby_feedback)`);
};
