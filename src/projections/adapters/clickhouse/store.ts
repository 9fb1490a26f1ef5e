import type { ClickHouse } from '../../../platform/clickhouse/client';
import { qualified } from '../../../platform/clickhouse/quote';
import type { CheckpointControl } from '../../checkpoint-control';
import type { Generation } from '../../generations';
import type { GenerationStore, ReadModelStore } from '../../read-model-store';
import { ClickHouseGenerationStore } from './generation-store';
import { StoredRows } from './stored-rows';
import { assertTable, provisionTable, readableSelect, rowsTable } from './table';

/** Read models in ClickHouse; their checkpoints lie in the control schema. */
export class ClickHouseReadModelStore implements ReadModelStore {
  readonly kind = 'clickhouse';
  readonly viewSchema: string;
  readonly #clickhouse: ClickHouse;
  readonly #control: CheckpointControl;

  /** Tables and views are made in the database that the address names, which must exist: ClickHouse answers nothing to who names one that does not. */
  constructor(options: { readonly clickhouse: ClickHouse; readonly control: CheckpointControl }) {
    this.#clickhouse = options.clickhouse;
    this.#control = options.control;
    this.viewSchema = options.clickhouse.database;
  }

  provision(generation: Generation): Promise<void> {
    return provisionTable(this.#clickhouse, generation);
  }

  async open(generation: Generation): Promise<GenerationStore> {
    await assertTable(this.#clickhouse, generation);
    return new ClickHouseGenerationStore(this.#control, new StoredRows(this.#clickhouse, generation), generation);
  }

  /** An exact copy of the rows as they are now, made of links to their files; answers the name of the view over it. */
  async copy(generation: Generation): Promise<string> {
    await this.removeCopy(generation);
    const { rows, view } = copyNames(generation);
    const { viewSchema } = generation;
    await this.#clickhouse.command(`CREATE TABLE ${qualified(viewSchema, rows)} CLONE AS ${qualified(viewSchema, rowsTable(generation))}`);
    await this.#clickhouse.command(`CREATE VIEW ${qualified(viewSchema, view)} AS ${readableSelect(generation, rows)}`);
    return view;
  }

  async removeCopy(generation: Generation): Promise<void> {
    const { rows, view } = copyNames(generation);
    await this.#clickhouse.command(`DROP VIEW IF EXISTS ${qualified(generation.viewSchema, view)}`);
    await this.#clickhouse.command(`DROP TABLE IF EXISTS ${qualified(generation.viewSchema, rows)} SYNC`);
  }

  async remove(generation: Generation): Promise<void> {
    await this.removeCopy(generation);
    await this.#clickhouse.command(`DROP VIEW IF EXISTS ${qualified(generation.viewSchema, generation.table)}`);
    await this.#clickhouse.command(`DROP TABLE IF EXISTS ${qualified(generation.viewSchema, rowsTable(generation))} SYNC`);
  }
}

const copyNames = (generation: Generation): { readonly rows: string; readonly view: string } => ({
  rows: `${rowsTable(generation)}_compared`,
  view: `${generation.table}_compared`,
});
