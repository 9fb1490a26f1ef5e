import { RefoldError } from '../../../kernel/errors';
import { sqlState } from '../../../platform/postgres/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { fromRow, msOf, type NullableRow } from '../../../platform/postgres/rows';
import { generationNames, type Checkpoint, type Generation, type GenerationCatalog, type NewGeneration, type WorkerAnnouncement } from '../../generations';
import { beginCheckpoints, readCheckpoints } from './checkpoints';

/** Of `refold.generations`, named as the fields of a generation. */
const COLUMNS = `generation_id AS id, app, projection, store, version, run, status, model, view_schema AS "viewSchema", table_name AS "table",
  storage, columns, publication, consumer_group AS "group", topics, definition_hash AS "definitionHash", source_hash AS "sourceHash", errata_version AS "errataVersion", first_build AS "firstBuild",
  heads_at_start AS "headsAtStart", ${msOf('created_at')} AS "createdAt",
  CASE WHEN status = 'retired' THEN ${msOf('coalesce(drop_at, retired_at)')} END AS "dropAt", ${msOf('dropped_at')} AS "droppedAt",
  (SELECT json_build_object('reason', p.reason, 'by', p.paused_by, 'at', ${msOf('p.paused_at')})
   FROM refold.pauses p WHERE p.app = generations.app AND p.kind = 'projection' AND p.name = generations.projection) AS paused,
  (SELECT json_strip_nulls(json_build_object('replay', r.replay_id, 'rate', p.rate, 'concurrency', p.concurrency, 'hours', p.hours, 'yieldMs', p.yield_ms,
            'paused', CASE WHEN p.paused_at IS NOT NULL THEN json_build_object('reason', p.pause_reason, 'by', p.paused_by, 'at', ${msOf('p.paused_at')}) END))
   FROM refold.replay_members m JOIN refold.replays r USING (replay_id) JOIN refold.replay_paces p USING (replay_id)
   WHERE m.to_id = generations.generation_id AND r.state IN ('provisioning', 'replaying', 'catching-up') LIMIT 1) AS pace`;

const UNIQUE_VIOLATION = '23505';
/** The index that allows one candidate per projection and store. */
const ONE_CANDIDATE = 'generations_one_candidate';

/** Generations, checkpoints and workers in the control schema. */
export class PostgresCatalog implements GenerationCatalog {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(options: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = options.pool;
    this.#app = options.app;
  }

  async list(): Promise<readonly Generation[]> {
    const { rows } = await this.#pool.query<NullableRow<Generation>>(
      `SELECT ${COLUMNS} FROM refold.generations WHERE app = $1 ORDER BY projection, store, version, run`,
      [this.#app],
    );
    return rows.map(fromRow<Generation>);
  }

  async create(generation: NewGeneration): Promise<Generation> {
    try {
      return await this.#pool.transaction((sql) => this.#createIn(sql, generation));
    } catch (error) {
      if (sqlState(error) === UNIQUE_VIOLATION && (error as RefoldError).facts['constraint'] === ONE_CANDIDATE) {
        const { projection, store } = generation;
        throw new RefoldError('replay.candidate-exists', `${projection} has a candidate already`, { facts: { projection, store }, cause: error });
      }
      throw error;
    }
  }

  async #createIn(sql: Sql, generation: NewGeneration): Promise<Generation> {
    const { table, group } = generationNames(this.#app, generation.model, generation);
    const { apart } = generation;
    const inserted = await sql.query<NullableRow<Generation>>(
      `INSERT INTO refold.generations (app, projection, store, version, run, status, model, view_schema, table_name, consumer_group, topics,
         definition_hash, source_hash, definition, first_build, heads_at_start, storage, columns, publication, errata_version)
       SELECT $1, $2, $3, $4, $5, $18, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $20::jsonb, coalesce($19::integer, max(e.version), 0)
         FROM refold.errata e WHERE e.app = $1
       ON CONFLICT (app, projection, store, version, run) DO NOTHING RETURNING ${COLUMNS}`,
      [
        this.#app,
        generation.projection,
        generation.store,
        generation.version,
        generation.run,
        generation.model,
        generation.viewSchema,
        apart?.table ?? table,
        group,
        generation.topics,
        generation.definitionHash,
        generation.sourceHash,
        JSON.stringify(generation.definition),
        generation.firstBuild,
        JSON.stringify(generation.headsAtStart),
        generation.storage,
        JSON.stringify(generation.columns),
        apart === undefined ? 'candidate' : 'apart',
        apart?.errataVersion ?? null,
        generation.publication === undefined ? null : JSON.stringify(generation.publication),
      ],
    );
    const created = inserted.rows[0];
    if (created === undefined) {
      const { rows } = await sql.query<NullableRow<Generation>>(
        `SELECT ${COLUMNS} FROM refold.generations WHERE app = $1 AND projection = $2 AND store = $3 AND version = $4 AND run = $5`,
        [this.#app, generation.projection, generation.store, generation.version, generation.run],
      );
      return fromRow<Generation>(rows[0]!);
    }
    await beginCheckpoints(sql, [created.id], generation.begin);
    return fromRow<Generation>(created);
  }

  checkpoints(generationId: number): Promise<readonly Checkpoint[]> {
    return readCheckpoints(this.#pool, generationId);
  }

  async announce({ worker, host, pid, announced, reactors = [] }: WorkerAnnouncement): Promise<void> {
    await this.#pool.query(
      `INSERT INTO refold.workers (app, worker, host, pid, announced, reactors) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (app, worker) DO UPDATE SET announced = excluded.announced, reactors = excluded.reactors, seen_at = now()`,
      [this.#app, worker, host, pid, JSON.stringify(announced), reactors],
    );
  }

  async liveWorkers(withinMs: number): Promise<readonly WorkerAnnouncement[]> {
    const { rows } = await this.#pool.query<WorkerAnnouncement>(
      `SELECT worker, host, pid, announced, reactors FROM refold.workers WHERE app = $1 AND seen_at > now() - make_interval(secs => $2) ORDER BY worker`,
      [this.#app, withinMs / 1_000],
    );
    return rows;
  }

  async withdraw(worker: string): Promise<void> {
    await this.#pool.query('DELETE FROM refold.workers WHERE app = $1 AND worker = $2', [this.#app, worker]);
  }
}
