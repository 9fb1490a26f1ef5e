import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { fromRow, msOf, type NullableRow } from '../../../platform/postgres/rows';
import type { Lease, NewReplay, ReplayJournal, Transition } from '../../ports';
import type { Replay, ReplayMember, ReplayStep } from '../../replay';
import type { Rules } from '../../rule-types';
import { insertPace } from './paces';
import { lockReplay, writeStep, writeTransition } from './transition';

/** Columns named as the fields of a replay. */
const SELECT = `
  SELECT r.replay_id AS id, r.app, r.state, r.direction, coalesce(r.options -> 'rules', '{}') AS rules, r.verdict, r.error, r.started_by AS "startedBy",
         ${msOf('r.created_at')} AS "createdAt", ${msOf('r.updated_at')} AS "updatedAt",
         CASE WHEN r.lease_until > clock_timestamp() THEN r.lease_owner END AS "leaseOwner", ${msOf('r.lease_until')} AS "leaseUntil",
         (SELECT ${msOf('max(coalesce(g.drop_at, g.retired_at))')} FROM refold.generations g
           WHERE g.retired_by = r.replay_id AND g.status = 'retired' AND g.dropped_at IS NULL) AS "dropsAt",
         (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('projection', m.projection, 'store', m.store, 'version', m.version, 'run', m.run,
                   'switchOrder', m.switch_order, 'fromId', m.from_id, 'toId', m.to_id)) ORDER BY m.switch_order, m.projection, m.store)
            FROM refold.replay_members m WHERE m.replay_id = r.replay_id) AS members
    FROM refold.replays r WHERE r.app = $1`;

type ReplayRow = NullableRow<Replay>;

/** Replays kept in the control schema. */
export class PostgresReplayJournal implements ReplayJournal {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(pool: PostgresPool, app: string) {
    this.#pool = pool;
    this.#app = app;
  }

  async create(replay: NewReplay): Promise<Replay> {
    const id = await this.#pool.transaction(async (sql) => {
      // One start at a time per app: else two of them could both find no open replay.
      await sql.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`refold.replay-start:${this.#app}`]);
      await this.#refuseOpen(sql, replay);
      const { rows } = await sql.query<{ replay_id: number }>(
        `INSERT INTO refold.replays (app, state, started_by, options) VALUES ($1, 'planned', $2, $3) RETURNING replay_id`,
        [this.#app, replay.by, JSON.stringify({ rules: replay.rules ?? {} })],
      );
      const replayId = rows[0]!.replay_id;
      for (const m of replay.members) {
        await sql.query(
          `INSERT INTO refold.replay_members (replay_id, projection, store, version, run, switch_order, from_id) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
          [replayId, m.projection, m.store, m.version, m.run, m.switchOrder, m.fromId],
        );
      }
      await insertPace(sql, replayId, replay.pace ?? {});
      await writeStep(sql, replayId, null, { to: 'planned', by: replay.by, facts: replay.facts });
      return replayId;
    });
    return this.get(id);
  }

  async #refuseOpen(sql: Sql, { members }: NewReplay): Promise<void> {
    for (const { projection, store } of members) {
      const { rows } = await sql.query<{ replay_id: number; state: string }>(
        `SELECT r.replay_id, r.state FROM refold.replays r JOIN refold.replay_members m USING (replay_id)
          WHERE r.app = $1 AND m.projection = $2 AND m.store = $3 AND r.state NOT IN ('done', 'aborted') LIMIT 1`,
        [this.#app, projection, store],
      );
      const open = rows[0];
      if (open !== undefined) {
        const facts = { projection, store, replay: open.replay_id, state: open.state };
        throw new RefoldError('replay.candidate-exists', `a replay of ${projection} is under way`, { facts });
      }
    }
  }

  async get(id: number): Promise<Replay> {
    const { rows } = await this.#pool.query<ReplayRow>(`${SELECT} AND r.replay_id = $2`, [this.#app, id]);
    if (rows[0] === undefined) {
      throw new RefoldError('replay.unknown', `there is no replay ${String(id)}`, { facts: { replay: id } });
    }
    return fromRow<Replay>(rows[0]);
  }

  async list(): Promise<readonly Replay[]> {
    const { rows } = await this.#pool.query<ReplayRow>(`${SELECT} ORDER BY r.replay_id DESC`, [this.#app]);
    return rows.map(fromRow<Replay>);
  }

  async steps(id: number): Promise<readonly ReplayStep[]> {
    const { rows } = await this.#pool.query<NullableRow<ReplayStep>>(
      `SELECT s.step, s.from_state AS "fromState", s.to_state AS "toState", s.by_whom AS by, s.facts, ${msOf('s.at')} AS at
         FROM refold.replay_steps s JOIN refold.replays r USING (replay_id) WHERE s.replay_id = $1 AND r.app = $2 ORDER BY s.step`,
      [id, this.#app],
    );
    return rows.map(fromRow<ReplayStep>);
  }

  async acquire(lease: Lease, ttlMs: number): Promise<void> {
    const { rowCount } = await this.#pool.query(
      `UPDATE refold.replays SET lease_owner = $2, lease_until = clock_timestamp() + make_interval(secs => $3)
        WHERE replay_id = $1 AND app = $4 AND (lease_owner IS NULL OR lease_owner = $2 OR lease_until <= clock_timestamp())`,
      [lease.replayId, lease.owner, ttlMs / 1000, this.#app],
    );
    if (rowCount === 0) {
      const { leaseOwner } = await this.get(lease.replayId);
      throw new RefoldError('replay.lease-held', 'another process coordinates this replay', { facts: { replay: lease.replayId, holder: leaseOwner } });
    }
  }

  async release(lease: Lease): Promise<void> {
    await this.#pool.query(`UPDATE refold.replays SET lease_owner = NULL, lease_until = NULL WHERE replay_id = $1 AND lease_owner = $2`, [
      lease.replayId,
      lease.owner,
    ]);
  }

  async transition(lease: Lease, change: Transition): Promise<void> {
    await this.#pool.transaction((sql) => writeTransition(sql, this.#app, lease, change));
  }

  async rule(lease: Lease, rules: Rules): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      await lockReplay(sql, this.#app, lease);
      await sql.query(`UPDATE refold.replays SET options = options || jsonb_build_object('rules', $2::jsonb) WHERE replay_id = $1`, [
        lease.replayId,
        JSON.stringify(rules),
      ]);
    });
  }

  async assign(lease: Lease, member: Pick<ReplayMember, 'projection' | 'store'>, generationId: number): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      await lockReplay(sql, this.#app, lease);
      await sql.query(`UPDATE refold.replay_members SET to_id = $4 WHERE replay_id = $1 AND projection = $2 AND store = $3`, [
        lease.replayId,
        member.projection,
        member.store,
        generationId,
      ]);
    });
  }
}
