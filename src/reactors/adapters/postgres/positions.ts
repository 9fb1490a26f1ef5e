import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { fromRow, type NullableRow } from '../../../platform/postgres/rows';
import { CE } from '../../../events/cloudevents';
import type { Position, TopicPartition } from '../../../events/position';
import type { Checkpoint, StoppedBy } from '../../../projections/generations';
import type { Move, MoveResult, ParkedFailure, ParkedRecord, ReactorPositions } from '../../positions';
import { PARKED_COLUMNS, parkedRecord, type ParkedRow } from './parked-rows';

/** Named as the fields of a checkpoint; what is handled counts as applied. */
const COLUMNS = `topic, partition, next_offset AS next, epoch, stream_time AS "streamTime",
  json_build_object('read', read_count, 'applied', handled_count, 'filtered', filtered_count, 'late', 0, 'parked', parked_count,
    'discarded', 0, 'errata', errata_count, 'control', control_count) AS counters,
  CASE WHEN fingerprint_offset IS NOT NULL
    THEN json_build_object('offset', fingerprint_offset, 'timestamp', fingerprint_timestamp, 'id', coalesce(fingerprint_id, '')) END AS fingerprint,
  NULL AS "holdAt", owner, stopped_by AS "stoppedBy"`;

const MOVE = `
  UPDATE refold.reactor_positions SET next_offset = $6, stream_time = $8, handled_count = handled_count + $9, filtered_count = filtered_count + $10,
    parked_count = parked_count + $11, errata_count = errata_count + $12, control_count = control_count + $13,
    read_count = read_count + $9::bigint + $10::bigint + $11::bigint + $12::bigint + $13::bigint,
    fingerprint_offset = coalesce($14, fingerprint_offset),
    fingerprint_timestamp = CASE WHEN $14::bigint IS NULL THEN fingerprint_timestamp ELSE $15 END,
    fingerprint_id = CASE WHEN $14::bigint IS NULL THEN fingerprint_id ELSE $16 END,
    stopped_by = NULL, updated_at = now()
  WHERE app = $1 AND reactor = $2 AND topic = $3 AND partition = $4 AND next_offset = $5 AND epoch = $7`;

const AT = 'app = $1 AND reactor = $2 AND topic = $3 AND partition = $4';
/** Of the owner alone: whoever parks, redrives or discards in the partition holds this lock. */
const LOCK = `SELECT FROM refold.reactor_positions WHERE ${AT} AND epoch = $5 FOR UPDATE`;

/** Thrown inside a transaction to roll it back with an answer. */
class Refused extends Error {
  constructor(readonly result: 'fenced' | 'free') {
    super(result);
  }
}

/** Positions of reactors and their parked records in the control schema. */
export class PostgresReactorPositions implements ReactorPositions {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor({ pool, app }: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = pool;
    this.#app = app;
  }

  async checkpoints(reactor: string): Promise<readonly Checkpoint[]> {
    const { rows } = await this.#pool.query<NullableRow<Checkpoint>>(
      `SELECT ${COLUMNS} FROM refold.reactor_positions WHERE app = $1 AND reactor = $2 ORDER BY topic, partition`,
      [this.#app, reactor],
    );
    return rows.map(fromRow<Checkpoint>);
  }

  async begin(reactor: string, positions: readonly Position[]): Promise<void> {
    await this.#pool.query(
      `INSERT INTO refold.reactor_positions (app, reactor, topic, partition, next_offset)
       SELECT $1, $2, w.* FROM unnest($3::text[], $4::int[], $5::bigint[]) AS w(topic, partition, next_offset) ORDER BY topic, partition
       ON CONFLICT DO NOTHING`,
      [this.#app, reactor, positions.map(({ topic }) => topic), positions.map(({ partition }) => partition), positions.map(({ offset }) => offset)],
    );
  }

  async claim(reactor: string, partitions: readonly TopicPartition[], owner: string): Promise<readonly Checkpoint[]> {
    const { rows } = await this.#pool.query<NullableRow<Checkpoint>>(
      `WITH wanted AS (SELECT * FROM unnest($3::text[], $4::int[]) AS w(topic, partition)),
            locked AS MATERIALIZED (SELECT topic, partition FROM refold.reactor_positions
              WHERE app = $1 AND reactor = $2 AND (topic, partition) IN (SELECT * FROM wanted) ORDER BY topic, partition FOR UPDATE)
       UPDATE refold.reactor_positions SET epoch = epoch + 1, owner = $5, updated_at = now()
       WHERE app = $1 AND reactor = $2 AND (topic, partition) IN (SELECT * FROM locked) RETURNING ${COLUMNS}`,
      [this.#app, reactor, partitions.map(({ topic }) => topic), partitions.map(({ partition }) => partition), owner],
    );
    return rows.map(fromRow<Checkpoint>);
  }

  move(reactor: string, move: Move): Promise<MoveResult> {
    return this.#move(this.#pool, reactor, move);
  }

  async park(reactor: string, move: Move, record: ParkedRecord): Promise<MoveResult | 'free'> {
    return this.#unlessRefused(async (sql) => {
      if ((await this.#move(sql, reactor, move)) === 'fenced') {
        throw new Refused('fenced');
      }
      const { topic, partition, offset, key, index, timestamp, value, headers, failure } = record;
      const parked = await sql.query(
        `INSERT INTO refold.reactor_parked (app, reactor, topic, partition, record_offset, record_key, event_index, event_type, appended_ms, value, headers,
           error_code, error, attempts)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
         WHERE $12::text IS NOT NULL OR EXISTS (SELECT FROM refold.reactor_parked WHERE ${AT} AND record_key = $6 AND state <> 'discarded')`,
        [
          ...[this.#app, reactor, topic, partition, offset, key, index, headers[CE.type] ?? null, timestamp, value, JSON.stringify(headers)],
          ...(failure === undefined ? [null, null, 0] : [failure.code, shown(failure.message), failure.attempts]),
        ],
      );
      if (parked.rowCount !== 1) {
        throw new Refused('free');
      }
    });
  }

  async recordStop(reactor: string, { topic, partition }: TopicPartition, epoch: number, stop: StoppedBy): Promise<void> {
    await this.#pool.query(`UPDATE refold.reactor_positions SET stopped_by = $6, updated_at = now() WHERE ${AT} AND epoch = $5`, [
      this.#app,
      reactor,
      topic,
      partition,
      epoch,
      shown(JSON.stringify(stop)),
    ]);
  }

  async parkedKeys(reactor: string, { topic, partition }: TopicPartition): Promise<readonly string[]> {
    const { rows } = await this.#pool.query<{ key: string }>(
      `SELECT DISTINCT encode(record_key, 'hex') AS key FROM refold.reactor_parked WHERE ${AT} AND state <> 'discarded'`,
      [this.#app, reactor, topic, partition],
    );
    return rows.map(({ key }) => key);
  }

  async parkedCount(reactor: string, { topic, partition }: TopicPartition): Promise<number> {
    const { rows } = await this.#pool.query<{ n: number }>(`SELECT count(*) AS n FROM refold.reactor_parked WHERE ${AT} AND state <> 'discarded'`, [
      this.#app,
      reactor,
      topic,
      partition,
    ]);
    return rows[0]!.n;
  }

  async redrivable(reactor: string): Promise<readonly TopicPartition[]> {
    const { rows } = await this.#pool.query<TopicPartition>(
      `SELECT DISTINCT topic, partition FROM refold.reactor_parked WHERE app = $1 AND reactor = $2 AND state = 'redrive'`,
      [this.#app, reactor],
    );
    return rows;
  }

  async nextRedrive(reactor: string, { topic, partition }: TopicPartition): Promise<ParkedRecord | undefined> {
    const { rows } = await this.#pool.query<ParkedRow>(
      `SELECT ${PARKED_COLUMNS} FROM refold.reactor_parked
       WHERE ${AT} AND state <> 'discarded' AND record_key =
         (SELECT record_key FROM refold.reactor_parked WHERE ${AT} AND state = 'redrive' ORDER BY record_offset LIMIT 1)
       ORDER BY record_offset LIMIT 1`,
      [this.#app, reactor, topic, partition],
    );
    return rows[0] && parkedRecord(rows[0]);
  }

  redriven(reactor: string, { topic, partition, offset }: Position, epoch: number): Promise<MoveResult> {
    return this.#owned(reactor, { topic, partition }, epoch, async (sql) => {
      const place = [this.#app, reactor, topic, partition, offset];
      // Those parked meanwhile follow in the same run: whoever asked meant the key.
      await sql.query(
        `UPDATE refold.reactor_parked SET state = 'redrive' WHERE ${AT} AND state = 'parked' AND record_key =
           (SELECT record_key FROM refold.reactor_parked WHERE ${AT} AND record_offset = $5)`,
        place,
      );
      await sql.query(`DELETE FROM refold.reactor_parked WHERE ${AT} AND record_offset = $5`, place);
    });
  }

  failedAgain(reactor: string, { topic, partition, offset, key }: ParkedRecord, index: number, failure: ParkedFailure, epoch: number): Promise<MoveResult> {
    return this.#owned(reactor, { topic, partition }, epoch, async (sql) => {
      const place = [this.#app, reactor, topic, partition];
      await sql.query(
        `UPDATE refold.reactor_parked SET event_index = $6, error_code = $7, error = $8, attempts = attempts + $9 WHERE ${AT} AND record_offset = $5`,
        [...place, offset, index, failure.code, shown(failure.message), failure.attempts],
      );
      await sql.query(`UPDATE refold.reactor_parked SET state = 'parked' WHERE ${AT} AND record_key = $5 AND state = 'redrive'`, [...place, key]);
    });
  }

  async #move(sql: Sql, reactor: string, { topic, partition, from, next, epoch, counts, streamTime, fingerprint }: Move): Promise<MoveResult> {
    const { handled, filtered, parked, errata, control } = counts;
    const { rowCount } = await sql.query(MOVE, [
      ...[this.#app, reactor, topic, partition, from, next, epoch, streamTime ?? null, handled, filtered, parked, errata, control],
      ...[fingerprint?.offset ?? null, fingerprint?.timestamp ?? null, fingerprint?.id ?? null],
    ]);
    return rowCount === 1 ? 'moved' : 'fenced';
  }

  async #owned(reactor: string, { topic, partition }: TopicPartition, epoch: number, work: (sql: Sql) => Promise<void>): Promise<MoveResult> {
    const result = await this.#unlessRefused(async (sql) => {
      if ((await sql.query(LOCK, [this.#app, reactor, topic, partition, epoch])).rowCount !== 1) {
        throw new Refused('fenced');
      }
      await work(sql);
    });
    return result === 'free' ? 'fenced' : result;
  }

  async #unlessRefused(work: (sql: Sql) => Promise<void>): Promise<MoveResult | 'free'> {
    try {
      await this.#pool.transaction(work);
      return 'moved';
    } catch (error) {
      if (error instanceof Refused) {
        return error.result;
      }
      throw error;
    }
  }
}

/** For people: what Postgres cannot hold in text is shown as a replacement character. */
const shown = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd').replaceAll('\\u0000', '\ufffd');
