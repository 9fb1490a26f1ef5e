import { createClient, type ClickHouseClient, type ClickHouseSettings } from '@clickhouse/client';
import { translateClickHouseError } from './errors';

/** A cell of a row as JSON carries it; 64-bit and larger integers as text, so that they keep their digits. */
export type Cell = string | number | boolean | null;
export type CellRow = readonly Cell[];

export type Parameters = Readonly<Record<string, string | number | readonly string[]>>;

/** 64-bit integers keep their digits; sessions of a pool of servers read what others have just written. */
const READING: ClickHouseSettings = { output_format_json_quote_64bit_integers: 1 };

/** One insert is one block, hence all or nothing: nothing may cut it, queue it or read it by several threads. */
const ONE_BLOCK: ClickHouseSettings = {
  async_insert: 0,
  wait_end_of_query: 1,
  input_format_parallel_parsing: 0,
  max_insert_threads: '1',
  max_insert_block_size: '100000000',
  min_insert_block_size_rows: '100000000',
  min_insert_block_size_bytes: '10000000000',
  max_block_size: '100000000',
};

/** The HTTP client of ClickHouse, with errors in refold's words. Database and credentials are part of the address. */
export class ClickHouse {
  /** Of the address; `default` where it names none. */
  readonly database: string;
  readonly #client: ClickHouseClient;
  readonly #host: string;

  /** @param options.requestTimeoutMs default 60,000 */
  constructor(options: { readonly url: string; readonly applicationName?: string; readonly requestTimeoutMs?: number }) {
    const url = new URL(options.url);
    this.#host = url.host;
    this.database = decodeURIComponent(url.pathname.slice(1)) || 'default';
    this.#client = createClient({
      url: options.url,
      application: options.applicationName ?? 'refold',
      request_timeout: options.requestTimeoutMs ?? 60_000,
      use_multipart_params_auto: true,
      log: { level: 127 }, // off: errors are ours to report
    });
  }

  /** Runs a statement that answers nothing. @throws RefoldError `store.*` */
  async command(sql: string, parameters: Parameters = {}): Promise<void> {
    await this.#translated(() => this.#client.command({ query: sql, query_params: { ...parameters }, clickhouse_settings: { wait_end_of_query: 1 } }));
  }

  /** Rows as arrays of cells, in the order of the columns selected. @throws RefoldError `store.*` */
  async rows(sql: string, parameters: Parameters = {}): Promise<readonly CellRow[]> {
    return this.#translated(async () => {
      const result = await this.#client.query({ query: sql, query_params: { ...parameters }, format: 'JSONCompactEachRow', clickhouse_settings: READING });
      return result.json<CellRow>();
    });
  }

  /**
   * Inserts rows as one block, which is written whole or not at all. A block with a token that was written before is
   * left out by tables that remember tokens.
   * @param table quoted already
   * @throws RefoldError `store.*`; after `store.unreachable` the rows may or may not have been written
   */
  async insert(table: string, columns: readonly [string, ...string[]], rows: readonly CellRow[], token: string): Promise<void> {
    const settings = { ...ONE_BLOCK, insert_deduplicate: 1 as const, insert_deduplication_token: token };
    await this.#translated(() =>
      this.#client.insert({ table, columns: [...columns], values: [...rows], format: 'JSONCompactEachRow', clickhouse_settings: settings }),
    );
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #translated<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw translateClickHouseError(error, this.#host);
    }
  }
}
