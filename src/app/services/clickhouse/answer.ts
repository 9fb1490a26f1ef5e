import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import type { Result } from './engine';
import { failureOf } from './refusal';

const gzip = promisify(zlib.gzip);
/** Speed before size on one machine. */
const LEVEL = { level: 1 };

const TYPES: readonly (readonly [RegExp, string])[] = [
  [/^JSON.*EachRow/i, 'application/x-ndjson; charset=UTF-8'],
  [/^JSON/i, 'application/json; charset=UTF-8'],
  [/^CSV/i, 'text/csv; charset=UTF-8'],
  [/^(TabSeparated|TSV)/i, 'text/tab-separated-values; charset=UTF-8'],
  [/^(RowBinary|Native|Parquet|Arrow|ORC|Avro)/i, 'application/octet-stream'],
];

/** The answer to one request, with the headers ClickHouse gives. */
export class Answer {
  readonly #response: ServerResponse;
  readonly #compressed: boolean;
  readonly #began = process.hrtime.bigint();
  readonly #exceptionTag = randomBytes(8).toString('hex');
  readonly #headers: Record<string, string>;
  #compressor: zlib.Gzip | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, query: URLSearchParams, queryId: string) {
    this.#response = response;
    this.#compressed = query.get('enable_http_compression') === '1' && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    this.#headers = { 'X-ClickHouse-Server-Display-Name': 'refold', 'X-ClickHouse-Query-Id': queryId, 'X-ClickHouse-Timezone': 'UTC' };
  }

  async whole(result: Result, format: string): Promise<void> {
    const plain = Buffer.from(result.bytes ?? []);
    const body = this.#compressed && plain.length > 0 ? await gzip(plain, LEVEL) : plain;
    this.#head(result, format, body === plain ? {} : { 'Content-Encoding': 'gzip' }, body.length);
    this.#response.end(body);
  }

  /** Sends what comes while it comes, no faster than the client takes it. */
  async stream(blocks: AsyncIterable<Uint8Array>, format: string, gone: AbortSignal): Promise<void> {
    let out: NodeJS.WritableStream | undefined;
    for await (const block of blocks) {
      out ??= this.#beginStream(format);
      if (!out.write(Buffer.from(block.buffer, block.byteOffset, block.byteLength))) {
        await once(out, 'drain', { signal: gone });
      }
      gone.throwIfAborted();
    }
    out ??= this.#beginStream(format);
    out.end();
  }

  fail(error: unknown): void {
    const { code, status, text } = failureOf(error);
    if (this.#response.headersSent) {
      this.#failMidway(text);
      return;
    }
    const body = Buffer.from(text);
    const challenge = status === 401 ? { 'WWW-Authenticate': 'Basic realm="ClickHouse server HTTP API"' } : {};
    this.#response.writeHead(status, {
      ...this.#headers,
      ...challenge,
      'X-ClickHouse-Exception-Code': String(code),
      'Content-Type': 'text/plain; charset=UTF-8',
      'Content-Length': body.length,
    });
    this.#response.end(body);
  }

  #beginStream(format: string): NodeJS.WritableStream {
    this.#head({}, format, { 'X-ClickHouse-Exception-Tag': this.#exceptionTag, ...(this.#compressed ? { 'Content-Encoding': 'gzip' } : {}) });
    if (!this.#compressed) {
      return this.#response;
    }
    this.#compressor = zlib.createGzip(LEVEL);
    this.#compressor.pipe(this.#response);
    return this.#compressor;
  }

  /**
   * After rows were sent the status cannot tell: the error follows them, in the block that ClickHouse appends since 25.11,
   * and the connection breaks off, so that nobody takes the rows for all there are.
   */
  #failMidway(text: string): void {
    const [tag, marker] = [this.#exceptionTag, '__exception__'];
    const block = `\r\n${marker}\r\n${tag}\r\n${text}${Buffer.byteLength(text)} ${tag}\r\n${marker}\r\n`;
    const breakOff = (): void => this.#response.socket?.destroySoon();
    if (this.#compressor === undefined) {
      this.#response.write(block, breakOff);
      return;
    }
    this.#compressor.unpipe(this.#response);
    const rest: Buffer[] = [];
    this.#compressor.on('data', (chunk: Buffer) => rest.push(chunk));
    this.#compressor.once('end', () => this.#response.write(Buffer.concat(rest), breakOff));
    this.#compressor.resume(); // unpipe paused it
    this.#compressor.end(block);
  }

  #head(result: Result, format: string, further: Record<string, string>, length?: number): void {
    const count = (value: number | undefined): string => String(value ?? 0);
    const summary = {
      read_rows: count(result.rowsRead),
      read_bytes: count(result.bytesRead),
      written_rows: count(result.rowsWritten),
      written_bytes: count(result.bytesWritten),
      total_rows_to_read: '0',
      result_rows: count(result.rowsWritten),
      result_bytes: count(result.bytesWritten),
      elapsed_ns: String(process.hrtime.bigint() - this.#began),
    };
    this.#response.writeHead(200, {
      ...this.#headers,
      ...further,
      'X-ClickHouse-Format': format,
      'X-ClickHouse-Summary': JSON.stringify(summary),
      'Content-Type': TYPES.find(([pattern]) => pattern.test(format))?.[1] ?? 'text/plain; charset=UTF-8',
      ...(length === undefined ? {} : { 'Content-Length': String(length) }),
    });
  }
}
