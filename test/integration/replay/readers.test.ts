import { PostgresPool } from '../../../src/platform/postgres/pool';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { DAILY_V2, openWorld, orders, type World } from './world';

interface Seen {
  readonly rows: number;
  readonly orders: number;
  readonly twice: number;
  readonly revenue: number;
}

const QUERY = `
  SELECT count(*) AS rows, sum(orders)::int8 AS orders, (SELECT sum(orders) FROM customer_daily)::int8 AS twice, (sum(revenue) * 100)::int8 AS revenue
    FROM customer_daily`;

describeWithPostgres('readers of a view that is switched', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-readers', orders: 300 });
  });
  afterAll(() => world.close());

  /** Polls until stopped, in statements of their own or two by two in one transaction. Throws at the first thing that must never be seen. */
  const read = async (pool: PostgresPool, stop: AbortSignal, floor: { revenue: number }, inTransaction: boolean): Promise<number> => {
    let polls = 0;
    const look = async (sql: Pick<PostgresPool, 'query'>, known: number): Promise<Seen> => {
      const { rows } = await sql.query<Seen>(QUERY);
      const seen = rows[0]!;
      if (seen.rows === 0 || seen.orders !== seen.twice || seen.revenue < known) {
        throw new Error(`empty, mixed or older: ${JSON.stringify(seen)} after ${String(known)}`);
      }
      polls += 1;
      return seen;
    };
    while (!stop.aborted) {
      const known = floor.revenue; // what anybody had seen before this statement began
      const last = inTransaction ? await pool.transaction(async (sql) => look(sql, (await look(sql, known)).revenue)) : await look(pool, known);
      floor.revenue = Math.max(floor.revenue, last.revenue);
    }
    return polls;
  };

  it('see no error and no empty, mixed or older result while it goes back and forth under writes', async () => {
    const coordinator = world.coordinator();
    const { id } = await coordinator.start({ projections: DAILY_V2 });
    await coordinator.runUntil(id, 'ready');
    const stop = new AbortController();
    const floor = { revenue: 0 };
    const pool = new PostgresPool({ url: world.url, max: 8, applicationName: 'readers' });
    const readers = Array.from({ length: 8 }, (_, i) => read(pool, stop.signal, floor, i % 2 === 0));
    const watched = Promise.all(readers);
    watched.catch(() => stop.abort());
    let written = 300;
    const write = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        await world.shop.emit(orders(written, written + 10));
        written += 10;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const writing = write();
    for (let round = 0; round < 4; round += 1) {
      await coordinator.cutover(id);
      await coordinator.rollback(id);
    }
    await coordinator.cutover(id);
    stop.abort();
    await writing;
    const polls = await watched;
    expect(Math.min(...polls)).toBeGreaterThan(0);
    await until(async () => (await world.total()).orders === written * 0.9, 'the view shows everything written');
    expect(floor.revenue).toBeGreaterThan(0);
    await pool.close();
  });

  it('go on under a worker that loses one generation after the other while events arrive', async () => {
    const coordinator = world.coordinator();
    let written = (await world.shop.log.heads(['orders'])).reduce((sum, { stable }) => sum + stable, 0); // the log knows, whoever lags behind
    const stop = new AbortController();
    const write = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        await world.shop.emit(orders(written, written + 20));
        written += 20;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const writing = write();
    for (let round = 0; round < 3; round += 1) {
      const { id } = await coordinator.start({ projections: DAILY_V2, again: true });
      await coordinator.runUntil(id, round % 2 === 0 ? 'done' : 'ready');
      await (round % 2 === 0 ? coordinator.retire(id) : coordinator.abort(id));
    }
    stop.abort();
    await writing;
    await until(async () => (await world.total()).orders === written * 0.9, 'the worker still folds');
  });
});
