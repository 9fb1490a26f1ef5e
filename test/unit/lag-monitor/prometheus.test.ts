import fc from 'fast-check';
import { generationLag, partitionLag } from '../../../src/lag-monitor/lag';
import { reactorLag } from '../../../src/lag-monitor/reactor-lag';
import { exposition, metricsOf } from '../../../src/lag-monitor/prometheus';
import { NO_COUNTS } from '../../../src/projections/generations';
import { checkpointOf, factsOf, generationOf, headOf } from './facts';

const NOW = 1_800_000_000_000;
const LIMITS = { objectiveMs: 30_000, stallAfterMs: 60_000 };

/** Reads the quoted label value at the beginning as Prometheus does. */
const unquoted = (text: string): string => {
  const raw = /^"((?:[^"\\\n]|\\["\\n])*)"/.exec(text)![1]!;
  return raw.replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
};

const lag = partitionLag(
  { ...factsOf(headOf(0, 10), checkpointOf(4, { counters: { ...NO_COUNTS, read: 4, applied: 3, late: 1 } })), unmovedSince: NOW - 2_500 },
  'active',
  1,
  NOW,
  LIMITS,
);
const reacted = reactorLag({ name: 'mails', topics: ['orders'], checkpoints: [], parked: 2, paused: undefined }, 1, [lag]);
const state = {
  snapshot: {
    at: NOW,
    generations: [generationLag(generationOf(), 1, [lag])],
    reactors: [reacted],
    replays: [],
    heads: [{ ...headOf(0, 10), end: 12 }],
    workers: 3,
    declared: [{ projection: 'customer-daily', store: 'postgres' as const, built: false }],
  },
  success: true,
  failures: 2,
  error: undefined,
};

describe('the text exposition format', () => {
  it('keeps any label value, on one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', '{', '}', ',', '=', 'é') }), (value) => {
        const text = exposition([{ name: 'm', type: 'gauge', help: value, samples: [{ labels: { l: value }, value: 1 }] }]);
        const lines = text.split('\n');
        expect(lines).toHaveLength(4);
        expect(unquoted(lines[2]!.slice('m{l='.length))).toBe(value);
        expect(lines[2]!.endsWith('} 1')).toBe(true);
      }),
    );
  });

  it('writes numbers as Prometheus reads them', () => {
    const samples = [0, 1.5, 1e21, Number.NaN, Infinity, -Infinity].map((value) => ({ labels: {}, value }));
    expect(exposition([{ name: 'm', type: 'counter', help: 'h', samples }])).toBe('# HELP m h\n# TYPE m counter\nm 0\nm 1.5\nm 1e+21\nm NaN\nm +Inf\nm -Inf\n');
  });
});

describe('the metrics', () => {
  const text = exposition(metricsOf('shop', state));
  const where = 'app="shop",projection="order-summary",store="postgres",generation="v2.r1"';
  const partition = `${where},topic="orders",partition="0"`;

  it.each([
    `refold_projection_lag_records{${partition}} 6`,
    `refold_projection_lag_seconds{${partition}} 2.5`,
    `refold_projection_next_offset{${partition}} 4`,
    `refold_projection_records_lost{${partition}} 0`,
    `refold_projection_retention_margin_records{${partition}} 4`,
    `refold_projection_records_read_total{${partition}} 4`,
    `refold_projection_records_total{${partition},outcome="applied"} 3`,
    `refold_projection_records_total{${partition},outcome="late"} 1`,
    `refold_projection_records_total{${partition},outcome="parked"} 0`,
    `refold_projection_status{${partition},status="ok"} 1`,
    `refold_projection_status{${partition},status="stalled"} 0`,
    `refold_parked_sequences{${where}} 0`,
    `refold_parked_events{${where}} 0`,
    `refold_projection_workers_live{${where}} 1`,
    `refold_projection_generation_status{${where},status="active"} 1`,
    `refold_projection_built{app="shop",projection="customer-daily",store="postgres"} 0`,
    'refold_log_stable_offset{app="shop",topic="orders",partition="0"} 10',
    'refold_log_end_offset{app="shop",topic="orders",partition="0"} 12',
    'refold_workers_live{app="shop"} 3',
    'refold_lag_collector_success{app="shop"} 1',
    'refold_lag_collector_last_success_timestamp_seconds{app="shop"} 1800000000',
    'refold_lag_collector_failures_total{app="shop"} 2',
  ])('%s', (line) => {
    expect(text.split('\n')).toContain(line);
  });

  it('have one HELP and one TYPE each, no series twice, and counters end in _total', () => {
    const names = metricsOf('shop', state).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(new Set(series.map((line) => line.replace(/ \S+$/, ''))).size).toBe(series.length);
    expect(metricsOf('shop', state).filter(({ name, type }) => (type === 'counter') !== name.endsWith('_total'))).toEqual([]);
  });

  it('stay after a failed look, and are the collector’s alone before the first', () => {
    expect(exposition(metricsOf('shop', { ...state, success: false }))).toBe(
      text.replace('collector_success{app="shop"} 1', 'collector_success{app="shop"} 0'),
    );
    const before = metricsOf('shop', { snapshot: undefined, success: false, failures: 0, error: undefined });
    expect(before.every(({ name }) => name.startsWith('refold_lag_collector_'))).toBe(true);
  });
});
