import { createRequire } from 'node:module';
import { RefoldError } from '../../../kernel/errors';
import { literal } from './statement';
import { Slots } from './slots';

/** A connection of the engine: settings, current database and temporary tables are its own. One call at a time. */
export type Connection = { readonly engineConnection: never };
type Cursor = { readonly engineCursor: never };

export interface Result {
  readonly bytes?: Uint8Array;
  readonly rowsRead?: number;
  readonly bytesRead?: number;
  readonly rowsWritten?: number;
  readonly bytesWritten?: number;
}

interface Chunk {
  readonly bytes: Uint8Array;
  readonly done: boolean;
}

/** What is used of the native addon of chdb. */
interface Native {
  CreateConnection(folder: string, options: readonly string[]): Connection;
  CloseConnection(connection: Connection): void;
  QueryAsyncConnection(connection: Connection, sql: string, format: string): Promise<Result>;
  InsertRawAsyncConnection(connection: Connection, sql: string, data: Uint8Array, countLines: boolean): Promise<Result>;
  StreamQuery(connection: Connection, sql: string, format: string): Cursor;
  StreamFetch(cursor: Cursor): Promise<Chunk>;
  StreamCancel(cursor: Cursor): void;
}

/** Calls at once; below the number of threads, so that files can be written and queries be killed beside them. */
const AT_ONCE = 12;
const MOST_WAITING = 1_000;
/** Threads of the process, for `UV_THREADPOOL_SIZE`. */
export const THREADS = AT_ONCE + 4;

const NOTHING = new Uint8Array();

/** How the message of the error begins, for who reads it in a log. */
export const CANNOT_OPEN = 'the data of ClickHouse cannot be opened:';

/** ClickHouse within this process. Its calls run on threads of their own, so the process goes on answering meanwhile. */
export class Engine {
  readonly #native: Native;
  readonly #folder: string;
  /** Keeps the engine and its lock on the folder; kills queries. */
  readonly #control: Connection;
  readonly #slots = new Slots(AT_ONCE, MOST_WAITING);

  /** @throws RefoldError `service.unavailable` where another process has the data open */
  constructor(library: string, folder: string) {
    this.#native = createRequire(__filename)(library) as Native;
    this.#folder = folder;
    this.#control = this.#opened();
  }

  open(): Connection {
    return this.#native.CreateConnection(this.#folder, []);
  }

  #opened(): Connection {
    try {
      return this.open();
    } catch (error) {
      throw new RefoldError('service.unavailable', `${CANNOT_OPEN} ${this.#folder}: another process has it open, or it is damaged`, { cause: error });
    }
  }

  /** Not while a call of it is at work: that would end the engine. */
  close(connection: Connection): void {
    this.#native.CloseConnection(connection);
  }

  query(connection: Connection, sql: string, format = 'TabSeparated'): Promise<Result> {
    return this.#slots.run(() => this.#native.QueryAsyncConnection(connection, sql, format));
  }

  /** An INSERT, of which this call knows how much it wrote. Never with rows in it: the engine ends them at an empty line and runs what follows. */
  insert(connection: Connection, sql: string): Promise<Result> {
    return this.#slots.run(() => this.#native.InsertRawAsyncConnection(connection, sql, NOTHING, false));
  }

  /** The result block by block. Formats with a frame around the rows would have it around every block. */
  async *stream(connection: Connection, sql: string, format: string): AsyncGenerator<Uint8Array, void> {
    const cursor = this.#native.StreamQuery(connection, sql, format);
    try {
      for (;;) {
        const chunk = await this.#slots.run(() => this.#native.StreamFetch(cursor));
        if (chunk.done) {
          return;
        }
        yield chunk.bytes;
      }
    } finally {
      this.#native.StreamCancel(cursor);
    }
  }

  /** Ends the queries marked so by their setting `log_comment`. */
  async kill(mark: string): Promise<void> {
    await this.#native.QueryAsyncConnection(this.#control, `KILL QUERY WHERE Settings['log_comment'] = ${literal(mark)}`, 'Null');
  }

  shutDown(): void {
    this.#native.CloseConnection(this.#control);
  }
}
