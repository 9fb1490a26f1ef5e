import { Pool, types, type PoolClient, type PoolConfig, type QueryResult } from 'pg';
import { translatePostgresError } from './errors';

/** Anything that runs parameterised SQL: a pool, or one connection inside a transaction. */
export interface Sql {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- rows are what the statement says; each caller names the type
  query<R extends object = any>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>>;
}

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; never logged. */
  readonly url: string;
  /** Largest number of connections; default 8. */
  readonly max?: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string;
}

/**
 * int8 as a number: every int8 that refold reads for itself is an offset, a count or a time in milliseconds, far below 2^53.
 * Columns of read models are read as text and converted by their own codec.
 */
const parsers: PoolConfig['types'] = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === types.builtins.INT8 && format !== 'binary' ? Number : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
};

/** Connections to one Postgres database. Errors of the driver are translated into refold's. */
export class PostgresPool implements Sql {
  readonly #pool: Pool;
  readonly url: string;

  constructor(options: PostgresOptions) {
    this.url = options.url;
    this.#pool = new Pool({
      connectionString: options.url,
      max: options.max ?? 8,
      application_name: options.applicationName ?? 'refold',
      connectionTimeoutMillis: 10_000,
      types: parsers,
    });
    // An idle connection that dies is replaced at the next use, which reports the failure if the database is gone.
    this.#pool.on('error', () => undefined);
  }

  async query<R extends object>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>> {
    try {
      return await this.#pool.query<R>(text, values as unknown[]);
    } catch (error) {
      throw translatePostgresError(error);
    }
  }

  /** Runs `work` in one transaction on one connection; rolls back if it throws. @throws RefoldError `store.unreachable`, `store.failed` */
  async transaction<T>(work: (sql: Sql) => Promise<T>, begin = 'BEGIN'): Promise<T> {
    return this.session(async (sql) => {
      await sql.query(begin);
      let result: T;
      try {
        result = await work(sql);
      } catch (error) {
        await sql.query('ROLLBACK').catch(() => undefined); // the connection is broken: its transaction is gone with it
        throw error;
      }
      await sql.query('COMMIT');
      return result;
    });
  }

  /** Lends one connection, for what needs the same session: transactions, LISTEN, advisory locks. */
  async session<T>(work: (sql: Sql, client: PoolClient) => Promise<T>): Promise<T> {
    let client: PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw translatePostgresError(error);
    }
    let failure: Error | undefined;
    const onError = (error: Error): void => {
      failure = error;
    };
    client.on('error', onError);
    const sql: Sql = {
      query: async <R extends object>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>> => {
        try {
          return await client.query<R>(text, values as unknown[]);
        } catch (error) {
          const translated = translatePostgresError(error);
          if (translated.code === 'store.unreachable') {
            failure = translated;
          }
          throw translated;
        }
      },
    };
    try {
      return await work(sql, client);
    } finally {
      client.off('error', onError);
      client.release(failure);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}
