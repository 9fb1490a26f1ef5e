import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../kernel/clock';
import { RefoldError, messageOf } from '../kernel/errors';
import type { LagCollector } from './collector';
import { CONTENT_TYPE, exposition, metricsOf } from './prometheus';

export interface ExporterOptions {
  readonly app: string;
  readonly collector: LagCollector;
  readonly clock: Clock;
  /** 0: any free port. */
  readonly port: number;
  /** Address to listen on. @defaultValue `127.0.0.1` */
  readonly host?: string;
}

export interface RunningExporter extends AsyncDisposable {
  /** Address of the exporter without a path: `http://127.0.0.1:9464`. */
  readonly url: string;
  close(): Promise<void>;
}

/** After so many missed looks the figures are too old to be healthy. */
const STALE_INTERVALS = 3;

const healthOf = ({ app, collector, clock }: ExporterOptions): { readonly healthy: boolean; readonly body: object } => {
  const { snapshot, success, failures, error } = collector.state;
  const ageSeconds = snapshot === undefined ? null : Math.max(0, clock.now() - snapshot.at) / 1_000;
  const healthy = ageSeconds !== null && ageSeconds * 1_000 <= STALE_INTERVALS * collector.options.intervalMs + 1_000;
  return { healthy, body: { app, healthy, success, ageSeconds, failures, ...(error === undefined ? {} : { error }) } };
};

const answer = (response: ServerResponse, status: number, type: string, body: string): void => {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'content-length': Buffer.byteLength(body) });
  response.end(body);
};

const handle = (options: ExporterOptions, request: IncomingMessage, response: ServerResponse): void => {
  const path = (request.url ?? '/').split('?')[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    answer(response, 405, 'text/plain; charset=utf-8', 'only GET\n');
  } else if (path === '/metrics') {
    answer(response, 200, CONTENT_TYPE, exposition(metricsOf(options.app, options.collector.state)));
  } else if (path === '/healthz') {
    const { healthy, body } = healthOf(options);
    answer(response, healthy ? 200 : 503, 'application/json; charset=utf-8', `${JSON.stringify(body)}\n`);
  } else {
    answer(response, 404, 'text/plain; charset=utf-8', 'see /metrics and /healthz\n');
  }
};

const listen = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new RefoldError('service.unavailable', `the exporter cannot listen: ${messageOf(error)}`, {
          facts: { host, port },
          remedy: 'Choose another --port or --host, or end the process that listens there.',
          cause: error,
        }),
      ),
    );
    server.listen(port, host, () => resolve());
  });

const urlOf = ({ address, family, port }: AddressInfo): string => `http://${family === 'IPv6' ? `[${address}]` : address}:${String(port)}`;

/**
 * Serves `/metrics` for Prometheus and `/healthz`, from what the collector has seen: a scrape causes no call to log or
 * database. There is no authentication, so it listens on loopback unless told otherwise.
 * @throws RefoldError `service.unavailable` if it cannot listen
 */
export const startExporter = async (options: ExporterOptions): Promise<RunningExporter> => {
  const server = createServer((request, response) => handle(options, request, response));
  await listen(server, options.port, options.host ?? '127.0.0.1');
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }));
  return { url: urlOf(server.address() as AddressInfo), close, [Symbol.asyncDispose]: close };
};
