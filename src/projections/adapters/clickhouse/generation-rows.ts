import type { PartitionId, TopicPartition } from '../../../events/position';
import type { ClickHouse } from '../../../platform/clickhouse/client';
import type { Generation } from '../../generations';
import type { NamedColumn } from '../../read-model';
import type { BatchCommit } from '../../read-model-store';
import { repeated } from '../../repeated';
import { BatchRows, Written } from './batch-rows';
import { replacedRows } from './kept-rows';
import { evidenceOf, type Evidence, type VersionedRow } from './rows';
import { StoredRows, type Block } from './stored-rows';
import { writtenTables, type WrittenTable } from './table';

type Values = Readonly<Record<string, unknown>>;

/** A table, and what makes rows of it. */
interface Part {
  readonly columns: readonly NamedColumn[];
  readonly stored: StoredRows;
  readonly batches: BatchRows;
}

/** What a batch writes to one table. */
interface Rendered {
  readonly block: Block;
  readonly written: Written;
}

/** What a batch writes, by table: the rows for readers apart where they lie beside what is folded. */
export interface RenderedBatch {
  readonly folded: Rendered;
  readonly shown: Rendered | undefined;
}

/** The same as it is kept with an intent, in base64. */
export interface BlockTexts {
  readonly block: string;
  readonly shown?: string | undefined;
}

const textOf = (block: Block): string => Buffer.concat(block).toString('base64');

export const blockTexts = ({ folded, shown }: RenderedBatch): BlockTexts => ({
  block: textOf(folded.block),
  ...(shown === undefined ? {} : { shown: textOf(shown.block) }),
});

export const isEmpty = ({ folded, shown }: RenderedBatch): boolean => folded.written.isEmpty && shown?.written.isEmpty !== false;

/**
 * The rows of a generation in all its tables. There is no insert into two tables, so the rows for readers are inserted before
 * what is kept of their groups: one row of what is kept tells that both have landed, and until then the same batch is folded
 * once more, on what was kept before it.
 */
export class GenerationRows {
  readonly #generation: Generation;
  readonly #folded: Part;
  readonly #shown: Part | undefined;

  constructor(clickhouse: ClickHouse, generation: Generation) {
    const partOf = (table: WrittenTable): Part => ({
      columns: table.columns,
      stored: new StoredRows(clickhouse, table),
      batches: new BatchRows(table.columns),
    });
    const [shown, groups] = writtenTables(generation);
    this.#generation = generation;
    this.#folded = partOf(groups ?? shown);
    this.#shown = groups === undefined ? undefined : partOf(shown);
  }

  /** Rows as they are folded: what is loaded, and added to. */
  get stored(): StoredRows {
    return this.#folded.stored;
  }

  /** Makes them of batches. */
  get batches(): BatchRows {
    return this.#folded.batches;
  }

  /** Columns of what is folded. */
  get columns(): readonly NamedColumn[] {
    return this.#folded.columns;
  }

  /**
   * @param epochs under which each partition is written
   * @param sums what is stored of the groups that are added to, by what identifies them
   * @throws RefoldError `store.value-refused`
   */
  rendered(batch: BatchCommit, epochs: ReadonlyMap<PartitionId, number>, sums: ReadonlyMap<string, Values>): RenderedBatch {
    const replaced = replacedRows(this.#generation, batch.advances, batch.replaced ?? []);
    const { stored, batches } = this.#folded;
    const shown = this.#shown;
    return {
      folded: renderedBy(stored, (take) => {
        batches.of(batch, epochs, sums, take);
        replaced.forEach(take);
      }),
      shown:
        shown &&
        renderedBy(shown.stored, (take) => {
          shown.batches.changed(batch.shown ?? { upserts: [], deletes: [] }, epochs, take);
        }),
    };
  }

  /** Recognises that all of it which is of one partition has landed; `null` if nothing is. */
  evidence({ folded, shown }: RenderedBatch, partition: TopicPartition): Evidence | null {
    const ofShown = this.#shown && evidenceOf(this.#shown.columns, shown?.written.newest(partition));
    return evidenceOf(this.#folded.columns, folded.written.newest(partition)) ?? (ofShown ? { ...ofShown, shown: true } : null);
  }

  hasLanded(partition: TopicPartition, evidence: Evidence): Promise<boolean> {
    return (evidence.shown === true ? this.#shown! : this.#folded).stored.hasLanded(partition, evidence);
  }

  /** Inserts each table's rows as one block. Where a block had landed after all, its token tells: tables remember tokens apart. */
  async insert(batch: RenderedBatch, token: string): Promise<void> {
    if (this.#shown !== undefined && batch.shown?.written.isEmpty === false) {
      await insertInto(this.#shown, batch.shown.block, token);
    }
    if (!batch.folded.written.isEmpty) {
      await insertInto(this.#folded, batch.folded.block, token);
    }
  }

  /** The same from what was kept with an intent. */
  async insertTexts({ block, shown = '' }: BlockTexts, token: string): Promise<void> {
    if (this.#shown !== undefined && shown !== '') {
      await insertInto(this.#shown, [Buffer.from(shown, 'base64')], token);
    }
    if (block !== '') {
      await insertInto(this.#folded, [Buffer.from(block, 'base64')], token);
    }
  }
}

const insertInto = ({ stored }: Part, block: Block, token: string): Promise<void> => repeated(() => stored.insert(block, token));

const renderedBy = (stored: StoredRows, give: (take: (row: VersionedRow) => void) => void): Rendered => {
  const written = new Written();
  const rows = stored.rows();
  give((row) => {
    written.note(row);
    rows.put(row);
  });
  return { block: rows.block(), written };
};
