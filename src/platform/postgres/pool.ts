import { types, type Pool, type PoolClient, type PoolConfig } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { RefoldError, isRefoldError } from '../../kernel/errors';
import { borrow, openConnections, type Loan } from './connections';
import { translatePostgresError } from './errors';

/** What a statement answered. The driver's own types stay inside. */
export interface Rows<R> {
  readonly rows: R[];
  /** Rows read or changed. */
  readonly rowCount: number | null;
}

/** Anything that runs parameterised SQL: a pool, or one connection inside a transaction. */
export interface Sql {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- rows are what the statement says; each caller names the type
  query<R extends object = any>(text: string, values?: readonly unknown[]): Promise<Rows<R>>;
  /** Rows as arrays of the database's own text, nothing parsed: for values that have to stay exact. */
  rawRows(text: string, values?: readonly unknown[]): Promise<readonly RawRow[]>;
}

/** One connection. */
export interface SqlSession extends Sql {
  /** Runs `COPY … FROM STDIN` with these lines, in its text format; answers how many rows there were. */
  copyIn(text: string, lines: readonly Buffer[]): Promise<number>;
}

export type RawRow = readonly (string | null)[];

const identity = (text: string): string => text;
const unparsed: PoolConfig['types'] = { getTypeParser: (() => identity) as unknown as typeof types.getTypeParser };

type Querying = Pick<PoolClient, 'query'>;

type Translated = <T>(work: Promise<T>) => Promise<T>;

const translating = (url: string, onError: (error: RefoldError) => void = () => undefined): Translated => {
  return async (work) => {
    try {
      return await work;
    } catch (error) {
      const refused = translatePostgresError(error, url);
      onError(refused);
      throw refused;
    }
  };
};

const sqlOver = (querying: Querying, translated: Translated): Sql => ({
  query: <R extends object>(text: string, values?: readonly unknown[]) => translated(querying.query<R>(text, values as unknown[])),
  rawRows: async (text, values) => {
    const result = await translated(querying.query<(string | null)[]>({ text, values: values as unknown[], rowMode: 'array', types: unparsed }));
    return result.rows;
  },
});

const copied = (client: PoolClient, text: string, lines: readonly Buffer[]): Promise<number> =>
  new Promise((resolve, reject) => {
    const copy = client.query(copyFrom(text));
    copy.once('error', reject);
    copy.once('finish', () => {
      resolve(copy.rowCount);
    });
    lines.forEach((piece) => copy.write(piece));
    copy.end();
  });

const sessionOver = (client: PoolClient, translated: Translated): SqlSession => ({
  ...sqlOver(client, translated),
  copyIn: (text, lines) => translated(copied(client, text, lines)),
});

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; never logged. */
  readonly url: string;
  /** Largest number of connections; default 8. */
  readonly max?: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string;
  /** The server ends a transaction that its client leaves idle for so long (milliseconds): nobody waits longer for its locks. @defaultValue 30000 */
  readonly idleInTransactionMs?: number;
}

const IDLE_IN_TRANSACTION_MS = 30_000;

/**
 * int8 as a number: every int8 that refold reads for itself is an offset, a count or a time in milliseconds, far below 2^53.
 * Columns of read models are read as text and converted by their own codec.
 */
const parsers: PoolConfig['types'] = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary'): unknown =>
    oid === types.builtins.INT8 && format !== 'binary' ? Number : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
};

const inDoubt = ({ code, summary, facts, cause }: RefoldError): RefoldError =>
  new RefoldError(code, summary, { facts: { ...facts, commit: 'in doubt' }, cause });

/** The connection was lost when COMMIT had been sent: the transaction may have committed, may yet, or may not have. */
export const isCommitInDoubt = (error: unknown): boolean => isRefoldError(error, 'store.unreachable') && error.facts['commit'] === 'in doubt';

/** Connections to one Postgres database. Errors of the driver are translated into refold's. */
export class PostgresPool implements Sql {
  readonly #pool: Pool;
  readonly #sql: Sql;
  readonly #idleInTransactionMs: number;
  readonly url: string;

  constructor(options: PostgresOptions) {
    this.url = options.url;
    this.#idleInTransactionMs = options.idleInTransactionMs ?? IDLE_IN_TRANSACTION_MS;
    this.#pool = openConnections({ url: options.url, max: options.max ?? 8, applicationName: options.applicationName ?? 'refold', types: parsers });
    this.#sql = sqlOver(this.#pool, translating(options.url));
  }

  query<R extends object>(text: string, values?: readonly unknown[]): Promise<Rows<R>> {
    return this.#sql.query<R>(text, values);
  }

  rawRows(text: string, values?: readonly unknown[]): Promise<readonly RawRow[]> {
    return this.#sql.rawRows(text, values);
  }

  /**
   * Runs `work` in one transaction on one connection; rolls back if it throws.
   * @throws RefoldError `store.unreachable` (see {@link isCommitInDoubt}), `store.conflict`, `store.failed`
   */
  async transaction<T>(work: (sql: SqlSession) => Promise<T>, begin = 'BEGIN'): Promise<T> {
    return this.session(async (sql) => {
      let result: T;
      try {
        // In one message, so it costs no round trip; LOCAL, so behind PgBouncer it stays with this transaction and sessions may idle outside of one.
        await sql.query(`${begin}; SET LOCAL idle_in_transaction_session_timeout = ${String(this.#idleInTransactionMs)}`);
        result = await work(sql);
      } catch (error) {
        await sql.query('ROLLBACK').catch(() => undefined); // the connection is broken: its transaction is gone with it
        throw error;
      }
      try {
        await sql.query('COMMIT');
      } catch (error) {
        throw isRefoldError(error, 'store.unreachable') ? inDoubt(error) : error;
      }
      return result;
    });
  }

  /** Lends one connection, for what needs the same session: transactions, LISTEN, advisory locks. */
  async session<T>(work: (sql: SqlSession) => Promise<T>): Promise<T> {
    let loan: Loan;
    try {
      loan = await borrow(this.#pool);
    } catch (error) {
      throw translatePostgresError(error, this.url);
    }
    const onError = (error: RefoldError): void => {
      if (error.code === 'store.unreachable') {
        loan.broke(error);
      }
    };
    const sql = sessionOver(loan.client, translating(this.url, onError));
    try {
      return await work(sql);
    } finally {
      loan.giveBack();
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}
