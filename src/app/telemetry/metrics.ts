import type { RelayEvent } from '../../commands/relay';
import type { CommittedBatch, RunnerEvent } from '../../projections/engine/runner-parts';
import { NO_COUNTS, type Generation } from '../../projections/generations';
import type { ReactorEvent } from '../../reactors/observation';
import type { Followed } from '../following';
import type { MetricsRegistry } from './instruments';
import { seriesIn, type Series } from './series';
import type { Telemetry, WorkerStatus } from './telemetry';

const OUTCOMES = Object.keys(NO_COUNTS).filter((name) => name !== 'read') as readonly Exclude<keyof typeof NO_COUNTS, 'read'>[];
const REACTOR_OUTCOMES = ['handled', 'filtered', 'parked', 'errata', 'control'] as const;
const OPERATIONS = ['upserts', 'deletes', 'merges'] as const;
const OPERATION_LABELS = { upserts: 'upsert', deletes: 'delete', merges: 'merge' } as const;
const STEPS = ['decode', 'load', 'fold', 'commit'] as const;
const RUNS = ['done', 'failed', 'stopped'] as const;

const FAILURES = ['retried', 'given-up'] as const;

const GENERATION_COUNTERS = [
  'refold_worker_batches_total',
  'refold_worker_row_cache_hits_total',
  'refold_worker_row_cache_misses_total',
  'refold_worker_assignments_total',
  'refold_worker_fences_total',
  'refold_worker_holds_total',
  'refold_worker_retries_total',
  'refold_worker_stops_total',
  'refold_worker_redriven_events_total',
] as const;
const GENERATION_GAUGES = ['refold_worker_assigned_partitions', 'refold_worker_lag_records', 'refold_worker_row_cache_bytes'] as const;
const REACTOR_COUNTERS = [
  'refold_worker_reactor_retries_total',
  'refold_worker_reactor_redriven_total',
  'refold_worker_reactor_assignments_total',
  'refold_worker_reactor_fences_total',
  'refold_worker_reactor_stops_total',
] as const;
const REACTOR_GAUGES = ['refold_worker_reactor_assigned_partitions', 'refold_worker_reactor_lag_records'] as const;

/** What is not hosted here any more has no share of this worker. */
const zero = (series: Series, names: readonly (typeof GENERATION_GAUGES)[number][] | readonly (typeof REACTOR_GAUGES)[number][]): void => {
  names.forEach((name) => series.gauge(name).set(0));
};

const begunGeneration = (series: Series): Series => {
  OUTCOMES.forEach((outcome) => series.counter('refold_worker_records_total', ['outcome', outcome]));
  OPERATIONS.forEach((operation) => series.counter('refold_worker_rows_written_total', ['operation', OPERATION_LABELS[operation]]));
  STEPS.forEach((step) => series.histogram('refold_worker_step_seconds', ['step', step]));
  FAILURES.forEach((outcome) => series.counter('refold_worker_failures_total', ['outcome', outcome]));
  series.histogram('refold_worker_visible_seconds');
  GENERATION_COUNTERS.forEach((name) => series.counter(name));
  GENERATION_GAUGES.forEach((name) => series.gauge(name));
  return series;
};

const begunReactor = (series: Series): Series => {
  REACTOR_OUTCOMES.forEach((outcome) => series.counter('refold_worker_reactor_records_total', ['outcome', outcome]));
  RUNS.forEach((outcome) => series.counter('refold_worker_reactor_runs_total', ['outcome', outcome]));
  FAILURES.forEach((outcome) => series.counter('refold_worker_reactor_failures_total', ['outcome', outcome]));
  series.histogram('refold_worker_reactor_run_seconds');
  REACTOR_COUNTERS.forEach((name) => series.counter(name));
  REACTOR_GAUGES.forEach((name) => series.gauge(name));
  return series;
};

const begunApp = (series: Series): Series => {
  series.gauge('refold_worker_alive');
  series.gauge('refold_worker_ready');
  return series;
};

/** When the oldest record that was committed had been appended. */

const countBatch = (series: Series, batch: CommittedBatch): void => {
  const { advances, figures } = batch;
  series.counter('refold_worker_batches_total').inc();
  for (const outcome of OUTCOMES) {
    const records = advances.reduce((total, { counters }) => total + counters[outcome], 0);
    if (records > 0) {
      series.counter('refold_worker_records_total', ['outcome', outcome]).inc(records);
    }
  }
  if (figures.oldestAt !== undefined) {
    series.histogram('refold_worker_visible_seconds').observe(Math.max(0, figures.committedAt - figures.oldestAt) / 1_000);
  }
  for (const operation of OPERATIONS) {
    if (batch[operation].length > 0) {
      series.counter('refold_worker_rows_written_total', ['operation', OPERATION_LABELS[operation]]).inc(batch[operation].length);
    }
  }
  if (figures.cacheHits + figures.cacheMisses > 0) {
    series.counter('refold_worker_row_cache_hits_total').inc(figures.cacheHits);
    series.counter('refold_worker_row_cache_misses_total').inc(figures.cacheMisses);
    series.gauge('refold_worker_row_cache_bytes').set(figures.cacheBytes);
  }
  series.histogram('refold_worker_step_seconds', ['step', 'load']).observe(figures.loadMs / 1_000);
  series.histogram('refold_worker_step_seconds', ['step', 'fold']).observe(figures.foldMs / 1_000);
  series.histogram('refold_worker_step_seconds', ['step', 'commit']).observe(figures.commitMs / 1_000);
};

const countRunner = (series: Series, event: RunnerEvent): void => {
  switch (event.kind) {
    case 'committed':
      return countBatch(series, event);
    case 'decoded':
      return series.histogram('refold_worker_step_seconds', ['step', 'decode']).observe(event.ms / 1_000);
    case 'assigned':
      series.gauge('refold_worker_assigned_partitions').set(event.assignment.partitions.length);
      return series.counter('refold_worker_assignments_total').inc();
    case 'held':
      return series.counter('refold_worker_holds_total').inc();
    case 'fenced':
      return series.counter('refold_worker_fences_total').inc();
    case 'retried':
      return series.counter('refold_worker_retries_total').inc();
    case 'stopped':
      return series.counter('refold_worker_stops_total').inc();
    case 'parked':
      return; // counted by the advances
  }
};

const countReactor = (series: Series, event: ReactorEvent): void => {
  switch (event.kind) {
    case 'moved':
      for (const outcome of REACTOR_OUTCOMES) {
        series.counter('refold_worker_reactor_records_total', ['outcome', outcome]).inc(event.counts[outcome]);
      }
      return;
    case 'tried':
      series.counter('refold_worker_reactor_runs_total', ['outcome', event.outcome]).inc();
      series.counter('refold_worker_reactor_retries_total').inc(event.isAgain ? 1 : 0);
      return series.histogram('refold_worker_reactor_run_seconds').observe(event.ms / 1_000);
    case 'assigned':
      series.gauge('refold_worker_reactor_assigned_partitions').set(event.assignment.partitions.length);
      return series.counter('refold_worker_reactor_assignments_total').inc();
    case 'fenced':
      return series.counter('refold_worker_reactor_fences_total').inc();
    case 'redriven':
      return series.counter('refold_worker_reactor_redriven_total').inc();
    case 'stopped':
      return series.counter('refold_worker_reactor_stops_total').inc();
    case 'progress':
      return;
  }
};

/** Only where there is a relay: that none leads is worth an alert. */
const begunRelay = (series: Series): void => {
  series.counter('refold_relay_published_total');
  series.counter('refold_relay_failures_total');
  series.gauge('refold_relay_leads');
  series.histogram('refold_relay_publish_seconds');
};

const countRelay = (series: Series, event: RelayEvent): void => {
  begunRelay(series);
  if (event.kind === 'published') {
    series.counter('refold_relay_published_total').inc(event.events);
    series.histogram('refold_relay_publish_seconds').observe(event.ms / 1_000);
  } else if (event.kind === 'failed') {
    series.counter('refold_relay_failures_total').inc();
  } else {
    series.gauge('refold_relay_leads').set(event.kind === 'leads' ? 1 : 0);
  }
};

const switchesIn =
  (app: string, series: ReturnType<typeof seriesIn>): Telemetry['switched'] =>
  (store, lockMs) => {
    series({ app, store })
      .histogram('refold_cutover_lock_seconds')
      .observe(lockMs / 1_000);
  };

/** Counts what an application does into a registry. Costs some microseconds per batch, and nothing per event. */
export const metricsOf = (
  app: string,
  registry: MetricsRegistry,
): Pick<Telemetry, 'runner' | 'reactor' | 'relay' | 'failed' | 'redriven' | 'switched' | 'worker'> => {
  const series = seriesIn(registry);
  const own = begunApp(series({ app }));
  const [generations, reactors] = [new Map<number, Series>(), new Map<string, Series>()];
  const ofGeneration = ({ id, projection, store, version, run }: Generation): Series => {
    const known = generations.get(id) ?? begunGeneration(series({ app, projection, store, generation: `v${String(version)}.r${String(run)}` }));
    generations.set(id, known);
    return known;
  };
  const ofReactor = (reactor: string): Series => {
    const known = reactors.get(reactor) ?? begunReactor(series({ app, reactor }));
    reactors.set(reactor, known);
    return known;
  };
  const failed = (followed: Followed, again: boolean): void => {
    const outcome = ['outcome', again ? 'retried' : 'given-up'] as const;
    if (followed.kind === 'generation') {
      ofGeneration(followed.generation).counter('refold_worker_failures_total', outcome).inc();
    } else {
      ofReactor(followed.reactor).counter('refold_worker_reactor_failures_total', outcome).inc();
    }
  };
  const worker = ({ alive, ready, following, pauses }: WorkerStatus): void => {
    own.gauge('refold_worker_alive').set(alive ? 1 : 0);
    own.gauge('refold_worker_ready').set(ready ? 1 : 0);
    for (const { kind, name, paused } of pauses) {
      series({ app, kind, name })
        .gauge('refold_worker_paused')
        .set(paused ? 1 : 0);
    }
    const left = new Set([...generations.values(), ...reactors.values()]);
    for (const { followed, partitions, lagRecords } of following) {
      const [of, lag, assigned] =
        followed.kind === 'generation'
          ? ([ofGeneration(followed.generation), 'refold_worker_lag_records', 'refold_worker_assigned_partitions'] as const)
          : ([ofReactor(followed.reactor), 'refold_worker_reactor_lag_records', 'refold_worker_reactor_assigned_partitions'] as const);
      left.delete(of);
      of.gauge(assigned).set(partitions);
      if (lagRecords !== undefined) {
        of.gauge(lag).set(lagRecords);
      }
    }
    generations.forEach((one) => left.has(one) && zero(one, GENERATION_GAUGES));
    reactors.forEach((one) => left.has(one) && zero(one, REACTOR_GAUGES));
  };
  return {
    runner: (generation, event) => countRunner(ofGeneration(generation), event),
    reactor: (reactor, event) => countReactor(ofReactor(reactor), event),
    relay: (event) => countRelay(own, event),
    redriven: (generation, events) => ofGeneration(generation).counter('refold_worker_redriven_events_total').inc(events),
    switched: switchesIn(app, series),
    failed,
    worker,
  };
};
