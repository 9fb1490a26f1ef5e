import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Registry } from 'prom-client';
import { pinoLogger } from '../../../src/app/pino-logger';
import { serveWorker } from '../../../src/app/cli/worker-endpoints';
import { defineApp } from '../../../src/app/define-app';
import type { ConnectedApp } from '../../../src/app/connect';
import type { Worker } from '../../../src/app/worker';
import { TOKENS } from '../../../src/app/container';
import { count, integer, sum, text } from '../../../src/projections/columns';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { reactor } from '../../../src/reactors/reactor';
import { ConnectedWorld, allFolded, poolOf, type RunningWorker } from '../../support/connected';
import { Close, Closed, Count, Counted, Counter, counterEvents } from '../../support/counter';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { RecordedSpans, parentOf, traceparentOf } from '../../support/spans';

const counterTotals = readModel('counter_totals', { counter: text().key(), counted: count(), total: sum(integer()) });

/** An application whose reactor closes a counter by command; a total beyond 1,000 cannot be folded. */
const counters = (react: () => void = () => undefined) => {
  const handle = (e: Counted) => {
    if (e.by > 1_000) {
      throw new Error('too much');
    }
    return counterTotals.contribution({ counter: e.counter }, { counted: 1, total: e.by });
  };
  return defineApp({
    name: 'counters',
    events: [...counterEvents],
    projections: [
      projection({ name: 'totals', version: 1, into: counterTotals }).on(Counted, handle),
      projection({ name: 'totals', version: 2, into: counterTotals })
        .on(Counted, (e) => handle(e))
        .on(Closed, () => []),
    ],
    aggregates: [Counter],
    reactors: [
      reactor({ name: 'closing', from: 'beginning', retry: { attempts: 2, initialMs: 1, maxMs: 1 } }).on(Counted, async (e, context) => {
        react();
        if (e.by === 7) {
          await context.execute(new Close(e.counter));
        }
      }),
    ],
    topics: { counters: { partitions: 2 } },
  });
};

const FAST = { headsEveryMs: 50 };
const valueOf = async (registry: Registry, sample: string): Promise<number | undefined> => {
  const line = (await registry.metrics()).split('\n').find((one) => one.startsWith(`${sample} `));
  return line === undefined ? undefined : Number(line.slice(sample.length + 1));
};
const TOTALS = 'app="counters",projection="totals",store="postgres",generation="v2.r1"';
const CLOSING = 'app="counters",reactor="closing"';

describeWithPostgres('what a worker lets see', () => {
  let world: ConnectedWorld;
  const started = async (
    app = counters(),
    metrics = new Registry(),
  ): Promise<{ readonly connection: ConnectedApp; readonly metrics: Registry; work: () => RunningWorker }> => {
    const connection = await world.connect(app, { metrics, logger: pinoLogger({ level: 'debug', write: (line) => lines.push(JSON.parse(line)) }) });
    await connection.migrate();
    return { connection, metrics, work: () => world.work(connection, FAST) };
  };
  const readyz = async (worker: Worker, metrics: Registry): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> => {
    await using server = await serveWorker({ worker, metrics, port: 0 });
    const answer = await fetch(`${server.url}/readyz`);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  let spans: RecordedSpans;
  const lines: Record<string, unknown>[] = [];
  beforeAll(() => {
    spans = new RecordedSpans(); // once in a process, as an application does
  });
  afterAll(() => {
    spans[Symbol.dispose]();
  });
  beforeEach(async () => {
    spans.forget();
    world = await ConnectedWorld.open('observability');
  });
  afterEach(() => world.close());

  it('one trace leads from a command over the journal and the log to the reactor and the command that it gives', async () => {
    const { connection, work } = await started();
    work();
    await connection.commands.execute(new Count('a', 7, 2));
    await until(() => spans.named('command Close').length > 0 && spans.named('react closing').length > 1, 'the reactor has given its command');
    await allFolded(connection);
    const [count] = spans.named('command Count');
    const [react] = spans.named('react closing');
    const [close] = spans.named('command Close');
    const { traceId } = count!.spanContext();
    expect([react, close].map((span) => span!.spanContext().traceId)).toEqual([traceId, traceId]);
    expect(parentOf(react!)).toBe(count!.spanContext().spanId);
    expect(spans.named('react closing').map((span) => span.spanContext().spanId)).toContain(parentOf(close!));
    const heads = await connection.log.heads(['counters']);
    const from = heads.find(({ stable }) => stable > 0)!;
    const { records } = await connection.log.read({ ...from, offset: 0 }, { maxRecords: 10 });
    expect(records[0]!.headers['ce_traceparent']).toBe(traceparentOf(count!.spanContext()));
    expect(spans.named('publish').length).toBeGreaterThan(0);
    const links = spans.named('fold totals').flatMap((span) => span.links.map((link) => link.context.traceId));
    expect(links).toContain(traceId);
  });

  it('a replay is traced step by step', async () => {
    const { connection, work } = await started();
    await connection.emit([new Counted('a', 1)]);
    expect(spans.named('append')).toHaveLength(1);
    work();
    await allFolded(connection);
    const replay = await connection.replays.start({ projections: [{ name: 'totals', version: 2 }], again: true });
    await connection.replays.runUntil(replay.id, 'done');
    const [run] = spans.named('replay run');
    const steps = spans.named('replay step').filter((span) => parentOf(span) === run!.spanContext().spanId);
    expect(steps.map(({ name }) => name.replace('replay step ', ''))).toEqual(
      expect.arrayContaining(['provisioning', 'replaying', 'catching-up', 'ready', 'done']),
    );
    expect(spans.named('replay start')).toHaveLength(1);
  });

  it('counts what was folded, handled, parked, redriven and published; the figures agree with the checkpoints', async () => {
    let failures = 0;
    const { connection, metrics, work } = await started(
      counters(() => {
        failures += 1;
        if (failures === 1) {
          throw new Error('not now');
        }
      }),
    );
    const running = work();
    await connection.commands.execute(new Count('a', 2, 3));
    await connection.commands.execute(new Count('b', 2_000));
    const handled = `refold_worker_reactor_records_total{${CLOSING},outcome="handled"}`;
    await until(async () => (await valueOf(metrics, handled)) === 4, 'the reactor has handled all');
    await until(async () => (await valueOf(metrics, `refold_worker_records_total{${TOTALS},outcome="parked"}`)) === 1, 'one is parked');
    await until(async () => (await valueOf(metrics, `refold_worker_records_total{${TOTALS},outcome="applied"}`)) === 3, 'the others are folded');
    expect(await valueOf(metrics, 'refold_relay_published_total{app="counters"}')).toBe(4);
    expect(await valueOf(metrics, 'refold_relay_leads{app="counters"}')).toBe(1);
    expect(await valueOf(metrics, `refold_worker_reactor_retries_total{${CLOSING}}`)).toBe(1);
    expect(await valueOf(metrics, `refold_worker_reactor_runs_total{${CLOSING},outcome="failed"}`)).toBe(1);
    expect(await valueOf(metrics, `refold_worker_reactor_runs_total{${CLOSING},outcome="done"}`)).toBe(4);
    await until(async () => (await valueOf(metrics, 'refold_worker_ready{app="counters"}')) === 1, 'it is ready');
    await until(async () => (await valueOf(metrics, `refold_worker_lag_records{${TOTALS}}`)) === 0, 'nothing is left to fold');
    expect(await connection.parked.redrive({})).toMatchObject([{ result: { folded: 0, left: 1 } }]);
    expect(await valueOf(metrics, `refold_worker_redriven_events_total{${TOTALS}}`)).toBe(0);
    await connection.pauses.pause('projection', 'totals', { reason: 'looking' });
    await until(async () => (await valueOf(metrics, 'refold_worker_paused{app="counters",kind="projection",name="totals"}')) === 1, 'it is paused');
    await until(async () => (await valueOf(metrics, `refold_worker_assigned_partitions{${TOTALS}}`)) === 0, 'it is not hosted');
    await running.stop();
    expect(await valueOf(metrics, 'refold_worker_alive{app="counters"}')).toBe(0);
    expect(await valueOf(metrics, 'refold_relay_leads{app="counters"}')).toBe(0);
    expect(await valueOf(metrics, `refold_worker_records_total{${TOTALS},outcome="applied"}`)).toBe(3);
  });

  it('says in log lines what they are about, in the fields of the reference and no others', async () => {
    lines.splice(0);
    const { connection, work } = await started(
      counters(() => {
        throw Object.assign(new Error('never'), { code: 'mail.refused', retryable: false });
      }),
    );
    const running = work();
    const about = (msg: string) => lines.filter((line) => line['msg'] === msg);
    await connection.commands.execute(new Count('a', 2_000));
    await until(() => about('an event was parked').length > 0, 'it is parked');
    await connection.log.append([
      { topic: 'counters', key: Buffer.from('x'), value: Buffer.from('unknown'), headers: { ce_id: 'x', ce_type: 'counters.Unheard', ce_specversion: '1.0' } },
    ]);
    await until(() => about('a partition stopped').length > 0, 'the projection stops');
    await until(() => about('a partition of a reactor stopped').length > 0, 'so does the reactor');
    await running.stop();
    const of = { level: 'error', projection: 'totals', store: 'postgres', generation: 'v2.r1', topic: 'counters' };
    expect(about('an event was parked')[0]).toMatchObject({ ...of, code: 'handler.failed', key: 'a', error: expect.stringContaining('too much') as string });
    expect(about('a partition stopped')[0]).toMatchObject({ ...of, code: 'event.unknown-type', offset: expect.any(Number) as number });
    expect(about('a partition of a reactor stopped')[0]).toMatchObject({ level: 'error', reactor: 'closing', topic: 'counters', code: 'event.unknown-type' });
    const page = readFileSync(path.join(__dirname, '../../../docs/reference/logs.md'), 'utf8');
    const known = new Set([...page.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, names]) => [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => name)));
    const said = new Set(lines.filter(({ msg }) => !String(msg).startsWith('kafkajs')).flatMap((line) => Object.keys(line)));
    expect([...said].filter((name) => !known.has(name))).toEqual([]);
    const troubles = lines.filter(({ level }) => level === 'error' || level === 'warn');
    expect(troubles.filter((line) => line['code'] === undefined || line['error'] === undefined)).toEqual([]);
    expect(lines.filter((line) => 'generation' in line && !('projection' in line && 'store' in line))).toEqual([]);
  });

  it('is ready once everything is caught up, and names what stands in the way', async () => {
    const { connection, metrics, work } = await started();
    const { worker, stop } = work();
    expect((await readyz(worker, metrics)).status).toBe(503);
    await until(() => worker.readiness().ready && worker.readiness().following.length === 2, 'the worker is ready');
    expect(await readyz(worker, metrics)).toMatchObject({ status: 200, body: { worker: worker.name, hindrances: [] } });
    const pool = poolOf(connection);
    const hold = (until: string): Promise<unknown> => pool.query(`UPDATE refold.checkpoints SET hold_at = next_offset, hold_until = ${until}`);
    await hold(`now() + interval '1 minute'`);
    await connection.emit(Array.from({ length: 1_100 }, (_, i) => new Counted('a', i % 3)));
    const totals = 'totals v2.r1 (postgres)';
    await until(() => worker.readiness().hindrances.some((one) => one.because === 'behind' && one.of === totals), 'it lies behind');
    const { status, body } = await readyz(worker, metrics);
    expect([status, body['ready']]).toEqual([503, false]);
    expect(body['hindrances']).toContainEqual({ because: 'behind', of: totals, lagRecords: 1_100, bound: 1_000 });
    await hold('NULL');
    await until(() => worker.readiness().ready, 'it is ready again');
    await stop();
    expect(worker.readiness().hindrances).toContainEqual({ because: 'not-alive' });
  });

  it('is not ready while the heads of the log are unknown, or a partition stands still', async () => {
    const { connection, metrics, work } = await started();
    const { worker } = work();
    await until(() => worker.readiness().ready && worker.readiness().following.length === 2, 'the worker is ready');
    const log = connection.container.resolve(TOKENS.log);
    const heads = jest.spyOn(log, 'heads').mockRejectedValue(new Error('no answer'));
    await until(() => worker.readiness().hindrances.some(({ because }) => because === 'heads-unknown'), 'the heads are too old');
    heads.mockRestore();
    await until(() => worker.readiness().ready, 'it is ready again');
    await log.append([
      { topic: 'counters', key: Buffer.from('x'), value: Buffer.from('unknown'), headers: { ce_id: 'x', ce_type: 'counters.Unheard', ce_specversion: '1.0' } },
    ]);
    await until(() => worker.readiness().hindrances.filter(({ because }) => because === 'stopped').length === 2, 'both stand still');
    expect((await readyz(worker, metrics)).body['hindrances']).toMatchObject([
      { because: 'stopped', of: 'totals v2.r1 (postgres)', topic: 'counters', offset: 0, code: 'event.unknown-type' },
      { because: 'stopped', of: 'reactor closing', topic: 'counters', code: 'event.unknown-type' },
    ]);
    expect(await valueOf(metrics, `refold_worker_stops_total{${TOTALS}}`)).toBe(1);
    expect(await valueOf(metrics, `refold_worker_reactor_stops_total{${CLOSING}}`)).toBe(1);
  });
});
