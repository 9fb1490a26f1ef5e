import { msOf } from '../../../platform/postgres/rows';
import type { PostgresPool } from '../../../platform/postgres/pool';
import type { NamedPause, PausedKind, Pauses } from '../../pauses';

const COLUMNS = `kind, name, reason, paused_by AS "by", ${msOf('paused_at')} AS "at"`;

/** What is paused, in the control schema. */
export class PostgresPauses implements Pauses {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor({ pool, app }: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = pool;
    this.#app = app;
  }

  async list(): Promise<readonly NamedPause[]> {
    return (await this.#pool.query<NamedPause>(`SELECT ${COLUMNS} FROM refold.pauses WHERE app = $1 ORDER BY kind, name`, [this.#app])).rows;
  }

  async pause(kind: PausedKind, name: string, { reason, by }: { readonly reason: string; readonly by: string }): Promise<NamedPause> {
    const { rows } = await this.#pool.query<NamedPause>(
      `INSERT INTO refold.pauses (app, kind, name, reason, paused_by) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (app, kind, name) DO UPDATE SET name = excluded.name RETURNING ${COLUMNS}`,
      [this.#app, kind, name, reason, by],
    );
    return rows[0]!;
  }

  async resume(kind: PausedKind, name: string): Promise<NamedPause | undefined> {
    const { rows } = await this.#pool.query<NamedPause>(`DELETE FROM refold.pauses WHERE app = $1 AND kind = $2 AND name = $3 RETURNING ${COLUMNS}`, [
      this.#app,
      kind,
      name,
    ]);
    return rows[0];
  }
}
