import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { ensureSchema } from '../../../platform/postgres/schemas';
import type { TopicPartition } from '../../../events/position';
import type { ProjectionDefinition } from '../../definition';
import { generationLabel, type Checkpoint, type Generation, type StoppedBy } from '../../generations';
import type { BatchCommit, CommitResult, Decision, GenerationStore, LateContribution, ReadModelStore, StampedRow } from '../../read-model-store';
import { compareText, keyText } from '../../values';
import { claimCheckpoints, moveCheckpoints } from './checkpoints';
import { readValue } from './columns';
import { assertTable, createTable, tableExists } from './table';
import { writesFor, type Writes } from './writes';

/** Read models in Postgres: rows, checkpoint and late contributions commit in one transaction. */
export class PostgresReadModelStore implements ReadModelStore {
  readonly kind = 'postgres';
  readonly #pool: PostgresPool;

  constructor(options: { readonly pool: PostgresPool }) {
    this.#pool = options.pool;
  }

  async provision(generation: Generation, definition: ProjectionDefinition): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      await sql.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`refold:provision:${generation.table}`]);
      if (await tableExists(sql, generation)) {
        return;
      }
      await ensureSchema(sql, generation.viewSchema);
      for (const statement of createTable(generation, definition)) {
        await sql.query(statement);
      }
    });
  }

  async open(generation: Generation, definition: ProjectionDefinition): Promise<GenerationStore> {
    await assertTable(this.#pool, generation, definition);
    return new PostgresGenerationStore(this.#pool, generation, definition);
  }
}

/** Thrown inside a transaction to roll it back with an answer. */
class Refused extends Error {
  constructor(readonly result: CommitResult) {
    super(result.status);
  }
}

class PostgresGenerationStore implements GenerationStore {
  readonly #pool: PostgresPool;
  readonly #generation: Generation;
  readonly #definition: ProjectionDefinition;
  readonly #writes: Writes;

  constructor(pool: PostgresPool, generation: Generation, definition: ProjectionDefinition) {
    this.#pool = pool;
    this.#generation = generation;
    this.#definition = definition;
    this.#writes = writesFor(generation, definition);
  }

  async claim(partitions: readonly TopicPartition[], owner: string): Promise<readonly Checkpoint[]> {
    const checkpoints = await claimCheckpoints(this.#pool, this.#generation.id, partitions, owner);
    if (checkpoints.length === 0 && partitions.length > 0) {
      throw new RefoldError('generation.not-running', `${generationLabel(this.#generation)} is not followed any more`);
    }
    return checkpoints;
  }

  async decisions(checkpoints: readonly Checkpoint[]): Promise<readonly Decision[]> {
    const { rows } = await this.#pool.query<Decision>(
      `SELECT d.kind, d.topic, d.partition, d.record_offset AS "offset", d.facts
       FROM refold.decisions d JOIN unnest($3::text[], $4::int[], $5::bigint[]) AS w(topic, partition, next)
         ON d.topic = w.topic AND d.partition = w.partition AND d.record_offset >= w.next
       WHERE d.app = $1 AND (d.projection IS NULL OR d.projection = $2) ORDER BY d.topic, d.partition, d.record_offset`,
      [
        this.#generation.app,
        this.#generation.projection,
        checkpoints.map(({ topic }) => topic),
        checkpoints.map(({ partition }) => partition),
        checkpoints.map(({ next }) => next),
      ],
    );
    return rows;
  }

  async load(keys: readonly string[]): Promise<ReadonlyMap<string, StampedRow>> {
    if (keys.length === 0) {
      return new Map();
    }
    const { columns, keys: keyColumns } = this.#definition.model;
    const rows = await this.#pool.rawRows(this.#writes.load, [keys]);
    return new Map(
      rows.map((cells) => {
        const row = Object.freeze(Object.fromEntries(columns.map((column, i) => [column.name, readValue(column, cells[i]!)])));
        const [topic, partition, offset] = cells.slice(columns.length) as readonly string[];
        return [keyText(row[keyColumns[0]!.name]), { row, stamp: { topic: topic!, partition: Number(partition), offset: Number(offset) } }];
      }),
    );
  }

  async commit(batch: BatchCommit): Promise<CommitResult> {
    if (batch.advances.length === 0) {
      return { status: 'committed' };
    }
    try {
      return await this.#pool.transaction(async (sql) => {
        const result = await moveCheckpoints(sql, this.#generation.id, batch.advances);
        if (result.status !== 'committed') {
          throw new Refused(result);
        }
        await this.#write(sql, batch);
        return result;
      });
    } catch (error) {
      if (error instanceof Refused) {
        return error.result;
      }
      throw error;
    }
  }

  async recordStop(partition: TopicPartition, epoch: number, stop: StoppedBy | undefined): Promise<void> {
    await this.#pool.query(
      'UPDATE refold.checkpoints SET stopped_by = $5, updated_at = now() WHERE generation_id = $1 AND topic = $2 AND partition = $3 AND epoch = $4',
      [this.#generation.id, partition.topic, partition.partition, epoch, stop === undefined ? null : shownJson(stop)],
    );
  }

  async #write(sql: Sql, { upserts, deletes, merges, late }: BatchCommit): Promise<void> {
    if (deletes.length > 0) {
      await sql.query(this.#writes.delete, [deletes]);
    }
    if (upserts.length > 0) {
      const key = this.#definition.model.keys[0]!.name;
      const ordered = [...upserts].sort((a, b) => compareText(keyText(a.row[key]), keyText(b.row[key])));
      await sql.query(this.#writes.upsert.text, this.#writes.upsert.values(ordered));
    }
    if (merges.length > 0) {
      await sql.query(this.#writes.merge.text, this.#writes.merge.values(merges));
    }
    if (late.length > 0) {
      await insertLate(sql, this.#generation.id, late);
    }
  }
}

/** For people: what jsonb cannot hold is shown as a replacement character. */
const shownJson = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'string' ? part.toWellFormed().replaceAll('\0', '\ufffd') : part));

const jsonText = (value: unknown): string => JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? part.toString() : part));

const insertLate = async (sql: Sql, generationId: number, late: readonly LateContribution[]): Promise<void> => {
  await sql.query(
    `INSERT INTO refold.late_contributions (generation_id, topic, partition, record_offset, ordinal, event_time, stream_time, window_start, contribution)
     SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[], $5::int[], $6::bigint[], $7::bigint[], $8::bigint[], $9::jsonb[])`,
    [
      generationId,
      late.map(({ topic }) => topic),
      late.map(({ partition }) => partition),
      late.map(({ offset }) => offset),
      late.map(({ ordinal }) => ordinal),
      late.map(({ eventTime }) => eventTime),
      late.map(({ streamTime }) => streamTime),
      late.map(({ windowStart }) => windowStart),
      late.map(({ contribution }) => jsonText(contribution)),
    ],
  );
};
