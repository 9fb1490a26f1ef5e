import type { ClickHouse } from '../../../platform/clickhouse/client';
import { qualified } from '../../../platform/clickhouse/quote';
import { onCluster, type Topology } from '../../../platform/clickhouse/topology';
import type { CheckpointControl } from '../../checkpoint-control';
import { rowTables, type Generation } from '../../generations';
import type { GenerationStore, ReadModelStore } from '../../read-model-store';
import { cleanRows } from './clean';
import { ClickHouseGenerationStore } from './generation-store';
import { ClickHouseKeptRows } from './kept-rows';
import { expireRows, isByStreamTime, publishStreamTime, streamTimeTable } from './published';
import { assertTables, createTables, provisionTables, readableSelect, rowsTable } from './table';

/** Read models in ClickHouse; their checkpoints lie in the control schema. */
export class ClickHouseReadModelStore implements ReadModelStore {
  readonly kind = 'clickhouse';
  readonly viewSchema: string;
  readonly #clickhouse: ClickHouse;
  readonly #control: CheckpointControl;
  /** Up to when readers see everything, as far as we have told. */
  readonly #published = new Map<number, number>();

  /** Tables and views are made in the database that the address names, which must exist: ClickHouse answers nothing to who names one that does not. */
  constructor(options: { readonly clickhouse: ClickHouse; readonly control: CheckpointControl }) {
    this.#clickhouse = options.clickhouse;
    this.#control = options.control;
    this.viewSchema = options.clickhouse.database;
  }

  provision(generation: Generation): Promise<void> {
    return provisionTables(this.#clickhouse, generation);
  }

  statements(generation: Generation): Promise<readonly string[]> {
    return Promise.resolve(createTables(generation, this.#clickhouse.topology));
  }

  /** Older versions of rows count until they are merged away. */
  async estimatedRows(generation: Generation): Promise<number | undefined> {
    const [row] = await this.#clickhouse.rows('SELECT toString(total_rows) FROM system.tables WHERE database = {database:String} AND name = {name:String}', {
      database: generation.viewSchema,
      name: rowsTable(generation),
    });
    return row?.[0] === undefined || row[0] === null ? undefined : Number(row[0]);
  }

  keptRows(generation: Generation): ClickHouseKeptRows {
    return new ClickHouseKeptRows(this.#clickhouse, generation);
  }

  async open(generation: Generation): Promise<GenerationStore> {
    await assertTables(this.#clickhouse, generation);
    return new ClickHouseGenerationStore(this.#control, this.#clickhouse, generation);
  }

  /**
   * All at once: it is a mutation whatever the number. Windows only, of which all versions of a row have one time; other rows
   * stay, invisible, until the generation goes.
   */
  async expire(generation: Generation): Promise<number> {
    const until = generation.publication?.until;
    const streamTime = until === undefined || generation.storage === 'rows' ? undefined : await this.#control.streamTime(generation);
    return until === undefined || streamTime === undefined ? 0 : expireRows(this.#clickhouse, generation, streamTime - until.afterMs, until.column);
  }

  /** Removes rows that were deleted; see {@link cleanRows}. */
  clean(generation: Generation): Promise<number> {
    return cleanRows(this.#clickhouse, this.#control, generation);
  }

  /** An exact copy of the rows as they are now, made of links to their files; answers the name of the view over it. */
  async copy(generation: Generation): Promise<string> {
    await this.publish(generation);
    await this.removeCopy(generation);
    await this.#do(copyStatements(generation, this.#clickhouse.topology));
    return copyNames(generation).view;
  }

  async removeCopy(generation: Generation): Promise<void> {
    const { rows, view } = copyNames(generation);
    await this.#do(dropStatements(generation.viewSchema, { tables: [rows], view }, this.#clickhouse.topology));
  }

  /** See {@link ReadModelStore.publish}. */
  async publish(generation: Generation): Promise<void> {
    const streamTime = isByStreamTime(generation) ? await this.#control.streamTime(generation) : undefined;
    if (streamTime !== undefined && streamTime > (this.#published.get(generation.id) ?? Number.NEGATIVE_INFINITY)) {
      await publishStreamTime(this.#clickhouse, generation, streamTime);
      this.#published.set(generation.id, streamTime);
    }
  }

  async remove(generation: Generation): Promise<void> {
    await this.removeCopy(generation);
    const tables = [...rowTables(generation), streamTimeTable(generation)];
    await this.#do(dropStatements(generation.viewSchema, { tables, view: generation.table }, this.#clickhouse.topology));
  }

  async #do(statements: readonly string[]): Promise<void> {
    for (const statement of statements) {
      await this.#clickhouse.command(statement);
    }
  }
}

export const copyStatements = (generation: Generation, topology: Topology): readonly string[] => {
  const { rows, view } = copyNames(generation);
  const { viewSchema } = generation;
  return [
    `CREATE TABLE ${qualified(viewSchema, rows)}${onCluster(topology)} CLONE AS ${qualified(viewSchema, rowsTable(generation))}`,
    `CREATE VIEW ${qualified(viewSchema, view)}${onCluster(topology)} AS ${readableSelect(generation, rows)}`,
  ];
};

export const dropStatements = (
  database: string,
  { tables, view }: { readonly tables: readonly string[]; readonly view: string },
  topology: Topology,
): readonly string[] => [
  `DROP VIEW IF EXISTS ${qualified(database, view)}${onCluster(topology)}`,
  ...tables.map((table) => `DROP TABLE IF EXISTS ${qualified(database, table)}${onCluster(topology)} SYNC`),
];

const copyNames = (generation: Generation): { readonly rows: string; readonly view: string } => ({
  rows: `${rowsTable(generation)}_compared`,
  view: `${generation.table}_compared`,
});
