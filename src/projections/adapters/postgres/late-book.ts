import { RefoldError } from '../../../kernel/errors';
import type { Position } from '../../../events/position';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import type { Storage } from '../../generations';
import { notMergeable, type LateBook, type LateFilter, type ReadmitRequest } from '../../late';
import type { LateContribution } from '../../read-model-store';
import { LATE_COLUMNS } from './late';

/** Of generations that are followed: `$1` the application. */
const MEANT = `FROM refold.late_contributions l JOIN refold.generations g USING (generation_id)
  WHERE g.app = $1 AND g.status IN ('candidate', 'active', 'standby') AND ($2::text IS NULL OR g.projection = $2) AND ($3::text IS NULL OR g.store = $3)
    AND ($4::bigint[] IS NULL OR l.generation_id = ANY($4)) AND ($5::bigint IS NULL OR l.event_time >= $5) AND ($6::bigint IS NULL OR l.event_time < $6)
    AND ($7::bigint IS NULL OR l.window_start >= $7) AND ($8::bigint IS NULL OR l.window_start < $8)`;

const valuesOf = (app: string, filter: LateFilter): readonly unknown[] => {
  const { projection, store, generationIds, since, before, windowSince, windowBefore } = filter;
  return [app, projection, store, generationIds, since, before, windowSince, windowBefore].map((value) => value ?? null);
};

/** Everybody who follows the projection, their checkpoints locked: nobody folds until the transaction ends. */
const lockFollowing = async (sql: Sql, app: string, projection: string): Promise<void> => {
  const { rows } = await sql.query<{ readonly label: string; readonly storage: Storage; readonly in_doubt: boolean }>(
    `SELECT g.projection || ' v' || g.version || '.r' || g.run || ' (' || g.store || ')' AS label, g.storage, c.intent_to IS NOT NULL AS in_doubt
     FROM refold.checkpoints c JOIN refold.generations g USING (generation_id)
     WHERE g.app = $1 AND g.projection = $2 AND g.status IN ('candidate', 'active', 'standby')
     ORDER BY c.generation_id, c.topic, c.partition FOR UPDATE OF c FOR SHARE OF g`,
    [app, projection],
  );
  const kept = rows.find(({ storage }) => storage !== 'merged' && storage !== 'partials');
  if (kept !== undefined) {
    throw notMergeable(kept.label);
  }
  const doubted = rows.find(({ in_doubt }) => in_doubt);
  if (doubted !== undefined) {
    throw new RefoldError('store.conflict', `a batch of ${doubted.label} is being written`, { facts: { projection } });
  }
};

/** The late contributions of an application in the control schema. */
export class PostgresLateBook implements LateBook {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(options: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = options.pool;
    this.#app = options.app;
  }

  async list(filter: LateFilter, limit: number): Promise<readonly { readonly generationId: number; readonly late: LateContribution }[]> {
    const { rows } = await this.#pool.query<LateContribution & { readonly generationId: number }>(
      `SELECT l.generation_id AS "generationId", ${LATE_COLUMNS} ${MEANT} ORDER BY l.generation_id, l.topic, l.partition, l.record_offset, l.ordinal LIMIT $9`,
      [...valuesOf(this.#app, filter), limit],
    );
    return rows.map(({ generationId, ...late }) => ({ generationId, late }));
  }

  decide(request: ReadmitRequest): Promise<readonly Position[]> {
    const { projection, by, reason } = request;
    return this.#pool.transaction(async (sql) => {
      await lockFollowing(sql, this.#app, projection);
      const { rows } = await sql.query<Position>(
        `WITH meant AS (SELECT DISTINCT l.topic, l.partition, l.record_offset ${MEANT}),
              recorded AS (
                INSERT INTO refold.decisions (app, projection, kind, topic, partition, record_offset, decided_by, reason)
                SELECT $1, $2, 'readmit', topic, partition, record_offset, $9, $10 FROM meant ON CONFLICT DO NOTHING)
         SELECT topic, partition, record_offset AS "offset" FROM meant ORDER BY 1, 2, 3`,
        [...valuesOf(this.#app, request), by, reason],
      );
      // Decisions are read when a partition is claimed: whoever has it now claims it anew, and so learns of these.
      await sql.query(
        `UPDATE refold.checkpoints c SET epoch = epoch + 1, updated_at = now() FROM refold.generations g
         WHERE g.generation_id = c.generation_id AND g.app = $1 AND g.projection = $2 AND g.status IN ('candidate', 'active', 'standby')
           AND (c.topic, c.partition) IN (SELECT * FROM unnest($3::text[], $4::int[]))`,
        [this.#app, projection, rows.map(({ topic }) => topic), rows.map(({ partition }) => partition)],
      );
      return rows;
    });
  }
}
