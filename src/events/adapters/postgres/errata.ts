import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { msOf } from '../../../platform/postgres/rows';
import { requireInForce, type ErrataBook, type Erratum, type NewErratum } from '../../errata';

export interface PostgresErrataOptions {
  readonly pool: PostgresPool;
  readonly app: string;
}

interface ErratumRow extends Omit<Erratum, 'replacement' | 'withdraws'> {
  readonly withdraws: number | null;
  readonly type: string | null;
  readonly event: string | null;
  readonly value: Buffer | null;
  readonly time: number | null;
}

const COLUMNS = `version, action, topic, partition, record_offset AS "offset", event_id AS "eventId", withdraws, event_type AS type, event, value,
  event_time AS time, full_replay AS "fullReplay", reason, decided_by AS by, ${msOf('decided_at')} AS at`;

const erratumOf = ({ type, event, value, time, withdraws, ...row }: ErratumRow): Erratum => ({
  ...row,
  withdraws: withdraws ?? undefined,
  replacement: type === null || event === null || value === null || time === null ? undefined : { type, event, value, time },
});

/** `refold.errata`, beside the generations. */
export class PostgresErrata implements ErrataBook {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(options: PostgresErrataOptions) {
    this.#pool = options.pool;
    this.#app = options.app;
  }

  async version(): Promise<number> {
    const { rows } = await this.#pool.query<{ version: number }>('SELECT coalesce(max(version), 0) AS version FROM refold.errata WHERE app = $1', [this.#app]);
    return rows[0]!.version;
  }

  list(upTo?: number): Promise<readonly Erratum[]> {
    return this.#list(this.#pool, upTo);
  }

  add(erratum: NewErratum): Promise<Erratum> {
    return this.#pool.transaction(async (sql) => {
      await sql.query(`SELECT pg_advisory_xact_lock(hashtextextended('errata of ' || $1, 0))`, [this.#app]);
      if (erratum.withdraws !== undefined) {
        requireInForce(await this.#list(sql), erratum.withdraws);
      }
      const { action, topic, partition, offset, eventId, withdraws, replacement, fullReplay, reason, by } = erratum;
      const { type, event, value, time } = replacement ?? {};
      const { rows } = await sql.query<ErratumRow>(
        `INSERT INTO refold.errata (app, version, action, topic, partition, record_offset, event_id, withdraws, event_type, event, value, event_time,
           full_replay, reason, decided_by)
         SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM refold.errata WHERE app = $1
         RETURNING ${COLUMNS}`,
        [this.#app, action, topic, partition, offset, eventId, withdraws, type, event, value, time, fullReplay, reason, by],
      );
      return erratumOf(rows[0]!);
    });
  }

  async #list(sql: Sql, upTo?: number): Promise<readonly Erratum[]> {
    const { rows } = await sql.query<ErratumRow>(
      `SELECT ${COLUMNS} FROM refold.errata WHERE app = $1 AND version <= coalesce($2::integer, version) ORDER BY version`,
      [this.#app, upTo],
    );
    return rows.map(erratumOf);
  }
}
