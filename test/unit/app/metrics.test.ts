import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Registry } from 'prom-client';
import { serveWorker } from '../../../src/app/cli/worker-endpoints';
import { COUNTERS, GAUGES, HISTOGRAMS, processMetrics } from '../../../src/app/telemetry/instruments';
import { metricsOf } from '../../../src/app/telemetry/metrics';
import type { WorkerStatus } from '../../../src/app/telemetry/telemetry';
import { Decimal } from '../../../src/kernel/decimal';
import { MemoryCatalog } from '../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../src/projections/adapters/memory/store';
import type { Generation } from '../../../src/projections/generations';
import { chained } from '../../support/failing';
import { buildGeneration, caughtUp, memoryBench, startRunner, totals, until } from '../../support/harness';
import { OrderErased, OrderNoted, OrderPlaced } from '../../support/shop';

const placed = (id: string, customer = '1'): OrderPlaced => new OrderPlaced(id, customer, Decimal.parse('1.00'), new Date(0));

/** `name{labels}` to value, of everything in the text of a registry. */
const samplesOf = async (registry: Registry): Promise<ReadonlyMap<string, number>> =>
  new Map(
    (await registry.metrics())
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
const OF = 'app="shop",projection="chained",store="memory",generation="v1.r1"';

const folded = async (registry: Registry) => {
  const bench = await memoryBench(2);
  const definition = chained({ present: true });
  const catalog = new MemoryCatalog({ app: 'shop' });
  const store = new MemoryReadModelStore({ catalog });
  const generation = await buildGeneration(catalog, store, bench.log, definition);
  await bench.append([placed('a'), placed('a'), placed('b'), new OrderNoted('b', 'n'), placed('c', 'X'), placed('c'), new OrderErased('b')]);
  const telemetry = metricsOf('shop', registry);
  const running = startRunner(bench, store, generation, definition, { waitMs: 1 });
  await until(() => caughtUp(catalog, bench.log, generation), 'everything is read');
  await running.stop();
  return { telemetry, generation, events: running.events, counts: totals(await catalog.checkpoints(generation.id)) };
};

const status = (following: WorkerStatus['following'] = [], given: Partial<WorkerStatus> = {}): WorkerStatus => ({
  alive: true,
  ready: true,
  following,
  pauses: [],
  ...given,
});

describe('metrics of a worker', () => {
  it('say what the checkpoints say, and what the runner told', async () => {
    const registry = new Registry();
    const { telemetry, generation, events, counts } = await folded(registry);
    events.forEach((event) => telemetry.runner(generation, event));
    const samples = await samplesOf(registry);
    for (const outcome of ['applied', 'filtered', 'late', 'parked', 'discarded', 'errata', 'control']) {
      expect(samples.get(`refold_worker_records_total{${OF},outcome="${outcome}"}`)).toBe(counts[outcome]);
    }
    expect(counts).toMatchObject({ read: 7, parked: 2, filtered: 1 });
    const batches = events.filter(({ kind }) => kind === 'committed').length;
    expect(samples.get(`refold_worker_batches_total{${OF}}`)).toBe(batches);
    for (const step of ['load', 'fold', 'commit']) {
      expect(samples.get(`refold_worker_step_seconds_count{${OF},step="${step}"}`)).toBe(batches);
    }
    const rows = (operation: string): number => samples.get(`refold_worker_rows_written_total{${OF},operation="${operation}"}`)!;
    expect(rows('upsert')).toBe(events.reduce((n, event) => n + (event.kind === 'committed' ? event.upserts.length : 0), 0));
    expect(rows('upsert')).toBeGreaterThan(0);
    expect(rows('merge')).toBe(0);
    expect(samples.get(`refold_worker_assignments_total{${OF}}`)).toBe(1);
    expect(samples.get(`refold_worker_assigned_partitions{${OF}}`)).toBe(2);
    expect(samples.get(`refold_worker_visible_seconds_count{${OF}}`)).toBeGreaterThanOrEqual(1);
  });

  it('measure to the moment of the commit, from the oldest record that was committed', async () => {
    const registry = new Registry();
    const { telemetry, generation, events } = await folded(registry);
    const committed = events.find((event) => event.kind === 'committed')!;
    const at = { ...committed.figures, committedAt: 3_000 };
    telemetry.runner(generation, { ...committed, figures: { ...at, oldestAt: 1_000 } });
    telemetry.runner(generation, { ...committed, figures: { ...at, oldestAt: undefined } }); // it failed, and was not committed
    const samples = await samplesOf(registry);
    expect(samples.get(`refold_worker_visible_seconds_sum{${OF}}`)).toBe(2);
    expect(samples.get(`refold_worker_visible_seconds_count{${OF}}`)).toBe(1);
  });

  it('are all there from the first word, and none goes away', async () => {
    const registry = new Registry();
    const { telemetry, generation, events } = await folded(registry);
    const followed = { kind: 'generation', generation } as const;
    const mails = { kind: 'reactor', reactor: 'mails' } as const;
    const pauses = [{ kind: 'projection', name: 'chained', paused: true }] as const;
    telemetry.worker(status([{ followed, partitions: 2, lagRecords: 7 }, { followed: mails, partitions: 1, lagRecords: 3 }], { pauses })); // prettier-ignore
    telemetry.relay({ kind: 'waits' });
    telemetry.switched('postgres', 12);
    const first = await samplesOf(registry);
    const names = new Set([...first.keys()].map((key) => key.replace(/(_bucket|_sum|_count)?\{.*/, '')));
    expect([...names].sort()).toEqual([...Object.keys(COUNTERS), ...Object.keys(GAUGES), ...Object.keys(HISTOGRAMS)].sort());
    expect(first.get(`refold_worker_lag_records{${OF}}`)).toBe(7);
    expect(first.get('refold_worker_paused{app="shop",kind="projection",name="chained"}')).toBe(1);
    events.forEach((event) => telemetry.runner(generation, event));
    telemetry.failed(followed, true);
    telemetry.reactor('mails', { kind: 'tried', outcome: 'failed', isAgain: true, ms: 5 });
    telemetry.relay({ kind: 'published', events: 5, startedAt: 0, ms: 1 });
    telemetry.worker(status([], { alive: false, ready: false })); // nothing is hosted any more
    const last = await samplesOf(registry);
    expect([...first.keys()].filter((key) => !last.has(key))).toEqual([]);
    expect([...last.keys()].filter((key) => !first.has(key))).toEqual([]);
    expect(last.get(`refold_worker_lag_records{${OF}}`)).toBe(0);
    expect(last.get(`refold_worker_assigned_partitions{${OF}}`)).toBe(0);
    expect(last.get('refold_worker_reactor_lag_records{app="shop",reactor="mails"}')).toBe(0);
    expect(last.get('refold_worker_alive{app="shop"}')).toBe(0);
    expect(last.get(`refold_worker_failures_total{${OF},outcome="retried"}`)).toBe(1);
    expect(last.get('refold_worker_reactor_retries_total{app="shop",reactor="mails"}')).toBe(1);
    expect(last.get('refold_relay_published_total{app="shop"}')).toBe(5);
  });

  it('of several connections share a registry, and nothing begins again', async () => {
    const registry = new Registry();
    const generation = { id: 1, projection: 'p', store: 'postgres', version: 1, run: 1 } as Generation;
    for (const app of ['one', 'one', 'two']) {
      const telemetry = metricsOf(app, registry);
      telemetry.runner(generation, { kind: 'decoded', records: 1, ms: 1 });
      telemetry.runner(generation, { kind: 'fenced' });
    }
    const samples = await samplesOf(registry);
    const of = (app: string): string => `app="${app}",projection="p",store="postgres",generation="v1.r1"`;
    expect(samples.get(`refold_worker_fences_total{${of('one')}}`)).toBe(2);
    expect(samples.get(`refold_worker_fences_total{${of('two')}}`)).toBe(1);
    expect(samples.get(`refold_worker_step_seconds_count{${of('one')},step="decode"}`)).toBe(2);
  });

  it('are in the reference, all of them and with their types', () => {
    const page = readFileSync(path.join(__dirname, '../../../docs/reference/worker-metrics.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `(refold_(?:worker|relay|cutover)_\w+)`[^|]*\| (\w+) \|/gm)].map(([, name, type]) => `${name!} ${type!}`);
    const types = [
      ...Object.keys(COUNTERS).map((name) => `${name} counter`),
      ...Object.keys(GAUGES).map((name) => `${name} gauge`),
      ...Object.keys(HISTOGRAMS).map((name) => `${name} histogram`),
    ];
    expect(rows.sort()).toEqual(types.sort());
  });
});

describe('what a worker answers over HTTP', () => {
  it('is whether it lives, whether it is ready and why not, and its metrics', async () => {
    const metrics = processMetrics();
    metricsOf('shop', metrics);
    let ready = false;
    const worker = {
      name: 'w',
      liveness: () => ({ alive: true, silentMs: 1, following: [] }),
      readiness: () => ({ ready, hindrances: ready ? [] : [{ because: 'heads-unknown' as const }], following: [] }),
    };
    await using server = await serveWorker({ worker, metrics, port: 0 });
    const get = (at: string): Promise<Response> => fetch(`${server.url}${at}`);
    expect(server.url).toContain('//127.0.0.1:');
    expect([(await get('/healthz')).status, (await get('/livez')).status, (await get('/')).status]).toEqual([200, 200, 404]);
    const unready = await get('/readyz');
    expect(unready.status).toBe(503);
    expect(await unready.json()).toEqual({ worker: 'w', ready: false, hindrances: [{ because: 'heads-unknown' }], following: [] });
    ready = true;
    expect((await get('/readyz')).status).toBe(200);
    const said = await get('/metrics');
    expect(said.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await said.text();
    expect(text).toContain('refold_worker_alive{app="shop"} 0');
    expect(text).toContain('process_resident_memory_bytes');
  });

  it('is an error where it cannot be told, and the server goes on', async () => {
    const worker = {
      name: 'w',
      liveness: () => {
        throw new Error('broken');
      },
      readiness: () => ({ ready: true, hindrances: [], following: [] }),
    };
    await using server = await serveWorker({ worker, metrics: new Registry(), port: 0 });
    const failed = await fetch(`${server.url}/healthz`);
    expect([failed.status, await failed.text()]).toEqual([500, 'broken\n']);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });
});
