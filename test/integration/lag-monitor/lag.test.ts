import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { PostgresEventLog } from '../../../src/events/adapters/postgres/postgres-event-log';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import type { EventLog } from '../../../src/events/event-log';
import { EventTypes } from '../../../src/events/event-types';
import type { Clock } from '../../../src/kernel/clock';
import { Decimal } from '../../../src/kernel/decimal';
import { RefoldError } from '../../../src/kernel/errors';
import { silentLogger } from '../../../src/kernel/logger';
import { LagCollector, type LagSnapshot } from '../../../src/lag-monitor/collector';
import { startExporter } from '../../../src/lag-monitor/exporter';
import type { PartitionLag } from '../../../src/lag-monitor/lag';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import type { ProjectionDefinition } from '../../../src/projections/definition';
import { On, Projection } from '../../../src/projections/projection';
import { buildGeneration, caughtUp, definitionOf, startRunner, until, type RunningRunner } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';
import { OrderPlaced, OrderSummary, orderSummary, shopEvents, type OrderRow } from '../../support/shop';

@Projection({ name: 'choosy', version: 1 })
class Choosy {
  readonly into = orderSummary;

  @On(OrderPlaced)
  placed(e: OrderPlaced): OrderRow {
    if (e.customerId === 'bad') {
      throw new Error('this one not');
    }
    return { order_id: e.orderId, customer_id: e.customerId, status: 'placed', amount: e.amount, changed_at: e.placedAt };
  }
}

const PLACED = Date.UTC(2026, 0, 1);
const placed = (n: number, customer = 'c'): OrderPlaced => new OrderPlaced(`o${String(n)}`, customer, Decimal.parse('1.00'), new Date(PLACED + n * 1_000));

describeWithPostgres('the lag over a real log', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  let log: PostgresEventLog;
  let serde: AvroSerde;
  let catalog: PostgresCatalog;
  let store: PostgresReadModelStore;
  let running: RunningRunner[] = [];
  let ahead = 0;
  const clock: Clock = {
    now: () => Date.now() + ahead,
    sleep: (_ms, signal) => new Promise((resolve) => (signal ? signal.addEventListener('abort', () => resolve()) : resolve())),
  };

  beforeEach(async () => {
    ahead = 0;
    database = await freshDatabase('lag');
    pool = new PostgresPool({ url: database.url, max: 8, applicationName: 'refold lag tests' });
    await migrate(pool);
    log = new PostgresEventLog({ pool, app: 'shop' });
    await log.createTopics([{ topic: 'orders', partitions: 2 }]);
    serde = new AvroSerde({ types: new EventTypes(shopEvents), registry: new MemorySchemaRegistry(), source: 'shop' });
    await serde.start();
    catalog = new PostgresCatalog({ pool, app: 'shop' });
    store = new PostgresReadModelStore({ pool });
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.stop().catch(() => undefined)));
    running = [];
    await log.close();
    await pool.close();
    await database.drop();
  });

  const collectorOver = (over: EventLog = log): LagCollector =>
    new LagCollector({ catalog, log: over, clock, logger: silentLogger, declared: [{ projection: 'order-summary', store: 'postgres' }] });
  /** All into partition 0, so that partition 1 stays empty. */
  const append = async (...events: readonly object[]): Promise<void> =>
    void (await log.append(events.map((event) => ({ ...serde.encode(event), partition: 0 }))));
  const live = (definition: ProjectionDefinition): Promise<void> =>
    catalog.announce({
      worker: 'w1',
      host: 'here',
      pid: 1,
      announced: [{ projection: definition.name, version: definition.version, definitionHash: definition.hash }],
    });
  const partitionsIn = ({ generations }: LagSnapshot): readonly PartitionLag[] => generations.flatMap(({ partitions }) => partitions);
  const summary = definitionOf(OrderSummary);

  const folded = async (): Promise<ReturnType<typeof buildGeneration>> => {
    const generation = await buildGeneration(catalog, store, log, summary);
    await live(summary);
    const runner = startRunner({ log, serde }, store, generation, summary);
    running.push(runner);
    await until(
      async () => (await caughtUp(catalog, log, generation)) && (await catalog.checkpoints(generation.id)).every(({ owner }) => owner !== undefined),
      'all is folded',
    );
    return generation;
  };

  it('shows what is declared and not built, then what no worker has taken yet', async () => {
    await append(placed(1), placed(2), placed(3));
    const collector = collectorOver();
    expect(await collector.collect()).toMatchObject({ generations: [], declared: [{ projection: 'order-summary', built: false }] });
    await buildGeneration(catalog, store, log, summary);
    const snapshot = await collector.collect();
    expect(snapshot.declared).toEqual([{ projection: 'order-summary', store: 'postgres', built: true }]);
    expect(partitionsIn(snapshot)).toMatchObject([
      { partition: 0, status: 'no-checkpoint', next: 0, lagRecords: 3, eventTimeLagSeconds: 2, recordsLost: 0 },
      { partition: 1, status: 'no-checkpoint', next: 0, lagRecords: 0, lagSeconds: 0 },
    ]);
    await pool.query('DELETE FROM refold.checkpoints WHERE partition = 0');
    expect(partitionsIn(await collector.collect())[0]).toMatchObject({ status: 'no-checkpoint', lagRecords: 3 });
  });

  it('is 0 on an idle topic and does not grow; an empty partition is ok', async () => {
    await append(placed(1), placed(2));
    await folded();
    const collector = collectorOver();
    for (const later of [0, 1_000, 2_000]) {
      ahead = later;
      expect(partitionsIn(await collector.collect())).toMatchObject([
        { partition: 0, status: 'ok', next: 2, lagRecords: 0, lagSeconds: 0, eventTimeLagSeconds: 0, counters: { read: 2, applied: 2 } },
        { partition: 1, status: 'ok', next: 0, lagRecords: 0, lagSeconds: 0, eventTimeLagSeconds: 0 },
      ]);
    }
    ahead = 3_600_000;
    expect(partitionsIn(await collector.collect()).map(({ status, lagSeconds }) => [status, lagSeconds])).toEqual([
      ['ok', 0],
      ['ok', 0],
    ]);
  });

  it('keeps every series of a worker that died, and says so', async () => {
    await append(placed(1));
    await folded();
    await running[0]!.stop();
    await pool.query(`UPDATE refold.generations SET status = 'active'`);
    await append(placed(5), placed(9));
    const collector = collectorOver();
    ahead = 20_000;
    const waits = partitionsIn(await collector.collect());
    expect(waits[0]).toMatchObject({ status: 'ok', next: 1, lagRecords: 2, eventTimeLagSeconds: 8 });
    expect(waits[0]!.lagSeconds).toBeGreaterThanOrEqual(20);
    ahead = 40_000;
    await live(summary);
    expect(partitionsIn(await collector.collect())[0]).toMatchObject({ status: 'warn' });
    ahead = 90_000;
    await live(summary);
    expect(partitionsIn(await collector.collect())[0]).toMatchObject({ status: 'stalled', reason: expect.stringMatching(/^it has not moved for 7\d s$/) });
    await catalog.withdraw('w1');
    const dead = await collector.collect();
    expect(dead).toMatchObject({ workers: 0, generations: [{ workers: 0, status: 'stalled', lagRecords: 2 }] });
    expect(partitionsIn(dead).map(({ status, reason }) => [status, reason])).toEqual([
      ['stalled', 'no live worker folds it'],
      ['warn', 'no live worker folds it'],
    ]);
  });

  it('shows a stopped partition with its error', async () => {
    const choosy = definitionOf(Choosy);
    const generation = await buildGeneration(catalog, store, log, choosy);
    await live(choosy);
    await append(placed(1), placed(2, 'bad'), placed(3));
    const runner = startRunner({ log, serde }, store, generation, choosy, { failures: 'stop' });
    running.push(runner);
    await until(() => runner.events.some(({ kind }) => kind === 'stopped'), 'the partition stopped');
    const snapshot = await collectorOver().collect();
    expect(partitionsIn(snapshot)).toMatchObject([
      { status: 'stopped', next: 1, lagRecords: 2, reason: expect.stringContaining('[handler.failed]'), stoppedBy: { offset: 1 } },
      { status: 'ok' },
    ]);
    expect(snapshot.generations[0]).toMatchObject({ status: 'stopped' });
  });

  it('counts what the log gave up, and notices a log that is shorter than the checkpoint', async () => {
    await append(placed(1), placed(2));
    await folded();
    await running[0]!.stop();
    await append(placed(3), placed(4), placed(5));
    await pool.query(`DELETE FROM refold.log_records WHERE partition = 0 AND record_offset < 4`);
    await pool.query(`UPDATE refold.log_partitions SET start_offset = 4 WHERE partition = 0`);
    const collector = collectorOver();
    expect(partitionsIn(await collector.collect())[0]).toMatchObject({ status: 'stopped', next: 2, lagRecords: 1, recordsLost: 2, retentionMargin: 0 });
    await pool.query(`DELETE FROM refold.log_records WHERE partition = 0`);
    await pool.query(`UPDATE refold.log_partitions SET start_offset = 0, next_offset = 1 WHERE partition = 0`);
    expect(partitionsIn(await collector.collect())[0]).toMatchObject({ status: 'rewound', lagRecords: 0, lagSeconds: 0, recordsLost: 0 });
    await pool.query(`DELETE FROM refold.log_partitions`);
    expect(partitionsIn(await collector.collect()).map(({ status }) => status)).toEqual(['stopped', 'stopped']);
  });

  it('is served without a look per scrape; a failed look leaves the series standing', async () => {
    await append(placed(1));
    await folded();
    let broken = false;
    let looks = 0;
    const breakable: EventLog = Object.assign(Object.create(log) as EventLog, {
      read: log.read.bind(log),
      heads: async (topics: readonly string[]) => {
        looks += 1;
        if (broken) {
          throw new RefoldError('log.unreachable', 'cut off');
        }
        return log.heads(topics);
      },
    });
    const collector = collectorOver(breakable);
    await using exporter = await startExporter({ app: 'shop', collector, clock, port: 0 });
    expect(exporter.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const get = async (path: string, init?: RequestInit): Promise<{ status: number; type: string | null; body: string }> => {
      const response = await fetch(`${exporter.url}${path}`, init);
      return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
    };
    expect(await get('/healthz')).toMatchObject({ status: 503 });
    expect((await get('/metrics')).body).toContain('refold_lag_collector_success{app="shop"} 0');
    expect(looks).toBe(0);

    await collector.collect();
    const first = await get('/metrics');
    expect(first).toMatchObject({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' });
    const series = 'refold_projection_next_offset{app="shop",projection="order-summary",store="postgres",generation="v1.r1",topic="orders",partition="0"} 1';
    expect(first.body).toContain(`\n${series}\n`);
    expect(await get('/healthz')).toMatchObject({ status: 200, body: expect.stringContaining('"healthy":true') });
    expect(looks).toBe(1);

    broken = true;
    await expect(collector.collect()).rejects.toMatchObject({ code: 'log.unreachable' });
    const after = (await get('/metrics')).body;
    expect(after).toContain(`\n${series}\n`);
    expect(after).toContain('refold_lag_collector_success{app="shop"} 0');
    expect(after).toContain('refold_lag_collector_failures_total{app="shop"} 1');
    ahead = 60_000;
    expect(await get('/healthz')).toMatchObject({ status: 503, body: expect.stringContaining('cut off') });
    expect(await get('/elsewhere')).toMatchObject({ status: 404 });
    expect(await get('/metrics', { method: 'POST' })).toMatchObject({ status: 405 });
    await expect(startExporter({ app: 'shop', collector, clock, port: Number(new URL(exporter.url).port) })).rejects.toMatchObject({
      code: 'service.unavailable',
    });
  });
});
