import { RefoldError } from '../../../kernel/errors';
import { isKeyTaken } from '../../../platform/postgres/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { fromRow, msOf, type NullableRow } from '../../../platform/postgres/rows';
import type { Correction, CorrectionBook, CorrectionEnd, CorrectionLease, NewCorrection } from '../../corrections';

const COLUMNS = `correction_id AS id, kind, projection, store, target_id AS "targetId", apart_id AS "apartId", state, resumable, request, progress, result, error,
  reason, by_whom AS by, ${msOf('started_at')} AS "startedAt", ${msOf('ended_at')} AS "endedAt"`;

const lost = (id: number): RefoldError =>
  new RefoldError('correction.in-progress', `correction ${String(id)} is worked on by another process`, { facts: { id } });

/** Its tables are due at once, whoever comes by. */
const retireApart = async (sql: Sql, id: number): Promise<void> => {
  await sql.query(
    `SELECT FROM refold.checkpoints WHERE generation_id = (SELECT apart_id FROM refold.corrections WHERE correction_id = $1) ORDER BY topic, partition FOR UPDATE`,
    [id],
  );
  const { rows } = await sql.query<{ generation_id: number }>(
    `UPDATE refold.generations SET status = 'retired', retired_at = clock_timestamp(), drop_at = clock_timestamp()
     WHERE generation_id = (SELECT apart_id FROM refold.corrections WHERE correction_id = $1) AND status = 'apart' RETURNING generation_id`,
    [id],
  );
  await sql.query(`UPDATE refold.checkpoints SET epoch = epoch + 1, hold_at = NULL, hold_until = NULL WHERE generation_id = ANY($1)`, [
    rows.map(({ generation_id }) => generation_id),
  ]);
  await sql.query('DELETE FROM refold.correction_keys WHERE correction_id = $1', [id]);
};

/** Corrections in the control schema. */
export class PostgresCorrections implements CorrectionBook {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(options: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = options.pool;
    this.#app = options.app;
  }

  async begin({ kind, projection, store, targetId, resumable, request, reason, by }: NewCorrection, owner: string, leaseMs: number): Promise<Correction> {
    try {
      const { rows } = await this.#pool.query<NullableRow<Correction>>(
        `INSERT INTO refold.corrections (app, kind, projection, store, target_id, resumable, request, reason, by_whom, lease_owner, lease_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp() + make_interval(secs => $11)) RETURNING ${COLUMNS}`,
        [this.#app, kind, projection, store, targetId, resumable, JSON.stringify(request), reason, by, owner, leaseMs / 1_000],
      );
      return fromRow<Correction>(rows[0]!);
    } catch (error) {
      if (!isKeyTaken(error)) {
        throw error;
      }
      throw new RefoldError('correction.in-progress', `${projection} is being repaired in ${store}`, { facts: { projection, store }, cause: error });
    }
  }

  async list(limit = 100): Promise<readonly Correction[]> {
    const { rows } = await this.#pool.query<NullableRow<Correction>>(
      `SELECT ${COLUMNS} FROM refold.corrections WHERE app = $1 ORDER BY correction_id DESC LIMIT $2`,
      [this.#app, limit],
    );
    return rows.map(fromRow<Correction>);
  }

  async get(id: number): Promise<Correction> {
    const { rows } = await this.#pool.query<NullableRow<Correction>>(`SELECT ${COLUMNS} FROM refold.corrections WHERE app = $1 AND correction_id = $2`, [
      this.#app,
      id,
    ]);
    if (rows[0] === undefined) {
      throw new RefoldError('correction.unknown', `there is no correction ${String(id)}`, { facts: { id } });
    }
    return fromRow<Correction>(rows[0]);
  }

  async unfinished(targetId: number): Promise<Correction | undefined> {
    const { rows } = await this.#pool.query<NullableRow<Correction>>(
      `SELECT ${COLUMNS} FROM refold.corrections WHERE app = $1 AND target_id = $2 AND kind = 'repair' AND state = 'running'`,
      [this.#app, targetId],
    );
    return rows[0] && fromRow<Correction>(rows[0]);
  }

  async acquire({ id, owner }: CorrectionLease, leaseMs: number): Promise<void> {
    const { rowCount } = await this.#pool.query(
      `UPDATE refold.corrections SET lease_owner = $3, lease_until = clock_timestamp() + make_interval(secs => $4)
       WHERE app = $1 AND correction_id = $2 AND state = 'running' AND (lease_owner = $3 OR lease_until IS NULL OR lease_until < clock_timestamp())`,
      [this.#app, id, owner, leaseMs / 1_000],
    );
    if (rowCount !== 1) {
      throw lost(id);
    }
  }

  async release({ id, owner }: CorrectionLease): Promise<void> {
    await this.#pool.query('UPDATE refold.corrections SET lease_owner = NULL, lease_until = NULL WHERE correction_id = $1 AND lease_owner = $2', [id, owner]);
  }

  async save({ id, owner }: CorrectionLease, { apartId, progress }: { readonly apartId?: number; readonly progress?: object }): Promise<void> {
    const { rowCount } = await this.#pool.query(
      `UPDATE refold.corrections SET apart_id = coalesce($3::bigint, apart_id), progress = progress || coalesce($4::jsonb, '{}')
       WHERE correction_id = $1 AND lease_owner = $2 AND lease_until > clock_timestamp() AND state = 'running'`,
      [id, owner, apartId ?? null, progress === undefined ? null : JSON.stringify(progress)],
    );
    if (rowCount !== 1) {
      throw lost(id);
    }
  }

  async end({ id, owner }: CorrectionLease, { state, result, error }: CorrectionEnd, keep: boolean): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      const { rowCount } = await sql.query(
        `UPDATE refold.corrections SET state = $3, result = $4, error = $5, ended_at = clock_timestamp(), lease_owner = NULL, lease_until = NULL
         WHERE correction_id = $1 AND lease_owner = $2 AND state = 'running'`,
        [id, owner, state, result === undefined ? null : JSON.stringify(result), error === undefined ? null : JSON.stringify(error)],
      );
      if (rowCount !== 1) {
        throw lost(id);
      }
      if (!keep) {
        await retireApart(sql, id);
      }
    });
  }

  async sweep(): Promise<readonly number[]> {
    return this.#pool.transaction(async (sql) => {
      const { rows } = await sql.query<{ id: number }>(
        `UPDATE refold.corrections SET state = 'given-up', ended_at = clock_timestamp(), lease_owner = NULL, lease_until = NULL
         WHERE app = $1 AND state = 'running' AND NOT resumable AND (lease_until IS NULL OR lease_until < clock_timestamp()) RETURNING correction_id AS id`,
        [this.#app],
      );
      for (const { id } of rows) {
        await retireApart(sql, id);
      }
      // A process may have died between making a generation and saying whose it is
      await sql.query(
        `UPDATE refold.generations g SET status = 'retired', retired_at = clock_timestamp(), drop_at = clock_timestamp()
         WHERE app = $1 AND status = 'apart' AND created_at < clock_timestamp() - interval '5 minutes'
           AND NOT EXISTS (SELECT FROM refold.corrections c WHERE c.apart_id = g.generation_id)`,
        [this.#app],
      );
      return rows.map(({ id }) => id);
    });
  }

  async drop(id: number): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      const { rows } = await sql.query<{ state: string; kind: string; free: boolean }>(
        `SELECT state, kind, coalesce(lease_until < clock_timestamp(), true) AS free FROM refold.corrections WHERE app = $1 AND correction_id = $2 FOR UPDATE`,
        [this.#app, id],
      );
      const found = rows[0];
      if (found === undefined) {
        throw new RefoldError('correction.unknown', `there is no correction ${String(id)}`, { facts: { id } });
      }
      const isLeft = (found.state === 'running' && found.free) || (found.kind === 'until' && found.state === 'done');
      if (!isLeft) {
        const { state, kind } = found;
        throw new RefoldError('correction.wrong-state', 'only what nobody works on, and what is left of it, is given up', { facts: { id, kind, state } });
      }
      await sql.query(
        `UPDATE refold.corrections SET state = 'given-up', ended_at = coalesce(ended_at, clock_timestamp()), lease_owner = NULL, lease_until = NULL
         WHERE correction_id = $1`,
        [id],
      );
      await retireApart(sql, id);
    });
  }

  async addKeys(id: number, keys: readonly string[]): Promise<void> {
    await this.#pool.query('INSERT INTO refold.correction_keys (correction_id, key) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING', [id, keys]);
  }

  async keys(id: number, after: string | undefined, limit: number): Promise<readonly string[]> {
    const { rows } = await this.#pool.query<{ key: string }>(
      `SELECT key FROM refold.correction_keys WHERE correction_id = $1 AND ($2::text IS NULL OR key > $2 COLLATE "C") ORDER BY key LIMIT $3`,
      [id, after ?? null, limit],
    );
    return rows.map(({ key }) => key);
  }

  async countKeys(id: number): Promise<number> {
    const { rows } = await this.#pool.query<{ n: number }>('SELECT count(*) AS n FROM refold.correction_keys WHERE correction_id = $1', [id]);
    return rows[0]!.n;
  }
}
