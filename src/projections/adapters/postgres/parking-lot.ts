import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import type { DiscardRequest, ParkedEvent, ParkedFilter, ParkedSequence, ParkedTotals, ParkingLot, SequenceName } from '../../parking';
import { SEQUENCE_COLUMNS, readEvents, removeParked } from './parking';

interface Following {
  readonly generation_id: number;
  readonly label: string;
  readonly next_offset: number;
  readonly in_doubt: boolean;
  /** Which of the events it has parked. */
  readonly parked: readonly number[];
}

/** Every followed generation of the projection that reads the partition, its checkpoint locked. */
const lockFollowing = async (sql: Sql, app: string, { projection, topic, partition, offsets }: DiscardRequest): Promise<readonly Following[]> => {
  const { rows } = await sql.query<Following>(
    `SELECT c.generation_id, g.projection || ' v' || g.version || '.r' || g.run || ' (' || g.store || ')' AS label, c.next_offset, c.intent_to IS NOT NULL AS in_doubt,
       ARRAY(SELECT e.record_offset::float8 FROM refold.parked_events e
             WHERE e.generation_id = c.generation_id AND e.topic = c.topic AND e.partition = c.partition AND e.record_offset = ANY($5::bigint[])) AS parked
     FROM refold.checkpoints c JOIN refold.generations g USING (generation_id)
     WHERE g.app = $1 AND g.projection = $2 AND g.status IN ('candidate', 'active', 'standby') AND c.topic = $3 AND c.partition = $4
     ORDER BY c.generation_id FOR UPDATE OF c`,
    [app, projection, topic, partition, offsets],
  );
  return rows;
};

const requireDiscardable = ({ generationId, offsets, topic, partition, sequence }: DiscardRequest, following: readonly Following[]): void => {
  const facts = { topic, partition, key: sequence };
  const own = following.find(({ generation_id }) => generation_id === generationId);
  if (own === undefined || offsets.some((offset) => !own.parked.includes(offset))) {
    throw new RefoldError('parked.unknown', 'the events that are to be discarded are not parked any more', { facts });
  }
  for (const { label, next_offset, in_doubt, parked } of following) {
    if (in_doubt) {
      throw new RefoldError('store.conflict', `a batch of ${label} is being written`, { facts });
    }
    const applied = offsets.find((offset) => offset < next_offset && !parked.includes(offset));
    if (applied !== undefined) {
      throw new RefoldError('parked.applied-elsewhere', `${label} has folded an event that is to be discarded`, { facts: { ...facts, offset: applied } });
    }
  }
};

/** The parked sequences of an application in the control schema. */
export class PostgresParkingLot implements ParkingLot {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(options: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = options.pool;
    this.#app = options.app;
  }

  async list(filter: ParkedFilter = {}): Promise<readonly { readonly generationId: number; readonly parked: ParkedSequence }[]> {
    const { projection, store, generationIds, key, type, error, since, before } = filter;
    const { rows } = await this.#pool.query<ParkedSequence & { readonly generation_id: number }>(
      `SELECT s.generation_id, ${SEQUENCE_COLUMNS} FROM refold.parked_sequences s JOIN refold.generations g USING (generation_id)
       WHERE g.app = $1 AND g.status IN ('candidate', 'active', 'standby') AND ($2::text IS NULL OR g.projection = $2) AND ($3::text IS NULL OR g.store = $3)
         AND ($4::bigint[] IS NULL OR s.generation_id = ANY($4)) AND ($5::text IS NULL OR s.sequence = $5) AND ($6::text IS NULL OR s.code = $6)
         AND ($7::bigint IS NULL OR s.first_at >= to_timestamp($7 / 1000.0)) AND ($8::bigint IS NULL OR s.first_at < to_timestamp($8 / 1000.0))
         AND ($9::text IS NULL OR EXISTS (SELECT FROM refold.parked_events e WHERE e.generation_id = s.generation_id AND e.topic = s.topic
           AND e.partition = s.partition AND e.sequence = s.sequence AND e.event_type = $9))
       ORDER BY s.last_touched, s.generation_id, s.topic, s.partition, s.head_offset`,
      [this.#app, projection, store, generationIds, key, error, since, before, type].map((value) => value ?? null),
    );
    return rows.map(({ generation_id: generationId, ...parked }) => ({ generationId, parked }));
  }

  events(generationId: number, sequence: SequenceName, limit: number): Promise<readonly ParkedEvent[]> {
    return readEvents(this.#pool, generationId, sequence, limit);
  }

  async totals(generationIds: readonly number[]): Promise<ReadonlyMap<number, ParkedTotals>> {
    const { rows } = await this.#pool.query<ParkedTotals & { readonly id: number }>(
      `SELECT i.id, count(s.*) AS sequences, coalesce(sum(s.events), 0)::bigint AS events
       FROM unnest($1::bigint[]) AS i(id) LEFT JOIN refold.parked_sequences s ON s.generation_id = i.id GROUP BY i.id`,
      [generationIds],
    );
    return new Map(rows.map(({ id, sequences, events }) => [id, { sequences, events }]));
  }

  async discard(request: DiscardRequest): Promise<void> {
    const { projection, topic, partition, offsets, by, reason } = request;
    await this.#pool.transaction(async (sql) => {
      const following = await lockFollowing(sql, this.#app, request);
      requireDiscardable(request, following);
      await sql.query(
        `INSERT INTO refold.decisions (app, projection, kind, topic, partition, record_offset, decided_by, reason)
         SELECT $1, $2, 'discard', $3, $4, o, $6, $7 FROM unnest($5::bigint[]) AS o ON CONFLICT DO NOTHING`,
        [this.#app, projection, topic, partition, offsets, by, reason],
      );
      for (const { generation_id, parked } of following) {
        // The decisions are read when a partition is claimed: whoever has it now claims it anew, and so learns of these.
        await sql.query(
          `UPDATE refold.checkpoints SET epoch = epoch + 1, parked_count = parked_count - $4, discarded_count = discarded_count + $4, updated_at = now()
           WHERE generation_id = $1 AND topic = $2 AND partition = $3`,
          [generation_id, topic, partition, parked.length],
        );
        await this.#raiseOthers(sql, generation_id, request);
        if (parked.length > 0) {
          await removeParked(sql, generation_id, request, parked);
        }
      }
    });
  }

  /** The key may have moved to another partition, where it follows what is parked here. */
  async #raiseOthers(sql: Sql, generationId: number, { topic, partition }: DiscardRequest): Promise<void> {
    await sql.query(
      `UPDATE refold.checkpoints SET epoch = epoch + 1 WHERE generation_id = $1 AND topic = $2 AND partition <> $3
         AND EXISTS (SELECT FROM refold.decisions d WHERE d.app = $4 AND d.kind = 'partition-barrier' AND d.topic = $2)`,
      [generationId, topic, partition, this.#app],
    );
  }
}
