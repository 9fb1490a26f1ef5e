import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';
import { Refusal } from './refusal';

/** A statement is held in memory, rows are not: so much text is taken as a statement, in bytes. */
const MOST_SQL = 64 * 1024 * 1024;

type Decompressor = NodeJS.ReadWriteStream;

const DECOMPRESSORS: Readonly<Record<string, (() => Decompressor) | undefined>> = {
  gzip: () => zlib.createGunzip(),
  deflate: () => zlib.createInflate(),
  br: () => zlib.createBrotliDecompress(),
};

/** What the body goes through: nothing, or what its encoding needs. */
const decompression = (request: IncomingMessage): readonly Decompressor[] => {
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined || encoding === '' || encoding === 'identity') {
    return [];
  }
  const make = DECOMPRESSORS[encoding];
  if (make === undefined) {
    throw new Refusal(89, 'UNKNOWN_COMPRESSION_METHOD', `The embedded ClickHouse does not take Content-Encoding: ${encoding}; use gzip`);
  }
  return [make()];
};

/** Rejects where the client goes away before the body is complete. */
export const readText = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  await pipeline([
    request,
    ...decompression(request),
    async (source: Readable): Promise<void> => {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > MOST_SQL) {
          throw new Refusal(
            307,
            'TOO_MANY_BYTES',
            `The statement is longer than ${MOST_SQL} bytes; give the INSERT as the parameter query and only the rows as the body`,
          );
        }
        chunks.push(chunk);
      }
    },
  ] as never);
  return Buffer.concat(chunks).toString('utf8');
};

/** The fields of a multipart form, as clients send long parameters. */
export const readForm = (contentType: string, text: string): Readonly<Record<string, string>> => {
  const boundary = /boundary=("?)([^";]+)\1/i.exec(contentType)?.[2];
  if (boundary === undefined) {
    throw new Refusal(36, 'BAD_ARGUMENTS', 'the form has no boundary');
  }
  const fields = `\r\n${text}`
    .split(`\r\n--${boundary}`)
    .slice(1, -1)
    .map((part): [string, string] => {
      const end = part.indexOf('\r\n\r\n');
      const name = /name="([^"]*)"/.exec(part.slice(0, end))?.[1];
      if (end === -1 || name === undefined) {
        throw new Refusal(36, 'BAD_ARGUMENTS', 'a part of the form has no name');
      }
      return [name, part.slice(end + 4)];
    });
  return Object.fromEntries(fields);
};

/** Holds the rows of INSERTs in private files until the engine has read them. */
export class Spool {
  /** `folder` is relative to the working directory and stays so: in an absolute path the engine would take `{` or `*` as a pattern. */
  constructor(private readonly folder: string) {
    fs.rmSync(folder, { recursive: true, force: true }); // of a process that was killed
    fs.mkdirSync(folder, { mode: 0o700 });
  }

  /** Calls `use` with a file of what stood in the statement and what is in the body. */
  async with<T>(inline: string, request: IncomingMessage | undefined, use: (file: string) => Promise<T>): Promise<T> {
    const file = path.join(this.folder, randomUUID());
    try {
      const body = request === undefined ? [] : [request, ...decompression(request)];
      await fs.promises.writeFile(file, inline, { mode: 0o600, flag: 'wx' });
      if (body.length > 0) {
        await pipeline([...body, fs.createWriteStream(file, { flags: 'a' })] as never);
      }
      return await use(file);
    } finally {
      await fs.promises.rm(file, { force: true });
    }
  }
}
