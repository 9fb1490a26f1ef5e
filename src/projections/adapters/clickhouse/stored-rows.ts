import { RefoldError } from '../../../kernel/errors';
import type { TopicPartition } from '../../../events/position';
import type { Cell, CellRow, ClickHouse, Parameters } from '../../../platform/clickhouse/client';
import { identifier } from '../../../platform/clickhouse/quote';
import type { NamedColumn } from '../../read-model';
import type { StampedRow } from '../../read-model-store';
import { repeated } from '../../repeated';
import { plainType, readCell, selectColumn } from './columns';
import { RowBytes, rowWriter } from './row-binary';
import type { Evidence, VersionedRow } from './rows';
import { STAMP_COLUMNS, type WrittenTable } from './table';

/** Rows in binary. */
export type Block = readonly Buffer[];

/** A row as stored: deleted ones are seen too, because they carry versions. */
export interface StoredRow extends StampedRow {
  readonly deleted: boolean;
}

/**
 * Bytes of one block. A block is one insert and cannot be split, so a batch that makes a larger one is halved. What
 * several workers send at once has to find room in the memory of a small server.
 */
const LARGEST_BLOCK = 32_000_000;

/** Bytes of keys in one query: a server takes parameters of up to 128 KiB (`http_max_field_value_size`). */
const KEYS_AT_ONCE = 120_000;

/** As the client sends it: quoted, with a comma, and escaped. */
const sizeOf = (text: string): number => Buffer.byteLength(text) + (text.match(/[\\'\t\n\r]/g)?.length ?? 0) + 3;

const chunksOf = (keys: readonly (readonly string[])[]): readonly (readonly (readonly string[])[])[] => {
  const chunks: (readonly string[])[][] = [];
  let room = 0;
  for (const key of keys) {
    const size = key.reduce((sum, part) => sum + sizeOf(part), 0);
    if (size > room || chunks.length === 0) {
      chunks.push([]);
      room = KEYS_AT_ONCE;
    }
    chunks.at(-1)!.push(key);
    room -= size;
  }
  return chunks;
};

/** Rows that become one block. */
export class BlockRows {
  readonly #bytes = new RowBytes();
  #count = 0;

  constructor(
    private readonly table: string,
    private readonly write: ReturnType<typeof rowWriter>,
  ) {}

  /** @throws RefoldError `store.value-refused` for a value that its column cannot hold, and where all together are too much */
  put(row: VersionedRow): void {
    this.write(this.#bytes, row);
    this.#count += 1;
    if (this.#bytes.size > LARGEST_BLOCK) {
      throw new RefoldError('store.value-refused', `the rows of one batch are too large for one insert into clickhouse`, {
        facts: { table: this.table, rows: this.#count, limit: LARGEST_BLOCK },
      });
    }
  }

  /** All of them; nothing may be put in afterwards. */
  block(): Block {
    return this.#bytes.pieces();
  }
}

/** Reads and writes the rows of one table. */
export class StoredRows {
  readonly #clickhouse: ClickHouse;
  readonly #table: string;
  readonly #columns: readonly NamedColumn[];
  readonly #identity: readonly NamedColumn[];
  readonly #sortingKey: string;
  readonly #write: ReturnType<typeof rowWriter>;

  constructor(clickhouse: ClickHouse, { qualified, columns, identity, sortingKey }: WrittenTable) {
    this.#clickhouse = clickhouse;
    this.#table = qualified;
    this.#columns = columns;
    this.#identity = identity;
    this.#sortingKey = sortingKey.join(', ');
    this.#write = rowWriter(columns);
  }

  /** Takes rows that are sent together. */
  rows(): BlockRows {
    return new BlockRows(this.#table, this.#write);
  }

  /** Inserts all rows as one block. */
  async insert(block: Block, token: string): Promise<void> {
    await this.#clickhouse.insert(this.#table, [...this.#columns.map(({ name }) => name), ...STAMP_COLUMNS], block, token);
  }

  /** The newest versions of the rows that the keys identify; of partials only those of one source partition. */
  async read(keys: readonly (readonly string[])[], partition?: TopicPartition): Promise<readonly StoredRow[]> {
    const select = [...this.#columns.map(selectColumn), '_topic', '_partition', 'toUInt64(_offset)', '_deleted'].join(', ');
    const read: StoredRow[] = [];
    for (const chunk of chunksOf(keys)) {
      const { where, parameters } = this.#identified(chunk);
      const own = partition === undefined ? '' : ' AND _topic = {topic:String} AND _partition = {partition:UInt32}';
      const given = { ...parameters, ...(partition === undefined ? {} : { topic: partition.topic, partition: partition.partition }) };
      const newest = `ORDER BY _version DESC LIMIT 1 BY ${this.#sortingKey}`; // FINAL would read every column before it looks at the keys
      const rows = await repeated(() => this.#clickhouse.rows(`SELECT ${select} FROM ${this.#table} WHERE ${where}${own} ${newest}`, given));
      read.push(...rows.map((cells) => this.#storedRow(cells)));
    }
    return read;
  }

  /** Whether the block that the evidence was taken from was written. */
  async hasLanded({ topic, partition }: TopicPartition, { identity, version }: Evidence): Promise<boolean> {
    const { where, parameters } = this.#identified([identity]);
    const [row] = await this.#clickhouse.rows(
      `SELECT count() FROM ${this.#table} WHERE ${where} AND _topic = {topic:String} AND _partition = {partition:UInt32} AND _version = toUInt128({version:String})`,
      { ...parameters, topic, partition, version },
    );
    return row![0] !== '0';
  }

  /** A condition that the primary key serves: the identity is one of those given. */
  #identified(keys: readonly (readonly string[])[]): { readonly where: string; readonly parameters: Parameters } {
    const columns = this.#identity.map(({ name }) => identifier(name));
    const lists = this.#identity.map((column, i) => `CAST({k${String(i)}:Array(String)}, 'Array(${plainType(column).replaceAll("'", "\\'")})')`);
    const list = lists.length === 1 ? lists[0]! : `arrayZip(${lists.join(', ')})`; // a constant: with a subquery in its place a look-up costs three times as much
    return {
      where: `(${columns.join(', ')}) IN ${list}`,
      parameters: Object.fromEntries(this.#identity.map((_, i) => [`k${String(i)}`, keys.map((key) => key[i]!)])),
    };
  }

  #storedRow(cells: CellRow): StoredRow {
    const [topic, partition, offset, isDeleted] = cells.slice(this.#columns.length) as readonly Cell[];
    const deleted = isDeleted === true;
    const kept = new Set(deleted ? this.#identity : this.#columns); // of a deleted row nothing else was written, and '' is no JSON
    const row = Object.freeze(Object.fromEntries(this.#columns.flatMap((column, i) => (kept.has(column) ? [[column.name, readCell(column, cells[i]!)]] : []))));
    return { row, stamp: { topic: String(topic), partition: Number(partition), offset: Number(offset) }, deleted };
  }
}
