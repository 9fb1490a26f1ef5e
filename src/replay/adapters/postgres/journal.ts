import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import type { StoreKind } from '../../../projections/generations';
import type { Lease, NewReplay, ReplayJournal, Transition } from '../../ports';
import type { Replay, ReplayFailure, ReplayMember, ReplayStep } from '../../replay';
import type { Direction, ReplayState } from '../../states';
import type { Verdict } from '../../verdict';
import { lockReplay, writeStep, writeTransition } from './transition';

interface ReplayRow {
  replay_id: number;
  app: string;
  state: ReplayState;
  direction: Direction;
  verdict: Verdict | null;
  error: ReplayFailure | null;
  started_by: string;
  lease_owner: string | null;
  lease_until: Date | null;
  created_at: Date;
  updated_at: Date;
  members: { projection: string; store: StoreKind; version: number; run: number; switch_order: number; from_id: number; to_id: number | null }[];
}

const SELECT = `
  SELECT r.replay_id, r.app, r.state, r.direction, r.verdict, r.error, r.started_by, r.created_at, r.updated_at,
         CASE WHEN r.lease_until > clock_timestamp() THEN r.lease_owner END AS lease_owner, r.lease_until,
         (SELECT jsonb_agg(to_jsonb(m) - 'replay_id' ORDER BY m.switch_order, m.projection, m.store)
            FROM refold.replay_members m WHERE m.replay_id = r.replay_id) AS members
    FROM refold.replays r WHERE r.app = $1`;

const toReplay = (row: ReplayRow): Replay => ({
  id: row.replay_id,
  app: row.app,
  state: row.state,
  direction: row.direction,
  verdict: row.verdict ?? undefined,
  error: row.error ?? undefined,
  startedBy: row.started_by,
  leaseOwner: row.lease_owner ?? undefined,
  leaseUntil: row.lease_until?.getTime(),
  createdAt: row.created_at.getTime(),
  updatedAt: row.updated_at.getTime(),
  members: row.members.map((m): ReplayMember => ({
    projection: m.projection,
    store: m.store,
    version: m.version,
    run: m.run,
    switchOrder: m.switch_order,
    fromId: m.from_id,
    toId: m.to_id ?? undefined,
  })),
});

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
        `INSERT INTO refold.replays (app, state, started_by) VALUES ($1, 'planned', $2) RETURNING replay_id`,
        [this.#app, replay.by],
      );
      const replayId = rows[0]!.replay_id;
      for (const m of replay.members) {
        await sql.query(
          `INSERT INTO refold.replay_members (replay_id, projection, store, version, run, switch_order, from_id) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
          [replayId, m.projection, m.store, m.version, m.run, m.switchOrder, m.fromId],
        );
      }
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
    return toReplay(rows[0]);
  }

  async list(): Promise<readonly Replay[]> {
    const { rows } = await this.#pool.query<ReplayRow>(`${SELECT} ORDER BY r.replay_id DESC`, [this.#app]);
    return rows.map(toReplay);
  }

  async steps(id: number): Promise<readonly ReplayStep[]> {
    const { rows } = await this.#pool.query<{
      step: number;
      from_state: ReplayState | null;
      to_state: ReplayState;
      by_whom: string;
      facts: Record<string, unknown>;
      at: Date;
    }>(
      `SELECT s.step, s.from_state, s.to_state, s.by_whom, s.facts, s.at
         FROM refold.replay_steps s JOIN refold.replays r USING (replay_id) WHERE s.replay_id = $1 AND r.app = $2 ORDER BY s.step`,
      [id, this.#app],
    );
    return rows.map((row) => ({
      step: row.step,
      fromState: row.from_state ?? undefined,
      toState: row.to_state,
      by: row.by_whom,
      facts: row.facts,
      at: row.at.getTime(),
    }));
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
