import { RefoldError } from '../../../kernel/errors';
import type { Sql } from '../../../platform/postgres/pool';
import type { Lease, Transition } from '../../ports';
import type { Phase } from '../../states';
import { writeVerification } from './write-verification';

const lost = (lease: Lease, holder: string | null): RefoldError =>
  new RefoldError('replay.lease-held', 'the lease of this replay was lost', {
    facts: { replay: lease.replayId, owner: lease.owner, holder: holder ?? undefined },
  });

/** Locks the replay for the rest of the transaction. @throws RefoldError `replay.lease-held`, `replay.wrong-state`, `replay.unknown` */
export const lockReplay = async (sql: Sql, app: string, lease: Lease, expected?: Phase): Promise<void> => {
  const { rows } = await sql.query<{ state: string; direction: string; lease_owner: string | null; valid: boolean }>(
    `SELECT state, direction, lease_owner, coalesce(lease_until > clock_timestamp(), false) AS valid
       FROM refold.replays WHERE replay_id = $1 AND app = $2 FOR UPDATE`,
    [lease.replayId, app],
  );
  const row = rows[0];
  if (row === undefined) {
    throw new RefoldError('replay.unknown', `there is no replay ${String(lease.replayId)}`, { facts: { replay: lease.replayId } });
  }
  if (row.lease_owner !== lease.owner || !row.valid) {
    throw lost(lease, row.lease_owner);
  }
  if (expected !== undefined && (row.state !== expected.state || row.direction !== expected.direction)) {
    const facts = { replay: lease.replayId, state: row.state, direction: row.direction, expected: expected.state };
    throw new RefoldError('replay.wrong-state', 'the replay has changed its state meanwhile', { facts });
  }
};

/** Adds a row to the history. */
export const writeStep = async (
  sql: Sql,
  replayId: number,
  from: string | null,
  change: Pick<Transition, 'by' | 'facts'> & { readonly to: string },
): Promise<void> => {
  await sql.query(
    `INSERT INTO refold.replay_steps (replay_id, step, from_state, to_state, by_whom, facts)
     SELECT $1, coalesce(max(step), 0) + 1, $2, $3, $4, $5 FROM refold.replay_steps WHERE replay_id = $1`,
    [replayId, from, change.to, change.by, JSON.stringify(change.facts)],
  );
};

/** Writes the new phase and its row in the history, inside a transaction. */
export const writeTransition = async (sql: Sql, app: string, lease: Lease, change: Transition): Promise<void> => {
  await lockReplay(sql, app, lease, change.from);
  const { verdict: found, rows = [] } = change;
  const verdict =
    found === undefined
      ? undefined
      : { ...found, verification: await writeVerification(sql, { replayId: lease.replayId, app, by: change.by, verdict: found, rows }) };
  await sql.query(
    `UPDATE refold.replays
        SET state = $2, direction = $3, verdict = coalesce($4::jsonb, verdict), updated_at = clock_timestamp(),
            error = CASE WHEN $5 THEN $6::jsonb ELSE error END
      WHERE replay_id = $1`,
    [
      lease.replayId,
      change.to.state,
      change.to.direction,
      verdict === undefined ? null : JSON.stringify(verdict),
      change.error !== undefined,
      change.error === undefined || change.error === null ? null : JSON.stringify(change.error),
    ],
  );
  await writeStep(sql, lease.replayId, change.from.state, { to: change.to.state, by: change.by, facts: change.facts });
};
