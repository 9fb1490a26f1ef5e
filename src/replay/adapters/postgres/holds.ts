import { RefoldError } from '../../../kernel/errors';
import { sqlState } from '../../../platform/postgres/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import type { Hold, Holds, HoldTarget, Straggler } from '../../ports';

const targetIds = (hold: Hold): readonly number[] => [...new Set(hold.targets.map((target) => target.generationId))];

const lost = (hold: Hold): RefoldError =>
  new RefoldError('hold.lost', 'the hold expired or was replaced by another', { facts: { generations: targetIds(hold).map(String) } });

/** What the checkpoints say about a hold: who is not there, and whether it is still in force everywhere. */
export const readHold = async (sql: Sql, hold: Hold, lock: '' | 'FOR UPDATE'): Promise<readonly Straggler[]> => {
  const { rows } = await sql.query<{ generation_id: number; topic: string; partition: number; next_offset: number; owner: string | null; valid: boolean }>(
    `SELECT generation_id, topic, partition, next_offset, owner,
            coalesce(hold_until = $2::timestamptz AND hold_until > clock_timestamp(), false) AS valid
       FROM refold.checkpoints WHERE generation_id = ANY($1) ORDER BY generation_id, topic, partition ${lock}`,
    [targetIds(hold), hold.token],
  );
  if (rows.length !== hold.targets.length || !rows.every((row) => row.valid)) {
    throw lost(hold);
  }
  const nameOf = (t: { generationId: number; topic: string; partition: number }): string => `${String(t.generationId)}/${t.topic}/${String(t.partition)}`;
  const at = new Map(hold.targets.map((target) => [nameOf(target), target.at]));
  return rows
    .map((row) => ({ generationId: row.generation_id, topic: row.topic, partition: row.partition, next: row.next_offset, owner: row.owner ?? undefined }))
    .map((row) => ({ ...row, at: at.get(nameOf(row)) ?? Number.NaN }))
    .filter((row) => row.next !== row.at);
};

/** Lifts inside a transaction; a later hold over the same partitions has another token and stays. */
export const liftHold = async (sql: Sql, hold: Hold): Promise<void> => {
  await sql.query(`UPDATE refold.checkpoints SET hold_at = NULL, hold_until = NULL WHERE generation_id = ANY($1) AND hold_until = $2::timestamptz`, [
    targetIds(hold),
    hold.token,
  ]);
};

const LOCK_NOT_AVAILABLE = '55P03';

const placeIn = async (sql: Sql, pairs: readonly (readonly [number, number])[], boundMs: number): Promise<Hold> => {
  const ids = [...new Set(pairs.flat())];
  await sql.query(`SELECT set_config('lock_timeout', $1, true)`, [`${String(boundMs)}ms`]);
  // Batches lock in the same order. Taking the locks and reading are two statements: the second sees what the first waited for.
  await sql.query(`SELECT 1 FROM refold.checkpoints WHERE generation_id = ANY($1) ORDER BY generation_id, topic, partition FOR UPDATE`, [ids]);
  const { rows } = await sql.query<{ generation_id: number; topic: string; partition: number; hold_at: number; token: string }>(
    `WITH pair AS (SELECT p.a, p.b FROM unnest($1::bigint[], $2::bigint[]) AS p(a, b)),
              goal AS (SELECT a, b, c.topic, c.partition, max(coalesce(c.intent_to, c.next_offset)) AS at
                         FROM pair JOIN refold.checkpoints c ON c.generation_id IN (a, b) GROUP BY a, b, c.topic, c.partition),
              until AS MATERIALIZED (SELECT clock_timestamp() + make_interval(secs => $3) AS at)
         UPDATE refold.checkpoints c SET hold_at = goal.at, hold_until = until.at
           FROM goal, until WHERE c.generation_id IN (goal.a, goal.b) AND c.topic = goal.topic AND c.partition = goal.partition
         RETURNING c.generation_id, c.topic, c.partition, c.hold_at, c.hold_until::text AS token`,
    [pairs.map(([a]) => a), pairs.map(([, b]) => b), boundMs / 1000],
  );
  const targets = rows.map((row): HoldTarget => ({ generationId: row.generation_id, topic: row.topic, partition: row.partition, at: row.hold_at }));
  if (rows[0] === undefined) {
    throw new RefoldError('internal.invariant', 'generations without checkpoints cannot be held', { facts: { generations: ids.map(String) } });
  }
  return { token: rows[0].token, targets };
};

/** Holds written into the checkpoints, obeyed by every batch's compare-and-set. */
export class PostgresHolds implements Holds {
  readonly #pool: PostgresPool;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
  }

  async place(pairs: readonly (readonly [number, number])[], boundMs: number): Promise<Hold> {
    try {
      return await this.#pool.transaction((sql) => placeIn(sql, pairs, boundMs));
    } catch (error) {
      if (sqlState(error) !== LOCK_NOT_AVAILABLE) {
        throw error;
      }
      const facts = { generations: [...new Set(pairs.flat())].map(String), waitedMs: boundMs };
      throw new RefoldError('hold.timed-out', 'a transaction that does not end keeps a checkpoint locked', { facts, cause: error });
    }
  }

  async stragglers(hold: Hold): Promise<readonly Straggler[]> {
    return readHold(this.#pool, hold, '');
  }

  async lift(hold: Hold): Promise<void> {
    await this.#pool.transaction((sql) => liftHold(sql, hold));
  }
}
