import type { PostgresPool } from '../../../platform/postgres/pool';
import { generationLabel, type Generation } from '../../../projections/generations';
import type { DueDrops, Lease, Retirements } from '../../ports';
import { retireGeneration } from './statuses';
import { lockReplay, writeStep } from './transition';

/** Retirements in the control schema, whatever store the tables lie in. */
export class PostgresRetirements implements Retirements {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(options: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = options.pool;
    this.#app = options.app;
  }

  async retire(lease: Lease, generation: Generation, delayMs: number): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      await lockReplay(sql, this.#app, lease);
      await retireGeneration(sql, generation);
      await sql.query(
        `UPDATE refold.generations SET drop_at = clock_timestamp() + make_interval(secs => $2), retired_by = $3
          WHERE generation_id = $1 AND dropped_at IS NULL`,
        [generation.id, delayMs / 1_000, lease.replayId],
      );
    });
  }

  async due(): Promise<readonly DueDrops[]> {
    const { rows } = await this.#pool.query<{ replay_id: number | null; ids: readonly number[] }>(
      `SELECT retired_by AS replay_id, json_agg(generation_id ORDER BY generation_id) AS ids FROM refold.generations
        WHERE app = $1 AND status = 'retired' AND dropped_at IS NULL AND coalesce(drop_at, retired_at) <= clock_timestamp()
        GROUP BY retired_by ORDER BY retired_by`,
      [this.#app],
    );
    return rows.map(({ replay_id, ids }) => ({ replayId: replay_id ?? undefined, generationIds: ids }));
  }

  async dropped(lease: Lease | undefined, generation: Generation, by: string): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      if (lease !== undefined) {
        await lockReplay(sql, this.#app, lease);
      }
      const { rowCount } = await sql.query(
        `UPDATE refold.generations SET dropped_at = clock_timestamp() WHERE generation_id = $1 AND status = 'retired' AND dropped_at IS NULL`,
        [generation.id],
      );
      await sql.query('DELETE FROM refold.parked_sequences WHERE generation_id = $1', [generation.id]);
      await sql.query('DELETE FROM refold.parked_events WHERE generation_id = $1', [generation.id]);
      if (generation.run < 0) {
        await sql.query('DELETE FROM refold.checkpoints WHERE generation_id = $1', [generation.id]); // built apart: nobody asks how far it was
      }
      if (lease !== undefined && rowCount === 1) {
        const { rows } = await sql.query<{ state: string }>(`SELECT state FROM refold.replays WHERE replay_id = $1`, [lease.replayId]);
        await writeStep(sql, lease.replayId, rows[0]!.state, { to: rows[0]!.state, by, facts: { dropped: [generationLabel(generation)] } });
      }
    });
  }
}
