import type { Clock } from '../kernel/clock';
import { jsonAnswer, serveHttp, textAnswer, type RunningServer } from '../kernel/http-server';
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

/** After so many missed looks the figures are too old to be healthy. */
const STALE_INTERVALS = 3;

const healthOf = ({ app, collector, clock }: ExporterOptions): { readonly healthy: boolean; readonly body: object } => {
  const { snapshot, success, failures, error } = collector.state;
  const ageSeconds = snapshot === undefined ? null : Math.max(0, clock.now() - snapshot.at) / 1_000;
  const healthy = ageSeconds !== null && ageSeconds * 1_000 <= STALE_INTERVALS * collector.options.intervalMs + 1_000;
  return { healthy, body: { app, healthy, success, ageSeconds, failures, ...(error === undefined ? {} : { error }) } };
};

/**
 * Serves `/metrics` for Prometheus and `/healthz`, from what the collector has seen: a scrape causes no call to log or
 * database. There is no authentication, so it listens on loopback unless told otherwise.
 * @throws RefoldError `service.unavailable` if it cannot listen
 */
export const startExporter = (options: ExporterOptions): Promise<RunningServer> =>
  serveHttp({ what: 'the exporter', port: options.port, host: options.host }, (path) => {
    if (path === '/metrics') {
      return { status: 200, type: CONTENT_TYPE, body: exposition(metricsOf(options.app, options.collector.state)) };
    }
    if (path === '/healthz') {
      const { healthy, body } = healthOf(options);
      return jsonAnswer(healthy ? 200 : 503, body);
    }
    return textAnswer(404, 'see /metrics and /healthz');
  });
