import { createHash } from 'node:crypto';
import { systemClock } from '../../../kernel/clock';
import { RefoldError } from '../../../kernel/errors';
import { groupBy } from '../../../kernel/groups';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { identifier, qualified } from '../../../platform/postgres/quote';
import { msOf } from '../../../platform/postgres/rows';
import { FOLLOWING, generationLabel, rowTables, type Generation, type GenerationCatalog } from '../../generations';
import type { NamedColumn, ReadModelDefinition } from '../../read-model';
import type { ProjectionDefinition } from '../../definition';
import { indexedColumns, writtenTable } from './table';

/** An index of a read model that was asked for, and where it is. */
export interface ModelIndex {
  readonly model: string;
  readonly columns: readonly string[];
  readonly addedBy: string;
  /** Milliseconds since the epoch. */
  readonly addedAt: number;
  /** By generation: `ready`; `building`, which it stays if the command that built it died, until it is given again; `missing`. */
  readonly generations: readonly { readonly generation: string; readonly state: 'ready' | 'building' | 'missing' }[];
}

type Declared = Omit<ModelIndex, 'generations'>;

const LONGEST_NAME = 63;

/** The name of an index of a table: the same whoever makes it, so that it is made once. */
export const indexName = (table: string, columns: readonly string[]): string => {
  const name = `${table}_${columns.join('_')}_idx`;
  const digest = createHash('sha256')
    .update(JSON.stringify([table, columns]))
    .digest('hex')
    .slice(0, 10);
  const isPlain = columns.length === 1 && Buffer.byteLength(name) <= LONGEST_NAME;
  return isPlain
    ? name
    : `${Buffer.from(name)
        .subarray(0, LONGEST_NAME - 13)
        .toString()
        .replaceAll('\ufffd', '')}_${digest}`;
};

const tableOf = (g: Generation): string => rowTables(g)[0];

/** What stands in the way of an index on these columns; a measure of partials is spread over several rows. */
const obstacleOf = (columns: readonly NamedColumn[], names: readonly string[], isPartials: boolean): string | undefined => {
  const known = new Map(columns.map((column) => [column.name, column]));
  const [first] = names;
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) {
    return `${unknown} is not a column`;
  }
  if (new Set(names).size !== names.length) {
    return 'a column is named twice';
  }
  if (names.length === 1 && known.get(first!)!.indexed) {
    return `${first!} is indexed as the model declares`;
  }
  const measure = names.find((name) => known.get(name)!.role === 'measure');
  return isPartials && measure !== undefined ? `${measure} is a measure of partials, which is known only when they are merged` : undefined;
};

const definition = ({
  table,
  columns,
  isConcurrent,
}: {
  readonly table: Generation;
  readonly columns: readonly string[];
  readonly isConcurrent: boolean;
}): string =>
  `CREATE INDEX ${isConcurrent ? 'CONCURRENTLY ' : ''}IF NOT EXISTS ${identifier(indexName(tableOf(table), columns))} ON ${writtenTable(table)} (${columns.map(identifier).join(', ')})`;

const declared = async (sql: Sql, app: string, model?: string): Promise<readonly Declared[]> => {
  const { rows } = await sql.query<Declared>(
    `SELECT model, columns, added_by AS "addedBy", ${msOf('added_at')} AS "addedAt" FROM refold.model_indexes
     WHERE app = $1 AND ($2::text IS NULL OR model = $2) ORDER BY model, columns`,
    [app, model ?? null],
  );
  return rows;
};

/** The columns of all indexes that a table is to have: those that its model declares, and those that were asked for. */
const wantedIndexes = async (sql: Sql, generation: Generation, of: ProjectionDefinition): Promise<readonly (readonly string[])[]> => {
  const added = await declared(sql, generation.app, generation.model);
  const possible = added.filter(({ columns }) => obstacleOf(generation.columns, columns, generation.storage === 'partials') === undefined);
  return [...indexedColumns(of).map((name) => [name]), ...possible.map(({ columns }) => columns)];
};

/** The statements of all indexes that a table is to have. */
export const indexStatements = async (sql: Sql, generation: Generation, of: ProjectionDefinition, isConcurrent: boolean): Promise<readonly string[]> =>
  (await wantedIndexes(sql, generation, of)).map((columns) => definition({ table: generation, columns, isConcurrent }));

/** Makes what is missing of them, while rows are read and written; answers the names of those that it made. */
export const completeIndexes = async (pool: PostgresPool, generation: Generation, of: ProjectionDefinition): Promise<readonly string[]> => {
  const made: string[] = [];
  for (const columns of await wantedIndexes(pool, generation, of)) {
    if ((await stateOf(pool, generation, columns)) !== 'ready') {
      await buildIndex(pool, generation, columns);
      made.push(indexName(tableOf(generation), columns));
    }
  }
  return made;
};

/** Taken while the table of a generation is made. */
export const lockProvision = (sql: Sql, { table }: Generation): Promise<unknown> =>
  sql.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`refold:provision:${table}`]);

const stateOf = async (sql: Sql, generation: Generation, columns: readonly string[]): Promise<ModelIndex['generations'][number]['state']> => {
  const name = qualified(generation.viewSchema, indexName(tableOf(generation), columns));
  const { rows } = await sql.query<{ valid: boolean }>('SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass($1)', [name]);
  return rows[0] === undefined ? 'missing' : rows[0].valid ? 'ready' : 'building';
};

const TRY_AGAIN_MS = 200;

/** Indexes of read models in Postgres that are added beside those that the models declare: no replay, no version. */
export class PostgresModelIndexes {
  readonly #pool: PostgresPool;
  readonly #app: string;
  readonly #catalog: Pick<GenerationCatalog, 'list'>;
  readonly #models: ReadonlyMap<string, readonly ReadModelDefinition[]>;

  /** @param options.models read models of projections that are kept in Postgres, all versions */
  constructor(options: {
    readonly pool: PostgresPool;
    readonly app: string;
    readonly catalog: Pick<GenerationCatalog, 'list'>;
    readonly models: readonly ReadModelDefinition[];
  }) {
    this.#pool = options.pool;
    this.#app = options.app;
    this.#catalog = options.catalog;
    this.#models = groupBy(options.models, ({ name }) => name);
  }

  async list(): Promise<readonly ModelIndex[]> {
    const all: ModelIndex[] = [];
    for (const index of await declared(this.#pool, this.#app)) {
      all.push(await this.#withStates(index));
    }
    return all;
  }

  /**
   * Remembers the index and makes it on every table of the model that there is, while rows are read and written. Given again
   * it goes on after a crash.
   * @throws RefoldError `index.invalid`, `projection.unknown`, `store.*`
   */
  async add(model: string, columns: readonly string[], by: string): Promise<ModelIndex> {
    this.#require(model, columns);
    await this.#pool.query('INSERT INTO refold.model_indexes (app, model, columns, added_by) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING', [
      this.#app,
      model,
      columns,
      by,
    ]);
    for (const generation of await this.#generationsOf(model, columns)) {
      await this.#build(generation, columns);
    }
    const [index] = (await declared(this.#pool, this.#app, model)).filter((one) => one.columns.join('\0') === columns.join('\0'));
    return this.#withStates(index!);
  }

  #require(model: string, columns: readonly string[]): void {
    const versions = this.#models.get(model);
    if (versions === undefined) {
      throw new RefoldError('projection.unknown', `no projection keeps a read model ${model} in postgres`, {
        facts: { model, known: [...this.#models.keys()] },
      });
    }
    const obstacles = versions.map((version) => obstacleOf(version.columns, columns, false));
    if (columns.length === 0 || !obstacles.includes(undefined)) {
      throw new RefoldError('index.invalid', `read model ${model}: ${obstacles[0] ?? 'no column is named'}`, {
        facts: { model, columns, known: versions[0]!.columns.map(({ name }) => name) },
      });
    }
  }

  /** Those whose tables can have it: a version may lack the column. */
  async #generationsOf(model: string, columns: readonly string[]): Promise<readonly Generation[]> {
    const generations = await this.#catalog.list();
    return generations.filter(
      (g) =>
        g.store === 'postgres' && g.model === model && FOLLOWING.includes(g.status) && obstacleOf(g.columns, columns, g.storage === 'partials') === undefined,
    );
  }

  async #withStates(index: Declared): Promise<ModelIndex> {
    const generations: { generation: string; state: 'ready' | 'building' | 'missing' }[] = [];
    for (const generation of await this.#generationsOf(index.model, index.columns)) {
      generations.push({ generation: generationLabel(generation), state: await stateOf(this.#pool, generation, index.columns) });
    }
    return { ...index, generations };
  }

  async #build(generation: Generation, columns: readonly string[]): Promise<void> {
    const isThere = await this.#pool.transaction(async (sql) => {
      await lockProvision(sql, generation); // who is making the table may not have seen that the index is wanted
      const { rows } = await sql.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [writtenTable(generation)]);
      return rows[0]?.found === true;
    });
    if (!isThere) {
      return; // who makes it will see that
    }
    await buildIndex(this.#pool, generation, columns);
  }
}

/** Makes one index while rows are read and written; what somebody who died has left half made is made anew. */
const buildIndex = async (pool: PostgresPool, generation: Generation, columns: readonly string[]): Promise<void> => {
  await alone(pool, indexName(tableOf(generation), columns), async (sql) => {
    if ((await stateOf(sql, generation, columns)) === 'building') {
      await sql.query(`DROP INDEX CONCURRENTLY IF EXISTS ${qualified(generation.viewSchema, indexName(tableOf(generation), columns))}`); // left by who died
    }
    await sql.query(definition({ table: generation, columns, isConcurrent: true }));
  });
};

/** One at a time. Whoever waits asks again and again: a statement that waits for a lock holds a snapshot, for which a concurrent build would wait. */
const alone = async (pool: PostgresPool, name: string, work: (sql: Sql) => Promise<void>): Promise<void> => {
  const lock = `hashtextextended('refold:index:' || $1, 0)`;
  for (;;) {
    const done = await pool.session(async (sql) => {
      const { rows } = await sql.query<{ locked: boolean }>(`SELECT pg_try_advisory_lock(${lock}) AS locked`, [name]);
      if (rows[0]?.locked !== true) {
        return false;
      }
      try {
        await work(sql);
      } finally {
        await sql.query(`SELECT pg_advisory_unlock(${lock})`, [name]);
      }
      return true;
    });
    if (done) {
      return;
    }
    await systemClock.sleep(TRY_AGAIN_MS);
  }
};
