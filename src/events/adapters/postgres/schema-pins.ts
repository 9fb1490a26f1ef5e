import type { PostgresPool } from '../../../platform/postgres/pool';
import type { SchemaPins } from '../../schema-pins';
import { translating } from './schema-errors';

export interface PostgresSchemaPinsOptions {
  readonly pool: PostgresPool;
  readonly app: string;
  /** Kind of the event log whose records carry the ids. */
  readonly log: string;
}

/** `refold.schema_ids`, beside the checkpoints. */
export class PostgresSchemaPins implements SchemaPins {
  readonly #options: PostgresSchemaPinsOptions;

  constructor(options: PostgresSchemaPinsOptions) {
    this.#options = options;
  }

  /** @throws RefoldError `schema.unreachable`, `store.not-migrated` */
  async hold(id: number, fingerprint: string): Promise<string> {
    const known = (await this.find([id])).get(id);
    if (known !== undefined) {
      return known;
    }
    const { pool, app, log } = this.#options;
    await translating(() =>
      pool.query('INSERT INTO refold.schema_ids (app, log, id, fingerprint) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING', [app, log, id, fingerprint]),
    );
    return (await this.find([id])).get(id) ?? fingerprint; // another process may have been faster
  }

  /** @throws RefoldError `schema.unreachable`, `store.not-migrated` */
  async find(ids: readonly number[]): Promise<ReadonlyMap<number, string>> {
    const { pool, app, log } = this.#options;
    const text = 'SELECT id, fingerprint FROM refold.schema_ids WHERE app = $1 AND log = $2 AND id = ANY ($3::integer[])';
    const { rows } = await translating(() => pool.query<{ readonly id: number; readonly fingerprint: string }>(text, [app, log, ids]));
    return new Map(rows.map(({ id, fingerprint }) => [id, fingerprint]));
  }
}
