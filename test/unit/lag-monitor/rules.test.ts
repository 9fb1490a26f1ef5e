import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generationLag, partitionLag } from '../../../src/lag-monitor/lag';
import { COUNTERS, GAUGES } from '../../../src/app/telemetry/instruments';
import { reactorLag } from '../../../src/lag-monitor/reactor-lag';
import { exposition, metricsOf } from '../../../src/lag-monitor/prometheus';
import { alertRules, rulesYaml } from '../../../src/lag-monitor/rules';
import { cli } from '../../support/cli';
import { isRequired } from '../../support/service-choice';
import { checkpointOf, factsOf, generationOf, headOf } from './facts';

const rules = alertRules({ objectiveMs: 30_000 }).groups[0]!.rules;
const limits = { objectiveMs: 30_000, stallAfterMs: 60_000 };
const metrics = metricsOf('shop', {
  snapshot: {
    at: 0,
    generations: [generationLag(generationOf(), 1, [partitionLag(factsOf(headOf(0, 1), checkpointOf(1)), 'active', 1, 0, limits)])],
    reactors: [
      reactorLag({ name: 'mails', topics: ['orders'], checkpoints: [], parked: 0, paused: undefined }, 1, [
        partitionLag(factsOf(headOf(0, 1), checkpointOf(1)), 'active', 1, 0, limits),
      ]),
    ],
    replays: [],
    heads: [headOf(0, 1)],
    workers: 1,
    declared: [],
  },
  success: true,
  failures: 0,
  error: undefined,
});

const folder = mkdtempSync(path.join(tmpdir(), 'refold-rules-'));
afterAll(() => rmSync(folder, { recursive: true }));

const promtool = (...given: string[]): string => execFileSync('promtool', given, { cwd: folder, encoding: 'utf8', stdio: 'pipe', timeout: 30_000 });

const hasPromtool = (() => {
  try {
    promtool('--version');
    return true;
  } catch {
    return false;
  }
})();
const required = isRequired('promtool', process.env);
if (!hasPromtool) {
  process.stderr.write('\n*** promtool is missing: alert rules are checked by their structure alone (Debian: apt-get install prometheus) ***\n');
}

describe('the alert rules', () => {
  it('ask only for metrics and labels that the exporter or a worker writes', () => {
    const ofWorkers = Object.entries({ ...COUNTERS, ...GAUGES }).map(([name, { labels }]) => [name, new Set<string>(labels)] as const);
    const known = new Map([
      ...metrics.map(({ name, samples }) => [name, new Set(samples.flatMap(({ labels }) => Object.keys(labels)))] as const),
      ...ofWorkers,
    ]);
    for (const { expr } of rules) {
      const asked = [...expr.matchAll(/(refold_\w+)(?:\{([^}]*)\})?/g)];
      expect(asked.length).toBeGreaterThan(0);
      for (const [, name, matchers = ''] of asked) {
        const labels = [...matchers.matchAll(/(\w+)=~?"/g)].map(([, label]) => label!);
        expect({ name, labels: labels.filter((label) => known.get(name!)?.has(label) !== true) }).toEqual({ name, labels: [] });
      }
    }
  });

  it('have each a name of its own, a severity and what to do', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    expect(rules.filter(({ labels, annotations }) => !labels['severity'] || !annotations['summary'] || !annotations['description'])).toEqual([]);
  });

  it('are YAML of the same content: every line is a key and a JSON text or a plain duration', () => {
    const lines = rulesYaml({ groups: [{ name: 'g', rules }] }).split('\n');
    const scalars = lines.flatMap((line) => {
      const found = /^ *(?:- )?[a-z]+: ?(.*)$/.exec(line);
      expect(found).not.toBeNull();
      const text = found![1]!;
      return text === '' ? [] : [text.startsWith('"') ? (JSON.parse(text) as string) : text];
    });
    const written = rules.flatMap((one) => [one.alert, one.expr, one.for, ...Object.values(one.labels), ...Object.values(one.annotations)]);
    expect(scalars).toEqual(['g', ...written]);
  });

  it('can be for one application', () => {
    const only = alertRules({ objectiveMs: 500, app: 'a"b' }).groups[0]!;
    expect(only.name).toBe('refold-lag-a"b');
    expect(only.rules.every(({ expr }) => expr.includes('app="a\\"b"'))).toBe(true);
    expect(only.rules[0]!.expr).toContain('> 0.5 and');
  });

  it('come from the command without an application or a connection', async () => {
    const run = await cli(['lag', 'rules', '--objective', '30s'], { cwd: folder });
    expect(run).toEqual({ code: 0, stdout: `${rulesYaml(alertRules({ objectiveMs: 30_000 }))}\n`, stderr: '' });
    expect(JSON.parse((await cli(['lag', 'rules', '--objective', '30s', '--only', 'shop', '--json'], { cwd: folder })).stdout)).toEqual(
      alertRules({ objectiveMs: 30_000, app: 'shop' }),
    );
    for (const wrong of ['0s', 'soon', '-1s']) {
      expect((await cli(['lag', 'rules', '--objective', wrong], { cwd: folder })).code).toBe(2);
    }
  });
});

const LABELS = 'app="shop",projection="p",store="postgres",generation="v1.r1"';
const AT = `${LABELS},topic="orders",partition="0"`;
const REACTOR = 'app="shop",reactor="mails",topic="orders",partition="0"';
const series = (name: string, labels: string, values: string): object => ({ series: `${name}{${labels}}`, values });
const alive = series('refold_lag_collector_success', 'app="shop"', '1x30');
const active = series('refold_projection_generation_status', `${LABELS},status="active"`, '1x30');

/** Which alerts fire at ten minutes, one sample a minute. */
const SCENES: readonly (readonly [string, readonly object[], readonly string[]])[] = [
  ['all is well', [alive, active, series('refold_projection_lag_seconds', AT, '2x30')], []],
  ['the objective is missed', [alive, active, series('refold_projection_lag_seconds', AT, '31x30')], ['RefoldLagObjectiveMissed']],
  [
    'a candidate is far behind',
    [alive, series('refold_projection_generation_status', `${LABELS},status="active"`, '0x30'), series('refold_projection_lag_seconds', AT, '999x30')],
    [],
  ],
  [
    'records wait and nothing moves',
    [alive, series('refold_projection_lag_records', AT, '7x30'), series('refold_projection_next_offset', AT, '5x30')],
    ['RefoldProjectionStalled'],
  ],
  ['records wait and it moves', [alive, series('refold_projection_lag_records', AT, '7x30'), series('refold_projection_next_offset', AT, '5+1x30')], []],
  ['idle', [alive, series('refold_projection_lag_records', AT, '0x30'), series('refold_projection_next_offset', AT, '5x30')], []],
  [
    'stopped, and not told as stalled too',
    [
      alive,
      series('refold_projection_lag_records', AT, '7x30'),
      series('refold_projection_next_offset', AT, '5x30'),
      series('refold_projection_status', `${AT},status="stopped"`, '1x30'),
    ],
    ['RefoldPartitionStopped'],
  ],
  ['rewound', [alive, series('refold_projection_status', `${AT},status="rewound"`, '1x30')], ['RefoldLogRewound']],
  ['lost', [alive, series('refold_projection_records_lost', AT, '3x30')], ['RefoldRecordsLost']],
  ['parked events', [alive, series('refold_parked_events', LABELS, '3x30')], ['RefoldEventsParked']],
  [
    'paused, and not told as stalled',
    [
      alive,
      series('refold_projection_lag_records', AT, '7x30'),
      series('refold_projection_next_offset', AT, '5x30'),
      series('refold_projection_status', `${AT},status="paused"`, '1x30'),
    ],
    [],
  ],
  [
    'a reactor waits',
    [alive, series('refold_reactor_lag_records', REACTOR, '7x30'), series('refold_reactor_next_offset', REACTOR, '5x30')],
    ['RefoldReactorStuck'],
  ],
  [
    'a reactor is paused',
    [
      alive,
      series('refold_reactor_lag_records', REACTOR, '7x30'),
      series('refold_reactor_next_offset', REACTOR, '5x30'),
      series('refold_reactor_status', `${REACTOR},status="paused"`, '1x30'),
    ],
    [],
  ],
  ['a reactor has parked', [alive, series('refold_reactor_parked_records', 'app="shop",reactor="mails"', '1x30')], ['RefoldReactorParked']],
  [
    'one process relays',
    [alive, series('refold_relay_leads', 'app="shop",instance="a"', '0x30'), series('refold_relay_leads', 'app="shop",instance="b"', '1x30')],
    [],
  ],
  ['no process relays', [alive, series('refold_relay_leads', 'app="shop",instance="a"', '0x30')], ['RefoldNoRelay']],
  ['folding failed once', [alive, series('refold_worker_failures_total', `${LABELS},outcome="retried"`, '0x5 1x30')], []],
  ['folding fails and fails', [alive, series('refold_worker_failures_total', `${LABELS},outcome="retried"`, '0+1x30')], ['RefoldFoldingFails']],
  ['fenced at a rebalance', [alive, series('refold_worker_fences_total', LABELS, '0x5 4x30')], []],
  ['fenced and fenced', [alive, series('refold_worker_fences_total', LABELS, '0+60x60')], ['RefoldFencedForLong']],
  ['no worker', [alive, series('refold_projection_workers_live', LABELS, '0x30')], ['RefoldNoLiveWorker']],
  ['no exporter', [], ['RefoldLagExporterAbsent']],
  ['the exporter went away', [series('refold_lag_collector_success', 'app="shop"', '1 1 _x30')], ['RefoldLagExporterAbsent']],
  ['old figures', [alive, series('refold_lag_collector_last_success_timestamp_seconds', 'app="shop"', '0x30')], ['RefoldLagCollectorFailing']],
];

/** `promql_expr_test` over `ALERTS` says exactly what fires, without repeating labels and texts. */
const sceneOf = ([name, input_series, firing]: (typeof SCENES)[number]): object => ({
  name,
  interval: '1m',
  input_series,
  promql_expr_test: [
    {
      expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
      eval_time: '10m',
      exp_samples: firing.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
    },
  ],
});

it(`hold in Prometheus' own tool: ${hasPromtool ? 'promtool' : 'missing, structure only'}`, () => {
  expect(SCENES.flatMap(([, , firing]) => firing).every((alert) => rules.some((one) => one.alert === alert))).toBe(true);
  expect(rules.map(({ alert }) => alert).filter((alert) => !SCENES.some(([, , firing]) => firing.includes(alert)))).toEqual([]);
  if (!hasPromtool) {
    expect({ promtool: 'missing', required }).toEqual({ promtool: 'missing', required: false });
    return;
  }
  writeFileSync(path.join(folder, 'rules.yml'), rulesYaml(alertRules({ objectiveMs: 30_000 })));
  expect(promtool('check', 'rules', 'rules.yml')).toContain(`${String(rules.length)} rules found`);
  writeFileSync(path.join(folder, 'tests.yml'), JSON.stringify({ rule_files: ['rules.yml'], evaluation_interval: '1m', tests: SCENES.map(sceneOf) }));
  expect(promtool('test', 'rules', 'tests.yml')).toContain('SUCCESS');
  writeFileSync(path.join(folder, 'metrics.txt'), exposition(metrics));
  expect(execFileSync('promtool', ['check', 'metrics'], { input: readFileSync(path.join(folder, 'metrics.txt')), encoding: 'utf8', timeout: 30_000 })).toBe('');
});
