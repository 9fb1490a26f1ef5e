import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** A registry of prom-client: its own, or the one that an application has already. */
export type MetricsRegistry = Registry;

/** A registry with what prom-client tells of every process: processor time, memory, delay of the event loop, garbage collection. */
export const processMetrics = (): MetricsRegistry => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
};

type Table = Readonly<Record<string, { readonly help: string; readonly labels: readonly string[]; readonly buckets?: readonly number[] }>>;

const GENERATION = ['app', 'projection', 'store', 'generation'] as const;
const REACTOR = ['app', 'reactor'] as const;
const APP = ['app'] as const;

/** Seconds. From what a prompt worker needs to what a person would call late. */
const VISIBLE = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const STEPS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const HANDLERS = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Every metric of a worker. The reference lists them; a test compares. */
export const COUNTERS = {
  refold_worker_records_total: { labels: [...GENERATION, 'outcome'], help: 'Offsets committed, by what they became.' },
  refold_worker_batches_total: { labels: GENERATION, help: 'Batches committed.' },
  refold_worker_rows_written_total: { labels: [...GENERATION, 'operation'], help: 'Rows written, each once per batch.' },
  refold_worker_row_cache_hits_total: { labels: GENERATION, help: 'Rows that a batch touched and that were known in memory.' },
  refold_worker_row_cache_misses_total: { labels: GENERATION, help: 'Rows that a batch touched and that the store was asked for.' },
  refold_worker_assignments_total: { labels: GENERATION, help: 'Assignments of partitions: joins, rebalances, claims after a fence.' },
  refold_worker_fences_total: { labels: GENERATION, help: 'Batches refused because somebody else had claimed a partition.' },
  refold_worker_holds_total: { labels: GENERATION, help: 'Batches refused because a hold forbade to go so far.' },
  refold_worker_retries_total: { labels: GENERATION, help: 'Events that failed and were tried again.' },
  refold_worker_stops_total: { labels: GENERATION, help: 'Partitions that stopped because an event could be neither folded nor parked.' },
  refold_worker_redriven_events_total: { labels: GENERATION, help: 'Parked events that this process folded after all.' },
  refold_worker_failures_total: { labels: [...GENERATION, 'outcome'], help: 'Errors that ended the folding of a generation here.' },
  refold_worker_reactor_records_total: { labels: [...REACTOR, 'outcome'], help: 'Offsets read by a reactor, by what they became.' },
  refold_worker_reactor_runs_total: { labels: [...REACTOR, 'outcome'], help: 'Calls of handlers, by how they ended.' },
  refold_worker_reactor_retries_total: { labels: REACTOR, help: 'Calls of handlers after the first for the same event.' },
  refold_worker_reactor_redriven_total: { labels: REACTOR, help: 'Parked records that were handled after all.' },
  refold_worker_reactor_assignments_total: { labels: REACTOR, help: 'Assignments of partitions to the reactor.' },
  refold_worker_reactor_fences_total: { labels: REACTOR, help: 'Positions not moved because somebody else had claimed the partition.' },
  refold_worker_reactor_stops_total: { labels: REACTOR, help: 'Partitions that stopped because a record can be neither read nor parked.' },
  refold_worker_reactor_failures_total: { labels: [...REACTOR, 'outcome'], help: 'Errors that ended a reactor here.' },
  refold_relay_published_total: { labels: APP, help: 'Events taken from the journal to the log.' },
  refold_relay_failures_total: { labels: APP, help: 'Errors of the relay.' },
} as const satisfies Table;

export const GAUGES = {
  refold_worker_alive: { labels: APP, help: '1 while the worker hears of log and database.' },
  refold_worker_ready: { labels: APP, help: '1 while /readyz would say so.' },
  refold_worker_paused: { labels: ['app', 'kind', 'name'], help: '1 while a projection or reactor is paused.' },
  refold_worker_assigned_partitions: { labels: GENERATION, help: 'Partitions that this worker folds.' },
  refold_worker_lag_records: { labels: GENERATION, help: 'Records between what is committed and the log, over the partitions of this worker.' },
  refold_worker_row_cache_bytes: { labels: GENERATION, help: 'What the rows kept in memory take, roughly, in bytes.' },
  refold_worker_reactor_assigned_partitions: { labels: REACTOR, help: 'Partitions that this worker handles.' },
  refold_worker_reactor_lag_records: { labels: REACTOR, help: 'Records between what is handled and the log, over the partitions of this worker.' },
  refold_relay_leads: { labels: APP, help: '1 while the relay of this process has the lease.' },
} as const satisfies Table;

export const HISTOGRAMS = {
  refold_worker_visible_seconds: {
    labels: GENERATION,
    buckets: VISIBLE,
    help: 'From the appending of the oldest record of a batch to its rows being committed.',
  },
  refold_worker_step_seconds: { labels: [...GENERATION, 'step'], buckets: STEPS, help: 'Steps of a batch.' },
  refold_worker_reactor_run_seconds: { labels: REACTOR, buckets: HANDLERS, help: 'Calls of handlers.' },
  refold_cutover_lock_seconds: { labels: ['app', 'store'], buckets: STEPS, help: 'For how long new readers had to wait behind a switch.' },
  refold_relay_publish_seconds: { labels: APP, buckets: STEPS, help: 'Publishing one batch of events.' },
} as const satisfies Table;

export type CounterName = keyof typeof COUNTERS;
export type GaugeName = keyof typeof GAUGES;
export type HistogramName = keyof typeof HISTOGRAMS;

export interface Instruments {
  readonly counters: Readonly<Record<CounterName, Counter>>;
  readonly gauges: Readonly<Record<GaugeName, Gauge>>;
  readonly histograms: Readonly<Record<HistogramName, Histogram>>;
}

interface Settings {
  readonly name: string;
  readonly help: string;
  readonly labelNames: string[];
  readonly registers: Registry[];
}

/** Those of the table that the registry does not hold are made: several applications may share one. */
const inRegistry = <T extends Table, M>(registry: Registry, table: T, make: (settings: Settings, buckets: readonly number[] | undefined) => M) =>
  Object.fromEntries(
    Object.entries(table).map(([name, { help, labels, buckets }]) => [
      name,
      (registry.getSingleMetric(name) as M | undefined) ?? make({ name, help, labelNames: [...labels], registers: [registry] }, buckets),
    ]),
  ) as unknown as Readonly<Record<keyof T, M>>;

export const instrumentsIn = (registry: Registry): Instruments => ({
  counters: inRegistry(registry, COUNTERS, (settings) => new Counter(settings)),
  gauges: inRegistry(registry, GAUGES, (settings) => new Gauge(settings)),
  histograms: inRegistry(registry, HISTOGRAMS, (settings, buckets = []) => new Histogram({ ...settings, buckets: [...buckets] })),
});
