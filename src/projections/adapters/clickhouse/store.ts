import type { ClickHouse } from '../../../platform/clickhouse/client';
import { identifier } from '../../../platform/clickhouse/quote';
import type { CheckpointControl } from '../../checkpoint-control';
import type { Generation } from '../../generations';
import type { GenerationStore, ReadModelStore } from '../../read-model-store';
import { ClickHouseGenerationStore } from './generation-store';
import { StoredRows } from './stored-rows';
import { assertTable, createTable } from './table';

/** Read models in ClickHouse; their checkpoints lie in the control schema. */
export class ClickHouseReadModelStore implements ReadModelStore {
  readonly kind = 'clickhouse';
  readonly viewSchema: string;
  readonly #clickhouse: ClickHouse;
  readonly #control: CheckpointControl;

  /** Tables and views are made in the database that the address names. */
  constructor(options: { readonly clickhouse: ClickHouse; readonly control: CheckpointControl }) {
    this.#clickhouse = options.clickhouse;
    this.#control = options.control;
    this.viewSchema = options.clickhouse.database;
  }

  async provision(generation: Generation): Promise<void> {
    await this.#clickhouse.command(`CREATE DATABASE IF NOT EXISTS ${identifier(generation.viewSchema)}`);
    for (const statement of createTable(generation)) {
      await this.#clickhouse.command(statement);
    }
  }

  async open(generation: Generation): Promise<GenerationStore> {
    await assertTable(this.#clickhouse, generation);
    return new ClickHouseGenerationStore(this.#control, new StoredRows(this.#clickhouse, generation), generation);
  }
}
