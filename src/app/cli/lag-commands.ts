import { LagCollector, type CollectorOptions, type LagSnapshot } from '../../lag-monitor/collector';
import { startExporter } from '../../lag-monitor/exporter';
import type { ReactorLag } from '../../lag-monitor/reactor-lag';
import type { GenerationLag, PartitionLag } from '../../lag-monitor/lag';
import { alertRules, rulesYaml } from '../../lag-monitor/rules';
import type { ConnectedApp } from '../connect';
import { TOKENS } from '../container';
import { replayStandings } from '../replay-standings';
import type { Action, OfflineAction } from './session';
import { grouped, table } from './text';

/** Durations in milliseconds. */
export interface ObjectiveFlags {
  readonly objective?: number;
}

export interface ExportFlags extends ObjectiveFlags {
  readonly port: number;
  readonly host?: string;
  readonly interval?: number;
}

export interface RulesFlags {
  readonly objective: number;
  readonly only?: string;
}

const collectorOf = ({ app, container, reactors, replays }: ConnectedApp, options: Partial<CollectorOptions>): LagCollector => {
  const names = new Map(app.projections.flatMap(({ name, stores }) => stores.map((store) => [`${name} ${store}`, { projection: name, store }])));
  return new LagCollector({
    catalog: container.resolve(TOKENS.catalog),
    parking: container.resolve(TOKENS.parking),
    log: container.resolve(TOKENS.log),
    clock: container.resolve(TOKENS.clock),
    logger: container.resolve(TOKENS.logger),
    declared: [...names.values()],
    replays: () => replayStandings(replays, container.resolve(TOKENS.catalog)),
    reactors: async () => (await reactors.list()).filter(({ checkpoints }) => checkpoints.length > 0),
    options,
  });
};

/** One look at everything that is followed. */
export const lagSnapshot = (connected: ConnectedApp, options: Partial<CollectorOptions> = {}): Promise<LagSnapshot> =>
  collectorOf(connected, options).collect();

const objectiveOf = ({ objective }: ObjectiveFlags): Partial<CollectorOptions> => (objective === undefined ? {} : { objectiveMs: objective });

/** `0.0`, `12.4`, `3,600`. */
const secondsOf = (seconds: number): string => (seconds >= 100 ? grouped(seconds) : seconds.toFixed(1));

const statusOf = (status: string): string => (status === 'no-checkpoint' ? 'no checkpoint yet' : status);

const generationRow = (one: GenerationLag): readonly string[] => [
  one.label,
  one.generation.status,
  statusOf(one.status),
  grouped(one.lagRecords),
  secondsOf(one.lagSeconds),
  secondsOf(one.eventTimeLagSeconds),
  String(one.workers),
];

const reactorRow = (one: ReactorLag): readonly string[] => [
  one.name,
  statusOf(one.status),
  grouped(one.lagRecords),
  secondsOf(one.lagSeconds),
  String(one.workers),
  grouped(one.parked),
];

const partitionText = (label: string, one: PartitionLag): readonly string[] => [
  `${label} ${one.topic}/${String(one.partition)} offset ${String(one.next)}: ${statusOf(one.status)}, ${one.reason}`,
  ...(one.recordsLost > 0 ? [`  ${grouped(one.recordsLost)} records lost`] : []),
  ...(one.stoppedBy === undefined ? [] : [`  → ${one.stoppedBy.remedy}`]),
];

/** Pure: a snapshot for people; partitions are named where something is wrong with them. */
export const lagText = ({ generations, reactors, declared }: LagSnapshot): string => {
  const unbuilt = declared.filter(({ built }) => !built);
  return [
    ...(generations.length === 0
      ? ['no generation is followed']
      : [table(['GENERATION', 'IS', 'STATUS', 'RECORDS BEHIND', 'SECONDS', 'EVENT TIME', 'WORKERS'], generations.map(generationRow))]),
    ...generations.flatMap(({ label, partitions }) => partitions.filter(({ status }) => status !== 'ok').flatMap((one) => partitionText(label, one))),
    ...(reactors.length === 0 ? [] : ['', table(['REACTOR', 'STATUS', 'RECORDS BEHIND', 'SECONDS', 'WORKERS', 'PARKED'], reactors.map(reactorRow))]),
    ...reactors.flatMap(({ name, partitions }) => partitions.filter(({ status }) => status !== 'ok').flatMap((one) => partitionText(name, one))),
    ...unbuilt.map(({ projection, store }) => `${projection} (${store}): not built yet; \`refold run\` builds it`),
  ].join('\n');
};

const generationJson = ({ generation, ...lag }: GenerationLag): object => ({
  projection: generation.projection,
  store: generation.store,
  version: generation.version,
  run: generation.run,
  is: generation.status,
  ...lag,
});

/** `refold lag show`. */
export const showAction = (flags: ObjectiveFlags): Action => ({
  work: async ({ connected }) => {
    const snapshot = await lagSnapshot(connected, objectiveOf(flags));
    return { json: { lag: { ...snapshot, generations: snapshot.generations.map(generationJson) } }, text: lagText(snapshot) };
  },
});

/** `refold lag export`: until the signal aborts. */
export const exportAction = (flags: ExportFlags): Action => ({
  logs: 'info',
  work: async ({ connected, terminal, logger }) => {
    const collector = collectorOf(connected, { ...objectiveOf(flags), ...(flags.interval === undefined ? {} : { intervalMs: flags.interval }) });
    const clock = connected.container.resolve(TOKENS.clock);
    const { port, host } = flags;
    const exporter = await startExporter({ app: connected.app.name, collector, clock, port, ...(host === undefined ? {} : { host }) });
    try {
      logger.log('info', 'exporter started', { app: connected.app.name, url: `${exporter.url}/metrics` });
      await collector.run(terminal.signal);
    } finally {
      await exporter.close();
    }
    logger.log('info', 'exporter stopped', { url: `${exporter.url}/metrics` });
    return { json: { url: exporter.url, stopped: true }, text: '' };
  },
});

/** `refold lag rules`. */
export const rulesAction = ({ objective, only }: RulesFlags): OfflineAction => ({
  answer: () => {
    const rules = alertRules({ objectiveMs: objective, app: only });
    return { json: rules, text: rulesYaml(rules) };
  },
});
