import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ConnectedApp } from '../../src/app/connect';
import { TOKENS } from '../../src/app/container';
import { defineApp } from '../../src/app/define-app';
import { count, decimal, max, sum, text, windowEnd, windowStart } from '../../src/projections/columns';
import { projection } from '../../src/projections/projection';
import { readModel } from '../../src/projections/read-model';
import { tumbling } from '../../src/projections/windows/window';
import { coordinatorOver, openWorld, orders, startWorker } from '../integration/replay/world';
import { until } from '../support/harness';
import { describeWithClickHouse, describeWithPostgres, freshClickHouse, freshDatabase } from '../support/services';
import { CustomerDaily, OrderPlaced, OrderSummary, customerDaily, customerDailyV2, shopEvents } from '../support/shop';
import { startWriter } from '../support/steady-writer';
import { READINGS, breakingReadings, startReaders } from '../support/switching-readers';

const SWITCHES = 20;
const EVENTS = 1_000;
const SIZE = { connections: 16, perSecond: 1_000 };

const key = { customer_id: text().key(), window_start: windowStart(), window_end: windowEnd() };
const reshaped = readModel('customer_daily', { ...key, revenue: sum(decimal(20, 4)), orders: count(), largest: max(decimal(12, 2)) });
const v3 = projection({ name: 'customer-daily', version: 3, into: reshaped, window: tumbling('1 day') }).on(OrderPlaced, (e) =>
  reshaped.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount }),
);
const shop = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary, CustomerDaily, customerDailyV2, v3] });

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

describeWithPostgres('readers of a view in Postgres', () => {
  it.each([
    ['the same columns', 2, false, READINGS],
    ['changed columns', 3, true, breakingReadings()],
  ] as const)(
    '16 connections see nothing wrong while it is switched 20 times under 1,000 events/s, with %s',
    async (what, version, breaking, readings) => {
      const world = await openWorld({ name: 'soak-readers', orders: 300, app: shop as never });
      try {
        const coordinator = world.coordinator();
        const { id } = await coordinator.start({ projections: [{ name: 'customer-daily', version }] });
        await coordinator.runUntil(id, 'ready');
        const readers = await startReaders(world.url, readings, SIZE);
        const began = performance.now();
        const writer = startWriter(world.shop, { from: 300, perSecond: EVENTS });
        for (let i = 0; i < SWITCHES; i += 1) {
          await sleep(500);
          await readers.during(() => (i % 2 === 0 ? coordinator.cutover(id, { breaking }) : coordinator.rollback(id, { breaking })));
        }
        await readers.stop();
        const written = await writer.stop();
        const seconds = (performance.now() - began) / 1_000;
        await until(async () => (await world.total()).orders === written, 'the view shows everything written', 60_000);
        const facts = (await coordinator.history(id)).map((entry) => entry.facts).filter(({ lockMs }) => typeof lockMs === 'number');
        expect(facts).toHaveLength(SWITCHES);
        const most = (name: string): string => String(Math.max(...facts.map((one) => Number(one[name] ?? 0))));
        say(`readers, Postgres, ${what}: ${readers.findings.report()}`);
        say(
          `  ${String(Math.round((written - 300) / seconds))} events/s, ${String(SWITCHES)} switches, at most: locked ${most('lockMs')} ms, in vain ${most('longestInVainMs')} ms at once, held ${most('heldMs')} ms, ${most('tries')} tries`,
        );
        if (breaking) {
          expect(readers.findings.errors.size).toBe(3);
        } else {
          expect(readers.findings.errors.size).toBe(0);
        }
      } finally {
        await world.close();
      }
    },
    300_000,
  );
});

const BOTH = ['postgres', 'clickhouse'] as const;
const daily = (version: number): typeof customerDailyV2 =>
  projection({ name: 'customer-daily', version, store: BOTH, into: customerDaily, window: tumbling('1 day', { grace: '400 days' }) }).on(OrderPlaced, (e) =>
    customerDaily.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount, smallest: e.amount }),
  );

describeWithClickHouse('readers of a view in both stores', () => {
  const open = async (app: unknown, postgresUrl: string, clickhouseUrl: string): Promise<ConnectedApp> =>
    await connect(app as typeof shop, { configuration: { postgresUrl, clickhouseUrl }, environment: {} });

  it('4 readers of ClickHouse and 8 of Postgres see nothing wrong while a set is switched 20 times under 1,000 events/s', async () => {
    const [database, analytics] = await Promise.all([freshDatabase('soak-readers-both'), freshClickHouse('soak-readers-both')]);
    const both = defineApp({ name: 'shop', events: [...shopEvents], projections: [daily(1), daily(2)] });
    const first = await open(defineApp({ name: 'shop', events: [...shopEvents], projections: [daily(1)] }), database.url, analytics.url);
    await first.migrate();
    await first.emit(orders(0, 300));
    const building = startWorker(first, 'first');
    await until(async () => (await first.generations()).filter(({ generation }) => generation.status === 'active').length === 2, 'version 1 is active');
    await building.stop();
    await first.close();
    const connection = await open(both, database.url, analytics.url);
    const worker = startWorker(connection, 'second');
    const coordinator = coordinatorOver(connection);
    try {
      await until(async () => (await connection.container.resolve(TOKENS.catalog).liveWorkers(5_000)).length > 0, 'the worker has announced itself');
      const { id } = await coordinator.start({ projections: [{ name: 'customer-daily', version: 2 }] });
      await coordinator.runUntil(id, 'ready');
      const stop = new AbortController();
      const clickhouse = connection.container.resolve(TOKENS.clickhouse);
      let [floor, statements, longest] = [0, 0, 0];
      const read = async (): Promise<void> => {
        while (!stop.signal.aborted) {
          const [known, began] = [floor, performance.now()];
          const [[rows, revenue]] = (await clickhouse.rows('SELECT count(), toFloat64(sum(revenue)) FROM customer_daily')) as [[unknown, unknown]];
          longest = Math.max(longest, performance.now() - began);
          statements += 1;
          if (Number(rows) === 0 || Number(revenue) < known) {
            throw new Error(`empty or older: ${String(rows)} rows, ${String(revenue)} after ${String(known)}`);
          }
          floor = Math.max(floor, Number(revenue));
          await sleep(20);
        }
      };
      const analysts = Promise.all(Array.from({ length: 4 }, read));
      analysts.catch(() => stop.abort());
      const readers = await startReaders(database.url, READINGS, { connections: 8, perSecond: 200 });
      const writer = startWriter(connection, { from: 300, perSecond: EVENTS });
      for (let i = 0; i < SWITCHES && !stop.signal.aborted; i += 1) {
        await sleep(500);
        await readers.during(() => (i % 2 === 0 ? coordinator.cutover(id) : coordinator.rollback(id)));
      }
      stop.abort();
      await analysts;
      await readers.stop();
      await writer.stop();
      say(`readers, both stores: ClickHouse ${String(statements)} statements, longest ${longest.toFixed(1)} ms; Postgres ${readers.findings.report()}`);
      expect((await coordinator.history(id)).filter(({ facts }) => facts['lockMs'] !== undefined)).toHaveLength(2 * SWITCHES);
    } finally {
      await worker.stop();
      await connection.close();
      await Promise.all([database.drop(), analytics.drop()]);
    }
  }, 300_000);
});
