import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { msOf } from '../../../platform/postgres/rows';
import type { Pause } from '../../../projections/pauses';
import type { PaceSettings, ReplayPace } from '../../../projections/replay-pace';
import { PACED, type ReplayPaces } from '../../pacing';
import { writeStep } from './transition';

/** SQL: one pace as JSON, of `refold.replay_paces p`. */
const PACE = `json_strip_nulls(json_build_object('replay', p.replay_id, 'rate', p.rate, 'concurrency', p.concurrency, 'hours', p.hours, 'yieldMs', p.yield_ms,
  'paused', CASE WHEN p.paused_at IS NOT NULL THEN json_build_object('reason', p.pause_reason, 'by', p.paused_by, 'at', ${msOf('p.paused_at')}) END))`;

/** Writes the pace of a replay that is just being made. */
export const insertPace = async (sql: Sql, replay: number, { rate, concurrency, hours = [], yieldMs }: PaceSettings): Promise<void> => {
  await sql.query('INSERT INTO refold.replay_paces (replay_id, rate, concurrency, hours, yield_ms) VALUES ($1, $2, $3, $4, $5)', [
    replay,
    rate ?? null,
    concurrency ?? null,
    hours,
    yieldMs ?? null,
  ]);
};

/** Paces kept in the control schema, beside their replays. */
export class PostgresReplayPaces implements ReplayPaces {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor({ pool, app }: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = pool;
    this.#app = app;
  }

  get(replay: number): Promise<ReplayPace> {
    return this.#read(this.#pool, replay);
  }

  set(replay: number, settings: PaceSettings, by: string): Promise<ReplayPace> {
    const { rate, concurrency, hours = [], yieldMs } = settings;
    return this.#change(replay, async (sql, state) => {
      requirePaced(replay, state);
      await sql.query('UPDATE refold.replay_paces SET rate = $2, concurrency = $3, hours = $4, yield_ms = $5 WHERE replay_id = $1', [
        replay,
        rate ?? null,
        concurrency ?? null,
        hours,
        yieldMs ?? null,
      ]);
      await writeStep(sql, replay, state, { to: state, by, facts: { pace: settings } });
      return this.#read(sql, replay);
    });
  }

  pause(replay: number, { reason, by }: Pick<Pause, 'reason' | 'by'>): Promise<ReplayPace> {
    return this.#change(replay, async (sql, state) => {
      requirePaced(replay, state);
      const { rowCount } = await sql.query(
        'UPDATE refold.replay_paces SET pause_reason = $2, paused_by = $3, paused_at = clock_timestamp() WHERE replay_id = $1 AND paused_at IS NULL',
        [replay, reason, by],
      );
      if (rowCount === 1) {
        await writeStep(sql, replay, state, { to: state, by, facts: { paused: reason } });
      }
      return this.#read(sql, replay);
    });
  }

  resume(replay: number, by: string): Promise<Pause | undefined> {
    return this.#change(replay, async (sql, state) => {
      const { paused } = await this.#read(sql, replay);
      if (paused !== undefined) {
        await sql.query('UPDATE refold.replay_paces SET pause_reason = NULL, paused_by = NULL, paused_at = NULL WHERE replay_id = $1', [replay]);
        await writeStep(sql, replay, state, { to: state, by, facts: { resumed: paused.reason } });
      }
      return paused;
    });
  }

  async #read(sql: Sql, replay: number): Promise<ReplayPace> {
    const { rows } = await sql.query<{ pace: ReplayPace }>(
      `SELECT ${PACE} AS pace FROM refold.replay_paces p JOIN refold.replays r USING (replay_id) WHERE p.replay_id = $1 AND r.app = $2`,
      [replay, this.#app],
    );
    return rows[0]?.pace ?? unknown(replay);
  }

  /** The replay stays in its state meanwhile. */
  #change<T>(replay: number, work: (sql: Sql, state: string) => Promise<T>): Promise<T> {
    return this.#pool.transaction(async (sql) => {
      const { rows } = await sql.query<{ state: string }>('SELECT state FROM refold.replays WHERE replay_id = $1 AND app = $2 FOR UPDATE', [replay, this.#app]);
      return work(sql, rows[0]?.state ?? unknown(replay));
    });
  }
}

const unknown = (replay: number): never => {
  throw new RefoldError('replay.unknown', `there is no replay ${String(replay)}`, { facts: { replay } });
};

const requirePaced = (replay: number, state: string): void => {
  if (!(PACED as readonly string[]).includes(state)) {
    throw new RefoldError('replay.wrong-state', 'it folds no history now: its pace means nothing', { facts: { replay, state, legal: PACED } });
  }
};
