import type { Sql } from '../../../platform/postgres/pool';
import { KEPT_VERIFICATIONS } from '../../verifications';
import type { DifferingRow, Verdict } from '../../verdict';

/** Writes a comparison with the rows that differed, inside a transaction; rows of old ones go. Answers its number. */
export const writeVerification = async (
  sql: Sql,
  given: { readonly replayId: number; readonly app: string; readonly by: string; readonly verdict: Verdict; readonly rows: readonly DifferingRow[] },
): Promise<number> => {
  const { replayId, app, by, verdict } = given;
  const { rows } = await sql.query<{ id: number }>(
    `INSERT INTO refold.verifications (replay_id, by_whom, verdict) VALUES ($1, $2, $3) RETURNING verification_id AS id`,
    [replayId, by, JSON.stringify(verdict)],
  );
  const { id } = rows[0]!;
  const places = new Map<string, number>();
  const ordinals = given.rows.map(({ member, kind }) => {
    const place = `${String(member)} ${kind}`;
    places.set(place, (places.get(place) ?? 0) + 1);
    return places.get(place)!;
  });
  await sql.query(
    `INSERT INTO refold.verification_rows (verification_id, member, kind, ordinal, key, changes)
     SELECT $1, * FROM unnest($2::int[], $3::text[], $4::int[], $5::json[], $6::json[])`,
    [
      id,
      given.rows.map(({ member }) => member),
      given.rows.map(({ kind }) => kind),
      ordinals,
      given.rows.map(({ key }) => JSON.stringify(key)),
      given.rows.map(({ changes }) => JSON.stringify(changes)),
    ],
  );
  await sql.query(
    `DELETE FROM refold.verification_rows WHERE verification_id IN (
       SELECT v.verification_id FROM refold.verifications v JOIN refold.replays r USING (replay_id)
        WHERE r.app = $1 AND EXISTS (SELECT FROM refold.verification_rows d WHERE d.verification_id = v.verification_id)
        ORDER BY v.verification_id DESC OFFSET ${String(KEPT_VERIFICATIONS)})`,
    [app],
  );
  return id;
};
