import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createClient, type ClickHouseClient, type ClickHouseSettings } from '@clickhouse/client';
import { translateClickHouseError } from './errors';
import { identifier } from './quote';
import { ONE_SERVER, consistentReads, consistentWrites, type Topology } from './topology';

/** A cell of a row as JSON carries it; 64-bit and larger integers as text, so that they keep their digits. */
export type Cell = string | number | boolean | null | readonly Cell[];
export type CellRow = readonly Cell[];

export type Parameters = Readonly<Record<string, string | number | readonly string[]>>;

/**
 * 64-bit integers keep their digits. All rows as they are now, or an error: a profile may ask for an answer cut short where
 * it is too large, or for a remembered one, and what is folded on top of such an answer would be lost.
 */
const READING: ClickHouseSettings = {
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_64bit_floats: 0,
  limit: '0',
  offset: '0',
  result_overflow_mode: 'throw',
  read_overflow_mode: 'throw',
  read_overflow_mode_leaf: 'throw',
  set_overflow_mode: 'throw',
  join_overflow_mode: 'throw',
  sort_overflow_mode: 'throw',
  group_by_overflow_mode: 'throw',
  distinct_overflow_mode: 'throw',
  timeout_overflow_mode: 'throw',
  use_query_cache: 0,
};

/** One insert is one block, hence all or nothing: nothing may cut it, queue it or read it by several threads. */
const ONE_BLOCK: ClickHouseSettings = {
  async_insert: 0,
  input_format_null_as_default: 1, // of a deleted row only the key is written
  wait_end_of_query: 1,
  input_format_parallel_parsing: 0,
  precise_float_parsing: 1, // the default may be off by the last bit
  max_insert_threads: '1',
  max_insert_block_size: '100000000',
  optimize_on_insert: 0, // each row occurs once in a block
  min_insert_block_size_rows: '100000000',
  min_insert_block_size_bytes: '10000000000',
  max_block_size: '100000000',
};

/** How long a statement that reads whole tables may say nothing. */
const PATIENCE_MS = 6 * 3_600_000;

/** The HTTP client of ClickHouse, with errors in refold's words. Database and credentials are part of the address. */
export class ClickHouse {
  /** Of the address; `default` where it names none. */
  readonly database: string;
  readonly #client: ClickHouseClient;
  readonly #patient: ClickHouseClient;
  readonly #host: string;
  readonly topology: Topology;

  /** @param options.requestTimeoutMs default 60,000 */
  constructor(options: { readonly url: string; readonly applicationName?: string; readonly requestTimeoutMs?: number; readonly topology?: Topology }) {
    this.topology = options.topology ?? ONE_SERVER;
    const url = new URL(options.url);
    this.#host = url.host;
    this.database = decodeURIComponent(url.pathname.slice(1)) || 'default';
    const client = (timeoutMs: number): ClickHouseClient =>
      createClient({
        url: options.url,
        application: options.applicationName ?? 'refold',
        request_timeout: timeoutMs,
        use_multipart_params_auto: true,
        log: { level: 127 }, // off: errors are ours to report
      });
    this.#client = client(options.requestTimeoutMs ?? 60_000);
    this.#patient = client(PATIENCE_MS);
  }

  /** Runs a statement that answers nothing. @throws RefoldError `store.*` */
  async command(sql: string, parameters: Parameters = {}): Promise<void> {
    await this.#translated(() => this.#client.command({ query: sql, query_params: { ...parameters }, clickhouse_settings: { wait_end_of_query: 1 } }));
  }

  /** Rows as arrays of cells, in the order of the columns selected. @throws RefoldError `store.*` */
  async rows(sql: string, parameters: Parameters = {}): Promise<readonly CellRow[]> {
    return this.#read(this.#client, sql, parameters);
  }

  /** As `rows`, for statements that work for longer than a request may take. @throws RefoldError `store.*` */
  async slowRows(sql: string): Promise<readonly CellRow[]> {
    return this.#read(this.#patient, sql, {});
  }

  /**
   * Inserts rows as one block, which is written whole or not at all. A block with a token that was written before is
   * left out by tables that remember tokens.
   * @param table quoted already; the columns are quoted here
   * @param rows as JSON, an array of cells per line (`JSONCompactEachRow`), in pieces
   * @throws RefoldError `store.*`; after `store.unreachable` the rows may or may not have been written
   */
  async insert(table: string, columns: readonly string[], rows: readonly Buffer[], token: string): Promise<void> {
    const settings = { ...ONE_BLOCK, ...consistentWrites(this.topology), insert_deduplicate: 1 as const, insert_deduplication_token: token };
    const query = `INSERT INTO ${table} (${columns.map(identifier).join(', ')}) FORMAT JSONCompactEachRow`;
    await this.#translated(async () => {
      const values = Readable.from(rows, { objectMode: false });
      const { stream } = await this.#client.exec({ query, values, clickhouse_settings: settings });
      await finished(stream.resume());
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#client.close(), this.#patient.close()]);
  }

  #read(client: ClickHouseClient, sql: string, parameters: Parameters): Promise<readonly CellRow[]> {
    return this.#translated(async () => {
      const settings = { ...READING, ...consistentReads(this.topology) };
      const result = await client.query({ query: sql, query_params: { ...parameters }, format: 'JSONCompactEachRow', clickhouse_settings: settings });
      return result.json<CellRow>();
    });
  }

  async #translated<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw translateClickHouseError(error, this.#host);
    }
  }
}
