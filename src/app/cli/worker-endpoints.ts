import { jsonAnswer, serveHttp, textAnswer, type HttpAnswer, type RunningServer } from '../../kernel/http-server';
import type { MetricsRegistry } from '../telemetry/instruments';
import type { Worker } from '../worker';

export interface Endpoints {
  readonly worker: Pick<Worker, 'name' | 'liveness' | 'readiness'>;
  readonly metrics: MetricsRegistry;
  /** 0: any free port. */
  readonly port: number;
  /** @defaultValue `127.0.0.1` */
  readonly host?: string | undefined;
}

const answerTo = ({ worker, metrics }: Endpoints, path: string): HttpAnswer | Promise<HttpAnswer> => {
  switch (path) {
    case '/healthz':
    case '/livez': {
      const liveness = worker.liveness();
      return jsonAnswer(liveness.alive ? 200 : 503, { worker: worker.name, ...liveness });
    }
    case '/readyz': {
      const readiness = worker.readiness();
      return jsonAnswer(readiness.ready ? 200 : 503, { worker: worker.name, ...readiness });
    }
    case '/metrics':
      return metrics.metrics().then((body) => ({ status: 200, type: metrics.contentType, body }));
    default:
      return textAnswer(404, 'see /healthz, /readyz and /metrics');
  }
};

/**
 * Serves what a worker says of itself: `/healthz` (also `/livez`), `/readyz`, `/metrics`. There is no authentication, so it
 * listens on loopback unless told otherwise.
 * @throws RefoldError `service.unavailable` if it cannot listen
 */
export const serveWorker = (endpoints: Endpoints): Promise<RunningServer> =>
  serveHttp({ what: 'the worker', port: endpoints.port, host: endpoints.host }, (path) => answerTo(endpoints, path));
