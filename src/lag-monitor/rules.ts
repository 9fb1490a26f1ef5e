export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly AlertRule[];
}

/** The content of a Prometheus rule file. */
export interface RuleFile {
  readonly groups: readonly RuleGroup[];
}

export interface RulesOptions {
  /** Oldest data that readers may see, in milliseconds. */
  readonly objectiveMs: number;
  /** Name of the only application meant; without it the rules hold for all, and absence shows only when no exporter is left. */
  readonly app?: string | undefined;
}

const GENERATION = 'app, projection, store, generation';
const PARTITION = `${GENERATION}, topic, partition`;
const WHERE = '{{ $labels.projection }} {{ $labels.generation }} ({{ $labels.store }})';
const PLACE = `${WHERE} at {{ $labels.topic }}/{{ $labels.partition }}`;

const rule = (alert: string, severity: 'critical' | 'warning', wait: string, expr: string, summary: string, description: string): AlertRule => ({
  alert,
  expr,
  for: wait,
  labels: { severity },
  annotations: { summary, description },
});

/** Braces only where there is something in them. */
const selector =
  (app: string | undefined) =>
  (metric: string, matchers: string = ''): string => {
    const all = [...(app === undefined ? [] : [`app=${JSON.stringify(app)}`]), ...(matchers === '' ? [] : [matchers])];
    return all.length === 0 ? metric : `${metric}{${all.join(', ')}}`;
  };

type Selector = ReturnType<typeof selector>;

/** Too old, or not moving. */
const behindRules = (of: Selector, seconds: string): readonly AlertRule[] => {
  const seen = `on (${GENERATION}) ${of('refold_projection_generation_status', 'status=~"active|standby"')} == 1`;
  const stopped = `on (${PARTITION}) ${of('refold_projection_status', 'status=~"stopped|rewound|paused"')} == 1`;
  return [
    rule(
      'RefoldLagObjectiveMissed',
      'warning',
      '1m',
      `${of('refold_projection_lag_seconds')} > ${seconds} and ${seen}`,
      `${PLACE} is behind its objective of ${seconds} s`,
      'The first record not folded has waited for {{ $value | humanizeDuration }}.',
    ),
    rule(
      'RefoldProjectionStalled',
      'critical',
      '5m',
      `${of('refold_projection_lag_records')} > 0 and changes(${of('refold_projection_next_offset')}[5m]) == 0 unless ${stopped}`,
      `${PLACE} does not move although records wait`,
      '{{ $value }} offsets wait. Check that a worker with this version of the projection runs.',
    ),
    rule(
      'RefoldNoLiveWorker',
      'warning',
      '2m',
      `${of('refold_projection_workers_live')} == 0`,
      `no live worker can fold ${WHERE}`,
      'Start a worker (`refold run`) whose code contains this version of the projection.',
    ),
  ];
};

/** A partition that cannot go on without a person. */
const brokenRules = (of: Selector): readonly AlertRule[] => [
  rule(
    'RefoldPartitionStopped',
    'critical',
    '0s',
    `${of('refold_projection_status', 'status="stopped"')} == 1`,
    `${PLACE} has stopped`,
    '`refold lag show` says which error stopped it and what to do.',
  ),
  rule(
    'RefoldEventsParked',
    'warning',
    '0s',
    `${of('refold_parked_events')} > 0`,
    `${WHERE} has parked events`,
    '{{ $value }} events are missing in its rows. `refold parked list` says which and why; redrive or discard them.',
  ),
  rule(
    'RefoldLogRewound',
    'critical',
    '0s',
    `${of('refold_projection_status', 'status="rewound"')} == 1`,
    `${PLACE} has folded records that the log does not hold`,
    'The topic was recreated or restored from an older state. Restore it, or rebuild the projection with `refold replay start`.',
  ),
  rule(
    'RefoldRecordsLost',
    'critical',
    '0s',
    `${of('refold_projection_records_lost')} > 0`,
    `${PLACE} has lost records to retention`,
    '{{ $value }} offsets left the log before they were folded. Restore the log, or rebuild the projection.',
  ),
];

/** Effects that do not happen. */
const reactorRules = (of: Selector): readonly AlertRule[] => [
  rule(
    'RefoldReactorStuck',
    'critical',
    '5m',
    `${of('refold_reactor_lag_records')} > 0 and changes(${of('refold_reactor_next_offset')}[5m]) == 0 unless on (app, reactor, topic, partition) ${of('refold_reactor_status', 'status="paused"')} == 1`,
    'reactor {{ $labels.reactor }} does not move at {{ $labels.topic }}/{{ $labels.partition }} although records wait',
    '`refold reactors list` says whether a partition stopped and why; else check that a worker hosts it.',
  ),
  rule(
    'RefoldReactorParked',
    'warning',
    '1m',
    `${of('refold_reactor_parked_records')} > 0`,
    'reactor {{ $labels.reactor }} could not handle {{ $value }} records',
    '`refold reactors parked` shows them with their errors; `redrive` handles them again once the cause is gone.',
  ),
];

/** What only workers know. Where none is scraped these never fire: whether one lives is said by the rules above. */
const workerRules = (of: Selector): readonly AlertRule[] => [
  rule(
    'RefoldNoRelay',
    'critical',
    '1m',
    `sum by (app) (${of('refold_relay_leads')}) == 0`,
    'no process of {{ $labels.app }} takes the events of commands to the log',
    'Commands are accepted, and nothing of them is seen. The log lines of the workers say why none relays.',
  ),
  rule(
    'RefoldFoldingFails',
    'warning',
    '0s',
    `increase(${of('refold_worker_failures_total')}[10m]) > 3`,
    `folding ${WHERE} fails again and again`,
    'It is started again with growing pauses. The log lines of {{ $labels.instance }} name the code of the error.',
  ),
  rule(
    'RefoldFencedForLong',
    'warning',
    '5m',
    `rate(${of('refold_worker_fences_total')}[5m]) > 0.1`,
    `workers take partitions of ${WHERE} from each other`,
    'Batches are folded in vain. Look for processes that are stopped and go on, and for heartbeats that come late.',
  ),
];

/** Read models that are not what the log says. */
const auditRules = (of: Selector): readonly AlertRule[] => [
  rule(
    'RefoldModelDrifted',
    'warning',
    '0s',
    `${of('refold_audit_drifting_rows')} > 0`,
    '{{ $labels.projection }} ({{ $labels.store }}) is not what the log says',
    'The last audit found {{ $value }} rows that differ. `refold replay audit` says which and offers the repair; audit again afterwards.',
  ),
  rule(
    'RefoldAuditFailed',
    'warning',
    '0s',
    `${of('refold_audit_outcome', 'outcome="failed"')} == 1`,
    'the last audit of {{ $labels.projection }} ({{ $labels.store }}) has failed',
    'Whether it is what the log says is not known. `refold replay corrections list` says why it failed.',
  ),
];

/** Nobody watches. */
const blindRules = (of: Selector): readonly AlertRule[] => [
  rule(
    'RefoldLagExporterAbsent',
    'critical',
    '2m',
    `absent(${of('refold_lag_collector_success')})`,
    'no lag exporter of refold is seen',
    'Nothing is known about the lag. Start `refold lag export` and check that Prometheus scrapes it.',
  ),
  rule(
    'RefoldLagCollectorFailing',
    'critical',
    '1m',
    `time() - ${of('refold_lag_collector_last_success_timestamp_seconds')} > 60`,
    'the lag exporter of {{ $labels.app }} shows old figures',
    'It cannot read the log or the checkpoints; its log and /healthz say why.',
  ),
];

/**
 * Pure: alert rules for an objective: readers see nothing older than so many seconds.
 * A candidate reads history, so the objective does not bind it; what has stopped is not told as stalled too.
 */
export const alertRules = ({ objectiveMs, app }: RulesOptions): RuleFile => {
  const of = selector(app);
  const rules = [
    ...behindRules(of, String(objectiveMs / 1_000)),
    ...brokenRules(of),
    ...reactorRules(of),
    ...auditRules(of),
    ...workerRules(of),
    ...blindRules(of),
  ];
  return { groups: [{ name: app === undefined ? 'refold-lag' : `refold-lag-${app}`, rules }] };
};

const mapping = (indent: string, of: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(of).map(([name, value]) => `${indent}${name}: ${JSON.stringify(value)}`);

/** Pure: the rule file as YAML. Every text is in double quotes as JSON writes it, which is YAML too. */
export const rulesYaml = ({ groups }: RuleFile): string =>
  [
    'groups:',
    ...groups.flatMap(({ name, rules }) => [
      `  - name: ${JSON.stringify(name)}`,
      '    rules:',
      ...rules.flatMap((one) => [
        `      - alert: ${JSON.stringify(one.alert)}`,
        `        expr: ${JSON.stringify(one.expr)}`,
        `        for: ${one.for}`,
        '        labels:',
        ...mapping('          ', one.labels),
        '        annotations:',
        ...mapping('          ', one.annotations),
      ]),
    ]),
  ].join('\n');
