import { RefoldError } from '../../../kernel/errors';
import type { Sql } from '../../../platform/postgres/pool';
import { generationLabel, type Generation, type GenerationStatus } from '../../../projections/generations';
import type { GenerationPair } from '../../ports';

/** Locks the generations' rows and answers their statuses. Checkpoints are always locked before generations. */
export const lockStatuses = async (sql: Sql, ids: readonly number[]): Promise<ReadonlyMap<number, GenerationStatus>> => {
  const { rows } = await sql.query<{ generation_id: number; status: GenerationStatus }>(
    `SELECT generation_id, status FROM refold.generations WHERE generation_id = ANY($1) ORDER BY generation_id FOR UPDATE`,
    [ids],
  );
  return new Map(rows.map((row) => [row.generation_id, row.status]));
};

export const setStatus = async (sql: Sql, generationId: number, status: GenerationStatus): Promise<void> => {
  await sql.query(
    `UPDATE refold.generations SET status = $2,
       activated_at = CASE WHEN $2 = 'active' THEN clock_timestamp() ELSE activated_at END,
       retired_at = CASE WHEN $2 = 'retired' THEN clock_timestamp() ELSE retired_at END
     WHERE generation_id = $1`,
    [generationId, status],
  );
};

/** Makes `from` standby and `to` active; the former first, since only one may be active. @throws RefoldError `replay.wrong-state` */
export const exchangeStatuses = async (sql: Sql, pairs: readonly GenerationPair[]): Promise<void> => {
  const statuses = await lockStatuses(
    sql,
    pairs.flatMap(({ from, to }) => [from.id, to.id]),
  );
  for (const { from, to } of pairs) {
    const [was, willBe] = [statuses.get(from.id), statuses.get(to.id)];
    if (was !== 'active' || (willBe !== 'candidate' && willBe !== 'standby')) {
      const facts = { from: generationLabel(from), fromStatus: was, to: generationLabel(to), toStatus: willBe };
      throw new RefoldError('replay.wrong-state', 'readers can only be moved from an active generation to one that follows', {
        facts,
        remedy: 'Another replay has switched this projection since. Abort or retire this one.',
      });
    }
    await setStatus(sql, from.id, 'standby');
    await setStatus(sql, to.id, 'active');
  }
};

/** Stops a generation for good: no claim succeeds any more, and batches under way are fenced. */
export const retireGeneration = async (sql: Sql, generation: Generation): Promise<void> => {
  await sql.query(`SELECT 1 FROM refold.checkpoints WHERE generation_id = $1 ORDER BY topic, partition FOR UPDATE`, [generation.id]);
  const status = (await lockStatuses(sql, [generation.id])).get(generation.id);
  if (status === 'active') {
    throw new RefoldError('replay.wrong-state', 'what readers see cannot be retired', { facts: { generation: generationLabel(generation) } });
  }
  if (status === 'retired') {
    return;
  }
  await setStatus(sql, generation.id, 'retired');
  await sql.query(`UPDATE refold.checkpoints SET epoch = epoch + 1, hold_at = NULL, hold_until = NULL WHERE generation_id = $1`, [generation.id]);
};
