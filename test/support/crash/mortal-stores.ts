import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { PostgresPool, type Rows, type SqlSession } from '../../../src/platform/postgres/pool';
import { unreachable, type Fate } from './fate';

const WRITING =
  /^\s*(?:WITH\b[^]*?\b)?(INSERT INTO|UPDATE|DELETE FROM|CREATE|DROP|ALTER|TRUNCATE|COPY|GRANT|REVOKE|COMMENT ON|ANALYZE|VACUUM|REINDEX|MERGE INTO)\b/i;
const OBJECT = /\b(?:INTO|UPDATE|FROM|TABLE|VIEW|INDEX|SCHEMA|COPY|ON)\s+(?:IF NOT EXISTS\s+|IF EXISTS\s+|CONCURRENTLY\s+)*((?!IF\b|NOT\b|EXISTS\b)[\w."`]+)/i;

/** Names of tables without database, version and run, so that a point has the same name in every life. */
const nameless = (table: string): string =>
  table
    .replaceAll(/["`]/g, '')
    .replace(/^(?!refold\.)\w+\./, '')
    .replaceAll(/__v\d+_r\d+/g, '__vN');

/** `update refold.replays`, where a statement changes anything. */
export const writeOf = (text: string): string | undefined => {
  const verb = WRITING.exec(text);
  if (verb === null) {
    return undefined;
  }
  const from = text.slice(verb.index + verb[0].length - verb[1]!.length);
  const column = /^UPDATE\s[^]*?\bSET\s+(\w+)/i.exec(from)?.[1];
  return `${verb[1]!.toLowerCase()} ${nameless(OBJECT.exec(from)?.[1] ?? '')}${column === undefined ? '' : `.${column}`}`.trim();
};

const TERMINATE = 'SELECT pg_terminate_backend(pg_backend_pid())';

/** A session as a process uses it: what is written in a transaction is kept by its COMMIT. */
const watched = (sql: SqlSession, fate: Fate): SqlSession => {
  let written: Set<string> | undefined;
  const sever = async (): Promise<never> => {
    await sql.query(TERMINATE); // rejects, as whatever was asked would
    throw unreachable('it should have been terminated');
  };
  const committed = async <T>(work: () => Promise<T>): Promise<T> => {
    const names = [...(written ?? [])];
    written = undefined;
    try {
      fate.requireAlive();
      return await (names.length === 0 ? work() : fate.keep(`commit ${names.join(', ')}`, work, sever));
    } catch (error) {
      if (fate.dead) {
        await sql.query(TERMINATE).catch(() => undefined); // else the session would be given back within its transaction
      }
      throw error;
    }
  };
  const kept = async <T>(text: string, work: () => Promise<T>): Promise<T> => {
    if (/^\s*ROLLBACK/i.test(text)) {
      return work(); // the server does so for a dead process
    }
    if (/^\s*COMMIT/i.test(text)) {
      return committed(work);
    }
    fate.requireAlive();
    if (/^\s*BEGIN/i.test(text)) {
      written = new Set();
      return work();
    }
    const write = writeOf(text);
    if (write !== undefined && written === undefined) {
      return fate.keep(write, work, sever);
    }
    if (write !== undefined) {
      written?.add(write);
    }
    return work();
  };
  return {
    query: (text, values) => kept(text, () => sql.query(text, values)),
    rawRows: (text, values) => kept(text, () => sql.rawRows(text, values)),
    copyIn: (text, lines) => kept(text, () => sql.copyIn(text, lines)),
  };
};

/** The connections of a process that may die. */
export class MortalPool extends PostgresPool {
  readonly #fate: Fate;

  constructor(options: ConstructorParameters<typeof PostgresPool>[0], fate: Fate) {
    super(options);
    this.#fate = fate;
  }

  override async query<R extends object>(text: string, values?: readonly unknown[]): Promise<Rows<R>> {
    return this.#kept(text, () => super.query<R>(text, values));
  }

  override async rawRows(text: string, values?: readonly unknown[]): Promise<readonly (string | null)[][]> {
    return this.#kept(text, () => super.rawRows(text, values)) as Promise<(string | null)[][]>;
  }

  override async session<T>(work: (sql: SqlSession) => Promise<T>): Promise<T> {
    this.#fate.requireAlive();
    return super.session((sql) => work(watched(sql, this.#fate)));
  }

  async #kept<T>(text: string, work: () => Promise<T>): Promise<T> {
    this.#fate.requireAlive();
    const write = writeOf(text);
    return write === undefined
      ? work()
      : this.#fate.keep(write, work, async () => {
          await super.query(TERMINATE);
          throw unreachable('it should have been terminated');
        });
  }
}

/** ClickHouse as a process that may die sees it. */
export class MortalClickHouse extends ClickHouse {
  readonly #fate: Fate;

  constructor(options: ConstructorParameters<typeof ClickHouse>[0], fate: Fate) {
    super(options);
    this.#fate = fate;
  }

  override command(...given: Parameters<ClickHouse['command']>): Promise<void> {
    return this.#kept(`clickhouse ${writeOf(given[0]) ?? 'command'}`, () => super.command(...given));
  }

  override insert(...given: Parameters<ClickHouse['insert']>): Promise<void> {
    return this.#kept(`clickhouse insert ${nameless(given[0])}`, () => super.insert(...given));
  }

  override rows(...given: Parameters<ClickHouse['rows']>): ReturnType<ClickHouse['rows']> {
    this.#fate.requireAlive();
    return super.rows(...given);
  }

  override slowRows(...given: Parameters<ClickHouse['slowRows']>): ReturnType<ClickHouse['slowRows']> {
    this.#fate.requireAlive();
    return super.slowRows(...given);
  }

  #kept(what: string, work: () => Promise<void>): Promise<void> {
    return this.#fate.keep(what, work, () => Promise.reject(unreachable(what)));
  }
}
