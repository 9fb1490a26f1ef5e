import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { defineApp } from '../../../src/app/define-app';
import { Decimal } from '../../../src/kernel/decimal';
import { systemClock } from '../../../src/kernel/clock';
import type { PostgresPool } from '../../../src/platform/postgres/pool';
import { PostgresHolds } from '../../../src/replay/adapters/postgres/holds';
import { PostgresReplayPaces } from '../../../src/replay/adapters/postgres/paces';
import { PostgresReplayJournal } from '../../../src/replay/adapters/postgres/journal';
import { PostgresRetirements } from '../../../src/replay/adapters/postgres/retirements';
import { PostgresVerifications } from '../../../src/replay/adapters/postgres/verifications';
import { ReplayCoordinator } from '../../../src/replay/coordinator';
import type { ReplayObserver, ReplayOptions, ReplayParts } from '../../../src/replay/parts';
import { CustomerDaily, OrderPlaced, OrderSummary, customerDailyV2, shopEvents } from '../../support/shop';
import { until } from '../../support/harness';
import { freshDatabase } from '../../support/services';

export const shopV1 = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary, CustomerDaily] });
export const shopV2 = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary, CustomerDaily, customerDailyV2] });

/** Orders by number: every tenth is of 0.00, which only version 1 counts. */
export const orders = (from: number, to: number): OrderPlaced[] =>
  Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    const amount = Decimal.parse(n % 10 === 0 ? '0.00' : `${String(1 + (n % 90))}.25`);
    return new OrderPlaced(`o${String(n)}`, `c${String(n % 23)}`, amount, new Date(Date.UTC(2026, 0, 1) + n * 3_600_000));
  });

export interface CoordinatorSettings {
  readonly options?: Partial<ReplayOptions>;
  readonly observe?: ReplayObserver;
  readonly by?: string;
  readonly definitions?: ReplayParts['definitions'];
  /** Once set, nothing reaches the database any more: not even the lifting of a hold or the release of a lease. */
  readonly death?: { dead: boolean };
  /** Wraps or replaces parts. */
  readonly rewire?: (parts: ReplayParts) => ReplayParts;
}

/** The part with one method replaced; the others run on the part itself. */
export const replacing = <T extends object, K extends keyof T & string>(part: T, name: K, method: T[K]): T =>
  new Proxy(part, {
    get: (target, property) => {
      const value: unknown = property === name ? method : Reflect.get(target, property, target);
      return typeof value === 'function' ? (value as (...args: never[]) => unknown).bind(target) : value;
    },
  });

const mortal = <T extends object>(part: T, death: { readonly dead: boolean } | undefined): T =>
  death === undefined
    ? part
    : new Proxy(part, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== 'function') {
            return value;
          }
          const method = value as (...args: unknown[]) => unknown;
          return (...args: unknown[]): unknown => (death.dead ? Promise.reject(new Error('this process is dead')) : method.apply(target, args));
        },
      });

/** A coordinator over the parts of a connection, with short pauses. */
export const coordinatorOver = (connection: ConnectedApp, settings: CoordinatorSettings = {}): ReplayCoordinator => {
  const { container, app } = connection;
  const { death, rewire = (parts: ReplayParts): ReplayParts => parts } = settings;
  const pool = container.resolve(TOKENS.pool);
  const parts: ReplayParts = {
    app: app.name,
    catalog: container.resolve(TOKENS.catalog),
    journal: mortal(new PostgresReplayJournal(pool, app.name), death),
    retirements: mortal(new PostgresRetirements({ pool, app: app.name }), death),
    holds: mortal(new PostgresHolds(pool), death),
    verifications: mortal(new PostgresVerifications(pool, app.name), death),
    checks: app.checks,
    stores: container.resolve(TOKENS.stores),
    switches: new Map([...container.resolve(TOKENS.switches)].map(([kind, store]) => [kind, mortal(store, death)])),
    log: container.resolve(TOKENS.log),
    errata: container.resolve(TOKENS.errata),
    paces: mortal(new PostgresReplayPaces({ pool, app: app.name }), death),
    probes: container.resolve(TOKENS.probes),
    serde: container.resolve(TOKENS.serde),
    definitions: settings.definitions ?? app.projections,
    clock: systemClock,
    by: settings.by ?? 'test',
    ...(settings.observe === undefined ? {} : { observe: settings.observe }),
    options: { pollMs: 10, retireDelayMs: 0, ...settings.options },
  };
  return new ReplayCoordinator(rewire(parts));
};

/** What the coordinator needs from the worker before it is asked. */
export interface WorkerHandle {
  stop(): Promise<void>;
}

/** A database with the shop's history folded by version 1, and a worker that folds both versions. */
export interface World {
  readonly url: string;
  readonly shop: ConnectedApp;
  readonly pool: PostgresPool;
  coordinator(settings?: CoordinatorSettings): ReplayCoordinator;
  work(): WorkerHandle;
  /** Stops all workers there are. */
  rest(): Promise<void>;
  /** `name v2.r1 status` of every generation of the projection, in order of creation. */
  generations(projection?: string): Promise<readonly string[]>;
  total(): Promise<{ readonly rows: number; readonly orders: number; readonly revenue: string }>;
  close(): Promise<void>;
}

export interface WorldSettings {
  readonly name: string;
  readonly orders: number;
  /** The application beside whose version 1 its other versions are known to the worker. */
  readonly app?: typeof shopV2;
  /** What becomes of events that cannot be folded. */
  readonly failures?: 'park' | 'stop';
}

export const startWorker = (connection: ConnectedApp, name: string, failures: WorldSettings['failures'] = 'park'): WorkerHandle => {
  const worker = connection.worker({ name, options: { pollMs: 20, waitMs: 20, announceMs: 200, failures } });
  const ended = worker.run();
  ended.catch(() => undefined); // `stop` reports it
  return {
    stop: async () => {
      worker.stop();
      await ended;
    },
  };
};

const firstBuild = async (url: string, count: number): Promise<void> => {
  const connection = (await connect(shopV1, { configuration: { postgresUrl: url }, environment: {} })) as unknown as ConnectedApp;
  try {
    await connection.migrate();
    await connection.emit(orders(0, count));
    const worker = startWorker(connection, 'first');
    await until(async () => (await connection.generations()).filter(({ generation }) => generation.status === 'active').length === 2, 'version 1 is active');
    await worker.stop();
  } finally {
    await connection.close();
  }
};

export const openWorld = async (settings: WorldSettings): Promise<World> => {
  const database = await freshDatabase(settings.name);
  await firstBuild(database.url, settings.orders);
  const shop = (await connect(settings.app ?? shopV2, { configuration: { postgresUrl: database.url }, environment: {} })) as unknown as ConnectedApp;
  await shop.emit([]);
  const pool = shop.container.resolve(TOKENS.pool);
  const workers: WorkerHandle[] = [];
  let named = 0;
  const work = (): WorkerHandle => {
    named += 1;
    const worker = startWorker(shop, `worker-${String(named)}`, settings.failures);
    workers.push(worker);
    return worker;
  };
  const rest = async (): Promise<void> => {
    for (const worker of workers.splice(0)) {
      await worker.stop();
    }
  };
  work();
  await until(async () => (await pool.query(`SELECT 1 FROM refold.workers WHERE worker = 'worker-1'`)).rows.length === 1, 'the worker has announced itself');
  return {
    url: database.url,
    shop,
    pool,
    work,
    rest,
    coordinator: (given) => coordinatorOver(shop, given),
    generations: async (projection = 'customer-daily') => {
      const { rows } = await pool.query<{ label: string }>(
        `SELECT 'v' || version || '.r' || run || ' ' || status AS label FROM refold.generations WHERE projection = $1 ORDER BY generation_id`,
        [projection],
      );
      return rows.map(({ label }) => label);
    },
    total: async () => {
      const { rows } = await pool.query<{ rows: number; orders: string; revenue: string }>(
        'SELECT count(*) AS rows, sum(orders) AS orders, sum(revenue)::text AS revenue FROM customer_daily',
      );
      return { rows: rows[0]!.rows, orders: Number(rows[0]!.orders), revenue: rows[0]!.revenue };
    },
    close: async () => {
      await rest();
      await shop.close();
      await database.drop();
    },
  };
};

export const DAILY_V2 = [{ name: 'customer-daily', version: 2 }] as const;

/** `ce_id` of the first event of an order. */
export const idOfOrder = async (world: World, order: string): Promise<string> => {
  for (const { topic, partition, start, stable } of await world.shop.log.heads(['orders'])) {
    const { records } = await world.shop.log.read({ topic, partition, offset: start }, { maxRecords: stable });
    const found = records.find(({ key }) => key?.toString() === order);
    if (found !== undefined) {
      return found.headers['ce_id']!;
    }
  }
  throw new Error(`there is no event of ${order}`);
};
