import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../../kernel/errors';
import { authenticate } from './access';
import { Answer } from './answer';
import type { Connection, Engine } from './engine';
import { Refusal } from './refusal';
import { readForm, readText, type Spool } from './request-body';
import type { Sessions } from './sessions';
import { settingStatements } from './settings';
import { fromFile, isOfValues, readStatement, type InsertOfData, type OtherStatement, type Statement } from './statement';

export interface Bridge {
  readonly engine: Engine;
  readonly sessions: Sessions;
  readonly spool: Spool;
  readonly password: string;
}

/** Formats of rows alone, which the engine's cursor can give block by block. */
const UNFRAMED =
  /^(JSONEachRow|JSONLines|NDJSON|JSONCompactEachRow|JSONStringsEachRow|JSONCompactStringsEachRow|CSV|TabSeparated|TSV|TabSeparatedRaw|TSVRaw|RowBinary|Native)$/i;

/** How long to wait before a query that does not end is killed again: it may have been about to start. */
const KILL_AGAIN_MS = 100;

/** One request and its answer. */
class Exchange {
  readonly #bridge: Bridge;
  readonly #request: IncomingMessage;
  readonly #query: URLSearchParams;
  readonly #answer: Answer;
  readonly #mark = `refold:${randomUUID()}`;
  readonly #gone = new AbortController();

  constructor(bridge: Bridge, request: IncomingMessage, response: ServerResponse, query: URLSearchParams) {
    this.#bridge = bridge;
    this.#request = request;
    this.#query = query;
    this.#answer = new Answer(request, response, query, query.get('query_id') ?? randomUUID());
    response.once('close', () => {
      if (!response.writableFinished) {
        this.#gone.abort(new Error('the client went away'));
      }
    });
  }

  async run(): Promise<void> {
    try {
      authenticate(this.#request.headers, this.#query, this.#bridge.password);
      await this.#execute();
    } catch (error) {
      if (!this.#gone.signal.aborted) {
        this.#answer.fail(error);
      }
    }
  }

  async #execute(): Promise<void> {
    const given = this.#query.get('query') ?? '';
    const insert = given === '' || this.#isForm() ? undefined : readStatement(given);
    if (insert?.kind === 'insert' && !isOfValues(insert.format)) {
      await this.#insert(insert, this.#request);
      return;
    }
    const statement = await this.#statementOfBody(given);
    await (statement.kind === 'insert' ? this.#insert(statement, undefined) : this.#other(statement));
  }

  #isForm(): boolean {
    return this.#request.headers['content-type']?.startsWith('multipart/form-data') ?? false;
  }

  /** The parameter `query` and the body are one text. */
  async #statementOfBody(given: string): Promise<Statement> {
    let text = await readText(this.#request);
    if (this.#isForm()) {
      const { query = '', ...fields } = readForm(this.#request.headers['content-type'] ?? '', text);
      Object.entries(fields).forEach(([name, value]) => this.#query.set(name, value));
      text = query;
    }
    return readStatement(given === '' || text === '' ? given + text : `${given}\n${text}`);
  }

  async #insert(insert: InsertOfData, rows: IncomingMessage | undefined): Promise<void> {
    await this.#bridge.spool.with(insert.inline, rows, (file) =>
      this.#connected(async (connection) => {
        const result = await this.#bridge.engine.insert(connection, fromFile(insert, file));
        await this.#answer.whole(result, insert.format);
      }),
    );
  }

  async #other(statement: OtherStatement): Promise<void> {
    const usual = this.#query.get('default_format') ?? this.#header('x-clickhouse-format') ?? 'TabSeparated';
    const format = statement.format ?? usual;
    const framed =
      statement.framed || !UNFRAMED.test(format) || ['extremes', 'output_format_json_array_of_rows', 'wait_end_of_query'].some((name) => this.#query.has(name));
    const { engine } = this.#bridge;
    await this.#connected(async (connection) => {
      if (statement.kind === 'select' && !framed) {
        await this.#answer.stream(engine.stream(connection, statement.sql, usual), format, this.#gone.signal);
      } else {
        const result =
          statement.kind === 'insert-select' ? await engine.insert(connection, statement.sql) : await engine.query(connection, statement.sql, usual);
        await this.#answer.whole(result, format);
      }
    });
  }

  /** On a connection with the settings of the request. What runs on it when the client goes away is killed. */
  async #connected(work: (connection: Connection) => Promise<void>): Promise<void> {
    const { engine, sessions } = this.#bridge;
    this.#gone.signal.throwIfAborted();
    const lease = sessions.lease(this.#query);
    const done = new AbortController();
    const killed = this.#killWhenGone(done.signal);
    try {
      const database = this.#query.get('database') ?? this.#header('x-clickhouse-database');
      if (database !== undefined && database !== '') {
        await engine.query(lease.connection, `USE \`${database.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``);
      }
      for (const statement of this.#settings()) {
        await engine.query(lease.connection, statement);
      }
      this.#gone.signal.throwIfAborted();
      await work(lease.connection);
    } finally {
      done.abort();
      lease.end();
      await killed;
    }
  }

  #settings(): readonly string[] {
    const statements = settingStatements(this.#query, this.#mark);
    return this.#request.method === 'GET' && !this.#query.has('session_id') ? [...statements, 'SET readonly = 2'] : statements;
  }

  async #killWhenGone(done: AbortSignal): Promise<void> {
    const gone = this.#gone.signal;
    await new Promise<void>((resolve) => [gone, done].forEach((signal) => signal.addEventListener('abort', () => resolve(), { once: true })));
    while (!done.aborted) {
      await this.#bridge.engine.kill(this.#mark).catch((error: unknown) => process.stderr.write(`KILL QUERY failed: ${messageOf(error)}\n`));
      await sleep(KILL_AGAIN_MS, undefined, { signal: done }).catch(() => undefined);
    }
  }

  #header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return typeof value === 'string' ? value : undefined;
  }
}

/** Answers a request as the HTTP interface of ClickHouse does. */
export const exchange = async (bridge: Bridge, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.pathname === '/ping' || (url.pathname === '/' && request.method === 'GET' && !url.searchParams.has('query'))) {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=UTF-8' }).end('Ok.\n');
  } else if (url.pathname === '/') {
    await new Exchange(bridge, request, response, url.searchParams).run();
  } else {
    new Answer(request, response, url.searchParams, '').fail(new Refusal(404, 'NOT_FOUND', `There is no handle ${url.pathname}`));
  }
};
