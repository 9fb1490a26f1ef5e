import type { PostgresPool, SqlSession } from '../../../platform/postgres/pool';
import { ensureSchema } from '../../../platform/postgres/schemas';
import type { Position, TopicPartition } from '../../../events/position';
import type { ProjectionDefinition } from '../../definition';
import type { Checkpoint, Generation, StoppedBy } from '../../generations';
import type { ParkedEvent, ParkedSequence, SequenceName } from '../../parking';
import type { BatchCommit, CommitResult, Decision, GenerationStore, LateContribution, ReadModelStore, StampedRow } from '../../read-model-store';
import { foldedModel } from '../../kept-groups';
import { repeated } from '../../repeated';
import { keyText } from '../../values';
import { PostgresCheckpointControl } from './checkpoint-control';
import { readValue } from './columns';
import { completeIndexes, indexStatements, lockProvision } from './indexes';
import { PostgresKeptRows, replaceRows } from './kept-rows';
import { expireStatement } from './published';
import { assertTables, createTables, tableExists, writtenTable, writtenTables } from './table';
import { writeBatch } from './write-batch';
import { writesFor, type Writes } from './writes';

/** Read models in Postgres: rows, checkpoint and late contributions commit in one transaction. */
export class PostgresReadModelStore implements ReadModelStore {
  readonly kind = 'postgres';
  readonly viewSchema: string;
  readonly #pool: PostgresPool;

  /** @param options.viewSchema schema of tables and views, default `public` */
  constructor(options: { readonly pool: PostgresPool; readonly viewSchema?: string }) {
    this.#pool = options.pool;
    this.viewSchema = options.viewSchema ?? 'public';
  }

  async provision(generation: Generation, definition: ProjectionDefinition): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      await lockProvision(sql, generation);
      if (await tableExists(sql, generation)) {
        return;
      }
      await ensureSchema(sql, generation.viewSchema);
      // One that is rebuilt gets its indexes when its history is folded, see `complete`.
      const indexes = generation.firstBuild ? await indexStatements(sql, generation, definition, false) : [];
      for (const statement of [...createTables(generation, definition), ...indexes]) {
        await sql.query(statement);
      }
    });
  }

  async statements(generation: Generation, definition: ProjectionDefinition): Promise<readonly string[]> {
    const indexes = await indexStatements(this.#pool, generation, definition, true);
    return [...createTables(generation, definition), ...indexes, ...analyses(generation, definition)];
  }

  async complete(generation: Generation, definition: ProjectionDefinition): Promise<readonly string[]> {
    const made = await completeIndexes(this.#pool, generation, definition);
    for (const statement of analyses(generation, definition)) {
      await this.#pool.query(statement);
    }
    return made;
  }

  async estimatedRows(generation: Generation): Promise<number | undefined> {
    const { rows } = await this.#pool.query<{ rows: number | null }>('SELECT pg_stat_get_live_tuples(to_regclass($1)) AS rows', [writtenTable(generation)]);
    return rows[0]?.rows ?? undefined;
  }

  async expire(generation: Generation, limit: number): Promise<number> {
    const until = generation.publication?.until;
    return until === undefined ? 0 : ((await this.#pool.query(expireStatement(generation, until, writtenTable(generation)), [limit])).rowCount ?? 0);
  }

  keptRows(generation: Generation): PostgresKeptRows {
    return new PostgresKeptRows(this.#pool, generation);
  }

  async open(generation: Generation, definition: ProjectionDefinition): Promise<GenerationStore> {
    await assertTables(this.#pool, generation, definition);
    return new PostgresGenerationStore(this.#pool, generation, definition);
  }
}

const analyses = (generation: Generation, definition: ProjectionDefinition): readonly string[] =>
  writtenTables(generation, definition).map(({ qualified }) => `ANALYZE ${qualified}`);

class PostgresGenerationStore implements GenerationStore {
  readonly #pool: PostgresPool;
  readonly #generation: Generation;
  readonly #definition: ProjectionDefinition;
  readonly #writes: Writes;
  readonly #control: PostgresCheckpointControl;

  constructor(pool: PostgresPool, generation: Generation, definition: ProjectionDefinition) {
    this.#pool = pool;
    this.#generation = generation;
    this.#definition = definition;
    this.#writes = writesFor(generation, definition);
    this.#control = new PostgresCheckpointControl(pool);
  }

  async claim(partitions: readonly TopicPartition[], owner: string | undefined): Promise<readonly Checkpoint[]> {
    return (await this.#control.claim(this.#generation, partitions, owner)).map(({ checkpoint }) => checkpoint);
  }

  decisions(checkpoints: readonly Checkpoint[]): Promise<readonly Decision[]> {
    return this.#control.decisions(this.#generation, checkpoints);
  }

  errataVersion(): Promise<number> {
    return this.#control.errataVersion(this.#generation);
  }

  checkpoints(): Promise<readonly Checkpoint[]> {
    return this.#control.checkpoints(this.#generation);
  }

  begin(positions: readonly Position[]): Promise<void> {
    return this.#control.begin(this.#generation, positions);
  }

  async load(keys: readonly string[]): Promise<ReadonlyMap<string, StampedRow>> {
    const { folded } = this.#writes;
    if (keys.length === 0 || folded === undefined) {
      return new Map();
    }
    const { columns, keys: keyColumns } = foldedModel(this.#definition);
    const rows = await repeated(() => this.#pool.rawRows(folded.load, [keys]));
    return new Map(
      rows.map((cells) => {
        const row = Object.freeze(Object.fromEntries(columns.map((column, i) => [column.name, readValue(column, cells[i]!)])));
        const [topic, partition, offset] = cells.slice(columns.length) as readonly string[];
        return [keyText(row[keyColumns[0]!.name]), { row, stamp: { topic: topic!, partition: Number(partition), offset: Number(offset) } }];
      }),
    );
  }

  commit(batch: BatchCommit): Promise<CommitResult> {
    return this.#control.commit(this.#generation, batch.advances, batch, (sql) => this.#write(sql, batch));
  }

  parkedSequences(partitions: readonly TopicPartition[]): Promise<readonly ParkedSequence[]> {
    return this.#control.parkedSequences(this.#generation, partitions);
  }

  readmittable(partition: TopicPartition, records: number): Promise<readonly LateContribution[]> {
    return this.#control.readmittable(this.#generation, partition, records);
  }

  parkedEvents(sequence: SequenceName, limit: number): Promise<readonly ParkedEvent[]> {
    return this.#control.parkedEvents(this.#generation, sequence, limit);
  }

  recordStop(partition: TopicPartition, epoch: number, stop: StoppedBy | undefined): Promise<void> {
    return this.#control.recordStop(this.#generation, { ...partition, epoch }, stop);
  }

  /** False: somebody else has written one of the keys since; whoever claims anew and loads it sees that the key has moved. */
  async #write(sql: SqlSession, batch: BatchCommit): Promise<boolean> {
    await replaceRows(sql, this.#generation, batch.replaced ?? []);
    return writeBatch(sql, this.#writes, batch);
  }
}
