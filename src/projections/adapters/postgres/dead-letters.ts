import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import type { DeadLetter, DeadLetters } from '../../dead-letters';
import type { Generation, GenerationCatalog } from '../../generations';
import type { ParkingCause } from '../../parking';
import { EVENT_COLUMNS, eventOf, type EventRow } from './parking';

interface Row extends EventRow {
  readonly generation_id: number;
  readonly topic: string;
  readonly partition: number;
  readonly sequence: string;
  readonly cause: ParkingCause | null;
}

/** The cause stands with the sequence, of which it concerns the first event. */
const UNMIRRORED = `
  SELECT e.generation_id, e.topic, e.partition, e.sequence, ${EVENT_COLUMNS},
    CASE WHEN s.code <> '' THEN json_build_object('code', s.code, 'message', s.message, 'remedy', s.remedy) END AS cause
  FROM refold.parked_events e LEFT JOIN refold.parked_sequences s
    ON s.generation_id = e.generation_id AND s.topic = e.topic AND s.partition = e.partition AND s.sequence = e.sequence AND s.head_offset = e.record_offset
  WHERE e.generation_id = ANY($1::bigint[]) AND NOT e.mirrored ORDER BY e.generation_id, e.topic, e.partition, e.record_offset LIMIT $2`;

const MARK = `
  UPDATE refold.parked_events e SET mirrored = true FROM unnest($1::bigint[], $2::text[], $3::int[], $4::bigint[]) AS m(generation_id, topic, partition, record_offset)
  WHERE e.generation_id = m.generation_id AND e.topic = m.topic AND e.partition = m.partition AND e.record_offset = m.record_offset`;

/** Parked events that have not been mirrored yet, in the control schema. */
export class PostgresDeadLetters implements DeadLetters {
  readonly #pool: PostgresPool;
  readonly #app: string;
  readonly #catalog: Pick<GenerationCatalog, 'list'>;

  constructor({ pool, app, catalog }: { readonly pool: PostgresPool; readonly app: string; readonly catalog: Pick<GenerationCatalog, 'list'> }) {
    this.#pool = pool;
    this.#app = app;
    this.#catalog = catalog;
  }

  async mirror(limit: number, write: (letters: readonly DeadLetter[]) => Promise<void>): Promise<number> {
    const active = new Map((await this.#catalog.list()).filter(({ status }) => status === 'active').map((generation) => [generation.id, generation]));
    return active.size === 0 ? 0 : this.#pool.transaction((sql) => this.#mirror(sql, active, limit, write));
  }

  /** The lock lasts as long as the transaction; rows are not locked while others write, so redrives do not wait for that. */
  async #mirror(sql: Sql, active: ReadonlyMap<number, Generation>, limit: number, write: (letters: readonly DeadLetter[]) => Promise<void>): Promise<number> {
    const lock = await sql.query<{ mine: boolean }>('SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS mine', [`refold dead letters ${this.#app}`]);
    if (lock.rows[0]?.mine !== true) {
      return 0;
    }
    const { rows } = await sql.query<Row>(UNMIRRORED, [[...active.keys()], limit]);
    if (rows.length > 0) {
      await write(rows.map((row) => ({ generation: active.get(row.generation_id)!, event: eventOf(row, row), cause: row.cause ?? undefined })));
      await sql.query(MARK, [rows.map((row) => row.generation_id), rows.map((row) => row.topic), rows.map((row) => row.partition), rows.map((row) => row.offset)]); // prettier-ignore
    }
    return rows.length;
  }
}
