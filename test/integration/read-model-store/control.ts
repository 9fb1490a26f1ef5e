import type { PostgresPool } from '../../../src/platform/postgres/pool';
import type { Generation } from '../../../src/projections/generations';

/** Sets a hold as a coordinator does, at one offset or one per partition; `undefined` lifts it. */
export const holdAt = async (pool: PostgresPool, generation: Generation, at: number | Readonly<Record<number, number>> | undefined): Promise<void> => {
  for (const partition of [0, 1]) {
    const offset = typeof at === 'object' ? at[partition] : at;
    await pool.query(`UPDATE refold.checkpoints SET hold_at = $2, hold_until = now() + interval '1 hour' WHERE generation_id = $1 AND partition = $3`, [
      generation.id,
      offset ?? null,
      partition,
    ]);
  }
};

export const lateCount = async (pool: PostgresPool, generation: Generation): Promise<number> =>
  (await pool.query<{ n: number }>('SELECT count(*) AS n FROM refold.late_contributions WHERE generation_id = $1', [generation.id])).rows[0]!.n;
