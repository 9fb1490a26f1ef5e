import { fromRow, msOf, type NullableRow } from '../../../platform/postgres/rows';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import type { ParkedBook, ParkedEntry, ParkedFilter } from '../../positions';

interface EntryRow extends Omit<ParkedEntry, 'key'> {
  readonly key: Buffer;
}

const COLUMNS = `reactor, topic, partition, record_offset AS "offset", record_key AS key, state, event_type AS type, headers::json->>'ce_id' AS "eventId",
  error_code AS code, error, attempts, ${msOf('parked_at')} AS "parkedAt", decided_by AS "by", reason`;

const MATCHES = `($3::bytea IS NULL OR record_key = $3) AND ($4::text IS NULL OR (topic, partition, record_offset) = ($4, $5::int, $6::bigint))
  AND ($7::text IS NULL OR event_type = $7) AND ($8::text IS NULL OR error_code = $8)`;

/** Takes part in the order of locks: whoever owns the partition locks its position before it parks or redrives. */
const LOCK = 'SELECT FROM refold.reactor_positions WHERE app = $1 AND reactor = $2 ORDER BY topic, partition FOR UPDATE';

/** Parked records of reactors in the control schema, for people. */
export class PostgresParkedBook implements ParkedBook {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor({ pool, app }: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = pool;
    this.#app = app;
  }

  async list(reactor: string, filter: ParkedFilter = {}): Promise<readonly ParkedEntry[]> {
    const { rows } = await this.#pool.query<NullableRow<EntryRow>>(
      `SELECT ${COLUMNS} FROM refold.reactor_parked WHERE app = $1 AND reactor = $2 AND ${MATCHES} ORDER BY topic, partition, record_offset`,
      this.#values(reactor, filter),
    );
    return rows.map((row) => {
      const entry = fromRow<EntryRow>(row);
      return { ...entry, key: entry.key.toString('utf8'), eventId: entry.eventId ?? '' };
    });
  }

  async counts(): Promise<ReadonlyMap<string, { readonly records: number; readonly sequences: number }>> {
    const { rows } = await this.#pool.query<{ reactor: string; records: number; sequences: number }>(
      `SELECT reactor, count(*) AS records, count(DISTINCT (topic, partition, record_key)) AS sequences
       FROM refold.reactor_parked WHERE app = $1 AND state <> 'discarded' GROUP BY reactor`,
      [this.#app],
    );
    return new Map(rows.map(({ reactor, ...counts }) => [reactor, counts]));
  }

  redrive(reactor: string, filter: ParkedFilter, by: string): Promise<number> {
    return this.#locked(
      reactor,
      `UPDATE refold.reactor_parked SET state = 'redrive', decided_by = $9, decided_at = now()
       WHERE app = $1 AND reactor = $2 AND state <> 'discarded' AND (topic, partition, record_key) IN
         (SELECT topic, partition, record_key FROM refold.reactor_parked WHERE app = $1 AND reactor = $2 AND state <> 'discarded' AND ${MATCHES})`,
      [...this.#values(reactor, filter), by],
    );
  }

  discard(reactor: string, filter: ParkedFilter, { by, reason }: { readonly by: string; readonly reason: string }): Promise<number> {
    return this.#locked(
      reactor,
      `UPDATE refold.reactor_parked SET state = 'discarded', decided_by = $9, decided_at = now(), reason = $10
       WHERE app = $1 AND reactor = $2 AND state <> 'discarded' AND ${MATCHES}`,
      [...this.#values(reactor, filter), by, reason],
    );
  }

  #values(reactor: string, { key, at, type, code }: ParkedFilter): readonly unknown[] {
    const bytes = key === undefined ? null : Buffer.from(key);
    return [this.#app, reactor, bytes, at?.topic ?? null, at?.partition ?? null, at?.offset ?? null, type ?? null, code ?? null];
  }

  #locked(reactor: string, statement: string, values: readonly unknown[]): Promise<number> {
    return this.#pool.transaction(async (sql: Sql) => {
      await sql.query(LOCK, [this.#app, reactor]);
      return (await sql.query(statement, values)).rowCount ?? 0;
    });
  }
}
