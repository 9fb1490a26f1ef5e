import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool } from '../../../platform/postgres/pool';
import type { GenerationPair, Lease } from '../../ports';
import type { NewlyParked, RowFilter, VerificationEntry, Verifications } from '../../verifications';
import { differingRows, failedRules, type DifferingRow, type Verdict } from '../../verdict';
import { lockReplay, writeStep } from './transition';

/** Keys that are named. */
const NAMED = 20;

/** Comparisons in the control schema. */
export class PostgresVerifications implements Verifications {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(pool: PostgresPool, app: string) {
    this.#pool = pool;
    this.#app = app;
  }

  async list(replayId: number): Promise<readonly VerificationEntry[]> {
    const { rows } = await this.#pool.query<{ verification_id: number; by_whom: string; verdict: Verdict }>(
      `SELECT v.verification_id, v.by_whom, v.verdict FROM refold.verifications v JOIN refold.replays r USING (replay_id)
        WHERE v.replay_id = $1 AND r.app = $2 ORDER BY v.verification_id DESC`,
      [replayId, this.#app],
    );
    return rows.map(({ verification_id: verification, by_whom: by, verdict }) => ({
      verification,
      by,
      takenAt: verdict.takenAt,
      identical: verdict.identical,
      differing: verdict.members.reduce((sum, member) => sum + differingRows(member), 0),
      failed: failedRules(verdict).length,
      approval: verdict.approval,
    }));
  }

  async verdict(replayId: number, verification: number): Promise<Verdict> {
    const { rows } = await this.#pool.query<{ verdict: Verdict }>(
      `SELECT v.verdict FROM refold.verifications v JOIN refold.replays r USING (replay_id)
        WHERE v.replay_id = $1 AND v.verification_id = $2 AND r.app = $3`,
      [replayId, verification, this.#app],
    );
    if (rows[0] === undefined) {
      throw new RefoldError('replay.unknown', `replay ${String(replayId)} has no comparison ${String(verification)}`, {
        facts: { replay: replayId, verification },
        remedy: 'See `refold replay diff` for the comparisons there are.',
      });
    }
    return { ...rows[0].verdict, verification };
  }

  async rows(verification: number, { kind, column, limit }: RowFilter): Promise<readonly DifferingRow[]> {
    const { rows } = await this.#pool.query<DifferingRow>(
      `SELECT member, kind, key, changes FROM (
         SELECT v.*, array_position(ARRAY['changed', 'before', 'after'], kind) AS place,
                row_number() OVER (PARTITION BY member ORDER BY array_position(ARRAY['changed', 'before', 'after'], kind), ordinal) AS n
           FROM refold.verification_rows v
          WHERE verification_id = $1 AND ($2::text IS NULL OR kind = $2)
            AND ($3::text IS NULL OR EXISTS (SELECT FROM json_array_elements(changes) AS c WHERE c ->> 'column' = $3))
       ) AS found WHERE $4::bigint IS NULL OR n <= $4 ORDER BY member, place, ordinal`,
      [verification, kind ?? null, column ?? null, limit ?? null],
    );
    return rows;
  }

  async approve(lease: Lease, { verification, by, reason }: { readonly verification: number; readonly by: string; readonly reason: string }): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      await lockReplay(sql, this.#app, lease);
      const { rows } = await sql.query<{ state: string; approval: object }>(
        `UPDATE refold.replays SET verdict = verdict || jsonb_build_object('approval', jsonb_build_object('by', $3::text, 'reason', $4::text,
                  'at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))), updated_at = clock_timestamp()
          WHERE replay_id = $1 AND (verdict ->> 'verification')::bigint = $2 RETURNING state, verdict -> 'approval' AS approval`,
        [lease.replayId, verification, by, reason],
      );
      const approved = rows[0];
      if (approved === undefined) {
        throw new RefoldError('replay.verdict-changed', 'the replay was compared again since', { facts: { replay: lease.replayId, verification } });
      }
      await sql.query(`UPDATE refold.verifications SET verdict = verdict || jsonb_build_object('approval', $2::jsonb) WHERE verification_id = $1`, [
        verification,
        JSON.stringify(approved.approval),
      ]);
      await writeStep(sql, lease.replayId, approved.state, { to: approved.state, by, facts: { approved: verification, reason } });
    });
  }

  async newlyParked({ from, to }: GenerationPair): Promise<NewlyParked> {
    const { rows } = await this.#pool.query<{ keys: number; first: string[] | null }>(
      `SELECT count(*) AS keys, (array_agg(sequence ORDER BY sequence))[:${String(NAMED)}] AS first FROM (
         SELECT DISTINCT t.sequence FROM refold.parked_sequences t
           JOIN refold.checkpoints c ON c.generation_id = $1 AND (c.topic, c.partition) = (t.topic, t.partition) AND c.next_offset > t.head_offset
           LEFT JOIN refold.parked_sequences f ON f.generation_id = $1 AND (f.topic, f.partition, f.sequence) = (t.topic, t.partition, t.sequence)
          WHERE t.generation_id = $2 AND (f.head_offset IS NULL OR f.head_offset > t.head_offset)
       ) AS newly`,
      [from.id, to.id],
    );
    return { keys: rows[0]!.keys, first: rows[0]!.first ?? [] };
  }
}
