import type { PostgresPool } from '../../../platform/postgres/pool';
import {
  generationNames,
  type Announcement,
  type Checkpoint,
  type Generation,
  type GenerationCatalog,
  type GenerationStatus,
  type NewGeneration,
  type Storage,
  type StoreKind,
  type WorkerAnnouncement,
} from '../../generations';
import type { NamedColumn } from '../../read-model';
import { readCheckpoints } from './checkpoints';

interface GenerationRow {
  readonly generation_id: number;
  readonly app: string;
  readonly projection: string;
  readonly store: StoreKind;
  readonly version: number;
  readonly run: number;
  readonly status: GenerationStatus;
  readonly model: string;
  readonly view_schema: string;
  readonly table_name: string;
  readonly storage: Storage;
  readonly columns: readonly NamedColumn[];
  readonly consumer_group: string;
  readonly topics: readonly string[];
  readonly definition_hash: string;
  readonly source_hash: string;
  readonly first_build: boolean;
  readonly heads_at_start: Readonly<Record<string, number>>;
}

const COLUMNS = `generation_id, app, projection, store, version, run, status, model, view_schema, table_name, storage, columns, consumer_group,
  topics, definition_hash, source_hash, first_build, heads_at_start`;

const generationOf = (row: GenerationRow): Generation => ({
  id: row.generation_id,
  app: row.app,
  projection: row.projection,
  store: row.store,
  version: row.version,
  run: row.run,
  status: row.status,
  model: row.model,
  viewSchema: row.view_schema,
  table: row.table_name,
  storage: row.storage,
  columns: row.columns,
  group: row.consumer_group,
  topics: row.topics,
  definitionHash: row.definition_hash,
  sourceHash: row.source_hash,
  firstBuild: row.first_build,
  headsAtStart: row.heads_at_start,
});

/** Generations, checkpoints and workers in the control schema. */
export class PostgresCatalog implements GenerationCatalog {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(options: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = options.pool;
    this.#app = options.app;
  }

  async list(): Promise<readonly Generation[]> {
    const { rows } = await this.#pool.query<GenerationRow>(
      `SELECT ${COLUMNS} FROM refold.generations WHERE app = $1 ORDER BY projection, store, version, run`,
      [this.#app],
    );
    return rows.map(generationOf);
  }

  async create(generation: NewGeneration): Promise<Generation> {
    const { table, group } = generationNames(this.#app, generation.model, generation);
    return this.#pool.transaction(async (sql) => {
      const inserted = await sql.query<GenerationRow>(
        `INSERT INTO refold.generations (app, projection, store, version, run, status, model, view_schema, table_name, consumer_group, topics,
           definition_hash, source_hash, definition, first_build, heads_at_start, storage, columns)
         VALUES ($1, $2, $3, $4, $5, 'candidate', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         ON CONFLICT (app, projection, store, version, run) DO NOTHING RETURNING ${COLUMNS}`,
        [
          this.#app,
          generation.projection,
          generation.store,
          generation.version,
          generation.run,
          generation.model,
          generation.viewSchema,
          table,
          group,
          generation.topics,
          generation.definitionHash,
          generation.sourceHash,
          JSON.stringify(generation.definition),
          generation.firstBuild,
          JSON.stringify(generation.headsAtStart),
          generation.storage,
          JSON.stringify(generation.columns),
        ],
      );
      const created = inserted.rows[0];
      if (created === undefined) {
        const { rows } = await sql.query<GenerationRow>(
          `SELECT ${COLUMNS} FROM refold.generations WHERE app = $1 AND projection = $2 AND store = $3 AND version = $4 AND run = $5`,
          [this.#app, generation.projection, generation.store, generation.version, generation.run],
        );
        return generationOf(rows[0]!);
      }
      await sql.query(
        `INSERT INTO refold.checkpoints (generation_id, topic, partition, next_offset)
         SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[])`,
        [
          created.generation_id,
          generation.begin.map(({ topic }) => topic),
          generation.begin.map(({ partition }) => partition),
          generation.begin.map(({ offset }) => offset),
        ],
      );
      return generationOf(created);
    });
  }

  checkpoints(generationId: number): Promise<readonly Checkpoint[]> {
    return readCheckpoints(this.#pool, generationId);
  }

  async announce({ worker, host, pid, announced }: WorkerAnnouncement): Promise<void> {
    await this.#pool.query(
      `INSERT INTO refold.workers (app, worker, host, pid, announced) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (app, worker) DO UPDATE SET announced = excluded.announced, seen_at = now()`,
      [this.#app, worker, host, pid, JSON.stringify(announced)],
    );
  }

  async liveWorkers(withinMs: number): Promise<readonly WorkerAnnouncement[]> {
    const { rows } = await this.#pool.query<{ worker: string; host: string; pid: number; announced: readonly Announcement[] }>(
      `SELECT worker, host, pid, announced FROM refold.workers WHERE app = $1 AND seen_at > now() - make_interval(secs => $2) ORDER BY worker`,
      [this.#app, withinMs / 1_000],
    );
    return rows;
  }

  async withdraw(worker: string): Promise<void> {
    await this.#pool.query('DELETE FROM refold.workers WHERE app = $1 AND worker = $2', [this.#app, worker]);
  }
}
