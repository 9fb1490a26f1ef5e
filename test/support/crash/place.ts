import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { defineApp } from '../../../src/app/define-app';
import { Decimal } from '../../../src/kernel/decimal';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import type { StoreKind } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { tumbling } from '../../../src/projections/windows/window';
import type { ReplayCoordinator } from '../../../src/replay/coordinator';
import { coordinatorOver, orders, startWorker, type WorkerHandle } from '../../integration/replay/world';
import { until } from '../harness';
import { freshClickHouse, freshDatabase } from '../services';
import { OrderPlaced, customerDaily, orderSummary, shopEvents, type OrderRow } from '../shop';
import { Fate } from './fate';
import { MortalClickHouse, MortalPool } from './mortal-stores';
import { expectedRows, rowsOf } from './reference';
import { watchInvariants, type Watch } from './watch';

const summary = (version: number) =>
  projection({ name: 'order-summary', version, into: orderSummary }).on(OrderPlaced, (e): OrderRow => ({
    order_id: e.orderId,
    customer_id: version === 1 ? e.customerId.toUpperCase() : e.customerId,
    status: 'placed',
    amount: e.amount,
    changed_at: e.placedAt,
  }));

/** Version 1 counts orders of nothing too. */
const daily = (version: number, store: readonly StoreKind[]) =>
  projection({ name: 'customer-daily', version, store, into: customerDaily, window: tumbling('1 day', { grace: '400 days' }) }).on(OrderPlaced, (e) =>
    customerDaily.contribution(
      { customer_id: e.customerId },
      { orders: version > 1 && e.amount.equals(Decimal.parse('0.00')) ? 0 : 1, revenue: e.amount, largest: e.amount, smallest: e.amount },
    ),
  );

const appOf = (versions: readonly number[], stores: readonly StoreKind[]) =>
  defineApp({ name: 'shop', events: [...shopEvents], projections: versions.flatMap((version) => [summary(version), daily(version, stores)]) as never });

/** One projection of each kind, which switch together. */
export const SET = [
  { name: 'order-summary', version: 2 },
  { name: 'customer-daily', version: 2 },
] as const;

/** A process of the application, with connections of its own. */
export interface Process {
  readonly fate: Fate;
  readonly connection: ConnectedApp;
  coordinator(): ReplayCoordinator;
  work(): WorkerHandle;
  /** Ends its sessions in the database, as the end of the process does. */
  sever(): Promise<void>;
  close(): Promise<void>;
}

/** A database, and a store beside it, in which version 1 was built. */
export interface Place {
  readonly pool: PostgresPool;
  readonly stores: readonly StoreKind[];
  readonly watch: Watch;
  /** Stops the worker that folds both versions; another one takes its place. */
  replaceWorker(worker: Process | undefined): Promise<void>;
  /** @param role shown in the history */
  process(role: string): Promise<Process>;
  emit(count: number): Promise<void>;
  /** Rejects where a read model differs from a plain fold of all events in any store. */
  expectRows(version: number): Promise<void>;
  /** Tables and views of the read models in a store. */
  relations(store: StoreKind): Promise<readonly string[]>;
  close(): Promise<void>;
}

const DAY_ONE = 60;
let named = 0;

const openProcess = async (app: unknown, urls: Urls, role: string): Promise<Process> => {
  named += 1;
  const applicationName = `refold ${role} ${String(named)}`;
  const fate = new Fate();
  const connection = (await connect(app as ReturnType<typeof appOf>, {
    configuration: { postgresUrl: urls.postgres, ...(urls.clickhouse === undefined ? {} : { clickhouseUrl: urls.clickhouse }) },
    environment: {},
    configure: (container) => {
      container.registerInstance(TOKENS.pool, new MortalPool({ url: urls.postgres, max: 12, applicationName }, fate));
      if (urls.clickhouse !== undefined) {
        container.registerInstance(TOKENS.clickhouse, new MortalClickHouse({ url: urls.clickhouse, applicationName }, fate));
      }
    },
  })) as unknown as ConnectedApp;
  return {
    fate,
    connection,
    coordinator: () =>
      coordinatorOver(connection, {
        by: role,
        options: { leaseMs: 60_000, holdMs: 1_500 },
        observe: ({ step }) => fate.tell(step),
      }),
    work: () => startWorker(connection, `${role}-${String(named)}`),
    sever: async () => {
      await urls.observer.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [applicationName]);
    },
    close: () => connection.close(),
  };
};

interface Urls {
  readonly postgres: string;
  readonly clickhouse: string | undefined;
  readonly observer: PostgresPool;
}

const firstBuild = async (urls: Urls, stores: readonly StoreKind[], events: readonly OrderPlaced[]): Promise<void> => {
  const first = await openProcess(appOf([1], stores), urls, 'first');
  await first.connection.migrate();
  await first.connection.emit(events);
  const worker = first.work();
  const active = async (): Promise<number> => (await first.connection.generations()).filter(({ generation }) => generation.status === 'active').length;
  await until(async () => (await active()) === stores.length + 1, 'version 1 is active');
  await worker.stop();
  await first.close();
};

const relationsIn = (pool: PostgresPool, analytics: Awaited<ReturnType<typeof freshClickHouse>> | undefined): Place['relations'] => {
  return async (store) => {
    if (store === 'postgres') {
      const { rows } = await pool.query<{ name: string }>(
        `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'v', 'm') AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'crash_%' ORDER BY 1`,
      );
      return rows.map(({ name }) => name);
    }
    const result = await analytics!.client.query({
      query: 'SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name',
      format: 'JSONEachRow',
    });
    return (await result.json<{ name: string }>()).map(({ name }) => name);
  };
};

export const openPlace = async (name: string, stores: readonly StoreKind[]): Promise<Place> => {
  const [database, analytics] = await Promise.all([freshDatabase(name), stores.includes('clickhouse') ? freshClickHouse(name) : undefined]);
  const pool = new PostgresPool({ url: database.url, max: 6, applicationName: 'refold tests' });
  const urls: Urls = { postgres: database.url, clickhouse: analytics?.url, observer: pool };
  const events: OrderPlaced[] = orders(0, DAY_ONE);
  await firstBuild(urls, stores, events);
  const app = appOf([1, 2], stores);
  const process = (role: string): Promise<Process> => openProcess(app, urls, role);
  let worker = await process('worker');
  let working = worker.work();
  await until(async () => (await pool.query(`SELECT 1 FROM refold.workers WHERE worker LIKE 'worker-%'`)).rows.length > 0, 'the worker has announced itself');
  const emitter = await process('emitter');
  const watch = await watchInvariants(pool, emitter.connection, stores);
  return {
    pool,
    stores,
    watch,
    replaceWorker: async (other) => {
      await working.stop().catch(() => undefined); // of a dead process
      await worker.close();
      worker = other ?? (await process('worker'));
      working = worker.work();
    },
    process,
    emit: async (count) => {
      const more = orders(events.length, events.length + count);
      await emitter.connection.emit(more);
      events.push(...more);
    },
    expectRows: async (version) => {
      for (const [model, store] of [['order_summary', 'postgres'], ...stores.map((kind) => ['customer_daily', kind] as const)] as const) {
        const rows = expectedRows(model, version, events);
        let seen: readonly string[] = [];
        const same = async (): Promise<boolean> => (seen = rowsOf(await emitter.connection.query(model as never, { store }))).join() === rows.join();
        await until(same, 'the rows are those of a plain fold').catch(() => undefined);
        expect({ model, store, rows: seen }).toEqual({ model, store, rows });
      }
    },
    relations: relationsIn(pool, analytics),
    close: async () => {
      await watch.stop();
      await working.stop().catch(() => undefined);
      await Promise.all([worker.close(), emitter.close(), pool.close()]);
      await Promise.all([database.drop(), analytics?.drop()]);
    },
  };
};
