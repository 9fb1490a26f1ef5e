import { partitionId, type TopicPartition } from '../events/position';
import type { Generation, GenerationStatus } from '../projections/generations';
import type { ReactorLag } from './reactor-lag';
import type { CollectorState, LagSnapshot } from './collector';
import type { Labels, Metric, MetricType, Sample } from './metric';
import { replayMetrics } from './replay-standing';
import { LAG_STATUSES, type GenerationLag, type PartitionLag } from './lag';

/** Content type of the text exposition format. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');
const valueText = (value: number): string => (Number.isNaN(value) ? 'NaN' : value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value));
const labelsText = (labels: Labels): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
};

/** Pure: metrics in the text exposition format 0.0.4. */
export const exposition = (metrics: readonly Metric[]): string =>
  metrics
    .flatMap(({ name, type, help, samples }) => [
      `# HELP ${name} ${escapeHelp(help)}`,
      `# TYPE ${name} ${type}`,
      ...samples.map(({ labels, value }) => `${name}${labelsText(labels)} ${valueText(value)}`),
    ])
    .join('\n')
    .concat('\n');

const GENERATION_STATUSES: readonly GenerationStatus[] = ['candidate', 'active', 'standby'];

/** What the records read became; `read` is their sum. */
const OUTCOMES = ['applied', 'filtered', 'late', 'parked', 'discarded', 'errata', 'control'] as const;

const generationLabels = ({ app, projection, store, version, run }: Generation): Labels => ({
  app,
  projection,
  store,
  generation: `v${String(version)}.r${String(run)}`,
});

const partitionLabels = ({ topic, partition }: TopicPartition): Labels => ({ topic, partition: String(partition) });

const metric = (name: string, type: MetricType, help: string, samples: readonly Sample[]): Metric => ({ name, type, help, samples });

type Expand<T> = (of: T) => readonly (Sample | number)[];

/** One sample per value; a bare number has the labels of its owner alone. */
const expand = (labels: Labels, values: readonly (Sample | number)[]): readonly Sample[] =>
  values.map((one) => (typeof one === 'number' ? { labels, value: one } : { labels: { ...labels, ...one.labels }, value: one.value }));

const oneOf = (name: string, all: readonly string[], is: string): readonly Sample[] =>
  all.map((value) => ({ labels: { [name]: value }, value: value === is ? 1 : 0 }));

const PARTITION_METRICS: readonly (readonly [string, MetricType, string, Expand<PartitionLag>])[] = [
  ['refold_projection_lag_records', 'gauge', 'Offsets between the next one to fold and the stable head that the log still holds.', (p) => [p.lagRecords]],
  ['refold_projection_lag_seconds', 'gauge', 'For how long the first record not folded has been in the log; 0 where none waits.', (p) => [p.lagSeconds]],
  [
    'refold_projection_event_time_lag_seconds',
    'gauge',
    'Event time between what is folded and the newest record; 0 where none waits.',
    (p) => [p.eventTimeLagSeconds],
  ],
  ['refold_projection_next_offset', 'gauge', 'Offset at which folding goes on; without a checkpoint the start of the log.', (p) => [p.next]],
  ['refold_projection_records_lost', 'gauge', 'Records that the log gave up before they were folded.', (p) => [p.recordsLost]],
  ['refold_projection_retention_margin_records', 'gauge', 'Offsets that retention may take before anything is lost.', (p) => [p.retentionMargin]],
  ['refold_projection_records_read_total', 'counter', 'Offsets read: the sum of refold_projection_records_total over its outcomes.', (p) => [p.counters.read]],
  [
    'refold_projection_records_total',
    'counter',
    'Offsets read, by what they became.',
    (p) => OUTCOMES.map((outcome) => ({ labels: { outcome }, value: p.counters[outcome] })),
  ],
  ['refold_projection_status', 'gauge', '1 for the status of the partition, 0 for all others.', (p) => oneOf('status', LAG_STATUSES, p.status)],
];

const GENERATION_METRICS: readonly (readonly [string, string, Expand<GenerationLag>])[] = [
  ['refold_parked_sequences', 'Keys with an event that could not be folded; its later events wait behind it.', (g) => [g.parked.sequences]],
  ['refold_parked_events', 'Events that are parked: failed ones and those that wait behind them.', (g) => [g.parked.events]],
  ['refold_projection_workers_live', 'Live workers whose code can fold the generation.', (g) => [g.workers]],
  [
    'refold_projection_generation_status',
    '1 for the status of the generation, 0 for all others.',
    (g) => oneOf('status', GENERATION_STATUSES, g.generation.status),
  ],
];

const REACTOR_METRICS: readonly (readonly [string, MetricType, string, Expand<PartitionLag>])[] = [
  ['refold_reactor_lag_records', 'gauge', 'Offsets between the next one to handle and the stable head that the log still holds.', (p) => [p.lagRecords]],
  ['refold_reactor_lag_seconds', 'gauge', 'For how long the first record not handled has been in the log; 0 where none waits.', (p) => [p.lagSeconds]],
  ['refold_reactor_next_offset', 'gauge', 'Offset at which handling goes on.', (p) => [p.next]],
  [
    'refold_reactor_records_total',
    'counter',
    'Offsets read, by what they became.',
    ({ counters: { applied: handled, filtered, parked, errata, control } }) =>
      Object.entries({ handled, filtered, parked, errata, control }).map(([outcome, value]) => ({ labels: { outcome }, value })),
  ],
  ['refold_reactor_status', 'gauge', '1 for the status of the partition, 0 for all others.', (p) => oneOf('status', LAG_STATUSES, p.status)],
];

const reactorMetrics = (app: string, reactors: readonly ReactorLag[]): readonly Metric[] => {
  const each = (of: (one: ReactorLag) => number): readonly Sample[] => reactors.map((one) => ({ labels: { app, reactor: one.name }, value: of(one) }));
  const byPartition = (of: Expand<PartitionLag>): readonly Sample[] =>
    reactors.flatMap(({ name, partitions }) => partitions.flatMap((one) => expand({ app, reactor: name, ...partitionLabels(one) }, of(one))));
  return [
    ...REACTOR_METRICS.map(([name, type, help, of]) => metric(name, type, help, byPartition(of))),
    metric(
      'refold_reactor_parked_records',
      'gauge',
      'Records that wait to be redriven or discarded.',
      each(({ parked }) => parked),
    ),
    metric(
      'refold_reactor_workers_live',
      'gauge',
      'Live workers that host the reactor.',
      each(({ workers }) => workers),
    ),
  ];
};

const snapshotMetrics = (app: string, { generations, reactors, replays, heads, workers, declared }: LagSnapshot): readonly Metric[] => {
  const byPartition = (of: Expand<PartitionLag>): readonly Sample[] =>
    generations.flatMap(({ generation, partitions }) =>
      partitions.flatMap((one) => expand({ ...generationLabels(generation), ...partitionLabels(one) }, of(one))),
    );
  const unique = [...new Map(heads.map((head) => [partitionId(head), head])).values()];
  const byHead = (of: (head: (typeof heads)[number]) => number): readonly Sample[] =>
    unique.map((head) => ({ labels: { app, ...partitionLabels(head) }, value: of(head) }));
  return [
    ...PARTITION_METRICS.map(([name, type, help, of]) => metric(name, type, help, byPartition(of))),
    ...GENERATION_METRICS.map(([name, help, of]) =>
      metric(
        name,
        'gauge',
        help,
        generations.flatMap((one) => expand(generationLabels(one.generation), of(one))),
      ),
    ),
    ...reactorMetrics(app, reactors),
    ...replayMetrics(app, replays),
    metric(
      'refold_log_start_offset',
      'gauge',
      'First offset that the log holds.',
      byHead(({ start }) => start),
    ),
    metric(
      'refold_log_stable_offset',
      'gauge',
      'Offset up to which records can be read.',
      byHead(({ stable }) => stable),
    ),
    metric(
      'refold_log_end_offset',
      'gauge',
      'End of the log, records of open transactions included where the log tells them apart.',
      byHead(({ end }) => end),
    ),
    metric(
      'refold_projection_built',
      'gauge',
      '1 if a generation of the declared projection is followed.',
      declared.map(({ projection, store, built }) => ({ labels: { app, projection, store }, value: built ? 1 : 0 })),
    ),
    metric('refold_workers_live', 'gauge', 'Live workers of the application.', [{ labels: { app }, value: workers }]),
  ];
};

/** Pure: everything the exporter says. A failed look keeps the series of the last one; the collector's own tell its age. */
export const metricsOf = (app: string, { snapshot, success, failures }: CollectorState): readonly Metric[] => {
  const own = (value: number): readonly Sample[] => [{ labels: { app }, value }];
  return [
    ...(snapshot === undefined ? [] : snapshotMetrics(app, snapshot)),
    metric('refold_lag_collector_success', 'gauge', '1 if the last look at log and checkpoints succeeded.', own(success ? 1 : 0)),
    metric(
      'refold_lag_collector_last_success_timestamp_seconds',
      'gauge',
      'When log and checkpoints were last read, seconds since the epoch; 0: never.',
      own((snapshot?.at ?? 0) / 1_000),
    ),
    metric('refold_lag_collector_failures_total', 'counter', 'Looks at log and checkpoints that failed.', own(failures)),
  ];
};
