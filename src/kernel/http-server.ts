import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RefoldError, messageOf } from './errors';

export interface RunningServer extends AsyncDisposable {
  /** Its address without a path: `http://127.0.0.1:9464`. */
  readonly url: string;
  close(): Promise<void>;
}

export interface HttpOptions {
  /** Names it in errors: `the exporter`. */
  readonly what: string;
  /** 0: any free port. */
  readonly port: number;
  /** Address to listen on. @defaultValue `127.0.0.1` */
  readonly host?: string | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export const jsonAnswer = (status: number, body: object): HttpAnswer => ({
  status,
  type: 'application/json; charset=utf-8',
  body: `${JSON.stringify(body)}\n`,
});

export const textAnswer = (status: number, body: string): HttpAnswer => ({ status, type: 'text/plain; charset=utf-8', body: `${body}\n` });

const send = (response: ServerResponse, { status, type, body }: HttpAnswer): void => {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'content-length': Buffer.byteLength(body) });
  response.end(body);
};

const listen = (server: Server, { what, port, host = '127.0.0.1' }: HttpOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new RefoldError('service.unavailable', `${what} cannot listen: ${messageOf(error)}`, {
          facts: { host, port },
          remedy: 'Choose another port or host, or end the process that listens there.',
          cause: error,
        }),
      ),
    );
    server.listen(port, host, () => resolve());
  });

const urlOf = ({ address, family, port }: AddressInfo): string => `http://${family === 'IPv6' ? `[${address}]` : address}:${String(port)}`;

/** Never rejects. */
const answered = async (answer: (path: string) => HttpAnswer | Promise<HttpAnswer>, path: string): Promise<HttpAnswer> => {
  try {
    return await answer(path);
  } catch (error) {
    return textAnswer(500, messageOf(error));
  }
};

/**
 * Answers GET and HEAD by path; where that throws or rejects, with 500 and the reason. There is no authentication, so it
 * listens on loopback unless told otherwise.
 * @throws RefoldError `service.unavailable` if it cannot listen
 */
export const serveHttp = async (options: HttpOptions, answer: (path: string) => HttpAnswer | Promise<HttpAnswer>): Promise<RunningServer> => {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'GET' || request.method === 'HEAD') {
      void answered(answer, (request.url ?? '/').split('?')[0]!).then((said) => {
        send(response, said);
      });
    } else {
      response.setHeader('allow', 'GET, HEAD');
      send(response, textAnswer(405, 'only GET'));
    }
  });
  await listen(server, options);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }));
  return { url: urlOf(server.address() as AddressInfo), close, [Symbol.asyncDispose]: close };
};
