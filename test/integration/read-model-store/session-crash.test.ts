import { Decimal } from '../../../src/kernel/decimal';
import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { qualified as clickhouseName } from '../../../src/platform/clickhouse/quote';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { qualified } from '../../../src/platform/postgres/quote';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { readView } from '../../../src/projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import { collectList } from '../../../src/projections/aggregates/columns';
import { count, decimal, max, text, windowEnd, windowStart } from '../../../src/projections/columns';
import { groupsTable, type Generation } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import type { ReadModelStore } from '../../../src/projections/read-model-store';
import { session } from '../../../src/projections/windows/window';
import { Death, faulty, type Fault } from '../../support/clickhouse-faults';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, until, type Bench } from '../../support/harness';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { OrderPlaced } from '../../support/shop';
import { replacing } from '../replay/world';

const MINUTE = 60_000;
const at = (who: string, minute: number): OrderPlaced => new OrderPlaced(who, 'x', Decimal.parse(`${String(minute)}.00`), new Date(minute * MINUTE));

/** One partition. Sessions of ten minutes without grace: the times of some close those of others, and what comes behind that is late. */
const events: readonly OrderPlaced[] = Array.from({ length: 14 }, (_, i) => i).flatMap((i) => [
  at('a', 20 * i),
  at('b', 20 * i + 5),
  ...(i % 2 === 0 ? [at('a', 20 * i + 9), at('c', 20 * i + 18), at('a', 20 * i + 12)] : [at('b', 20 * i + 15)]),
  ...(i % 3 === 2 ? [at('c', 20 * i - 25), at('b', 20 * i - 4)] : []),
]);
const BATCH = 5;

const model = readModel('crashed_sessions', {
  who: text().key(),
  started: windowStart(),
  ended: windowEnd(),
  actions: count(),
  highest: max(decimal(12, 2)),
  all: collectList(decimal(12, 2), { limit: 50 }),
});
const definition = definitionOf(
  projection({ name: 'crashed-sessions', version: 1, into: model, window: session('10 minutes', { grace: 0 }) }).on(OrderPlaced, (e) =>
    model.contribution({ who: e.orderId }, { actions: 1, highest: e.amount, all: e.amount }),
  ),
);

/** A store whose process dies before or after its n-th commit. */
const mortal = (store: ReadModelStore, when: 'before' | 'after', nth: number): ReadModelStore => {
  let commits = 0;
  return replacing(store, 'open', async (...given) => {
    const opened = await store.open(...given);
    return replacing(opened, 'commit', async (batch) => {
      commits += 1;
      if (commits === nth && when === 'before') {
        throw new Death();
      }
      const result = await opened.commit(batch);
      if (commits === nth) {
        throw new Death();
      }
      return result;
    });
  });
};

describeWithClickHouse('sessions of a worker that dies', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let pool: PostgresPool;
  let clickhouse: ClickHouse;
  let bench: Bench;
  let apps = 0;
  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('session-crash'), freshClickHouse('session-crash')]);
    pool = new PostgresPool({ url: database.url });
    clickhouse = new ClickHouse({ url: analytics.url });
    await migrate(pool);
    bench = await memoryBench(1);
    await bench.append(events);
  });
  afterAll(async () => {
    await Promise.all([pool.close(), clickhouse.close()]);
    await Promise.all([database.drop(), analytics.drop()]);
  });

  const control = (): PostgresCheckpointControl => new PostgresCheckpointControl(pool);
  /** Folds with the store of a worker that dies, if one is given, and then with one that does not; answers all that is left of it. */
  const folded = async (store: ReadModelStore, dying: ReadModelStore | undefined): Promise<object> => {
    apps += 1;
    const catalog = new PostgresCatalog({ pool, app: `session-crash-${String(apps)}` });
    const own = { ...definition, model: { ...definition.model, name: `s${String(apps)}` } };
    const generation = await buildGeneration(catalog, store, bench.log, own);
    const options = { replayBatch: BATCH, liveBatch: BATCH, waitMs: 5 };
    const live = { ...generation, status: 'active' as const }; // batches as small as said, none gathered
    if (dying !== undefined) {
      await expect(startRunner(bench, dying, live, own, { ...options, worker: 'dying' }).ended).rejects.toThrow(Death);
    }
    const next = startRunner(bench, store, live, own, { ...options, worker: 'next' });
    await until(() => caughtUp(catalog, bench.log, generation), 'the generation has caught up');
    await next.stop();
    const late = await pool.query('SELECT record_offset, window_start, contribution FROM refold.late_contributions WHERE generation_id = $1 ORDER BY 1', [
      generation.id,
    ]);
    const [checkpoint] = await catalog.checkpoints(generation.id);
    const { counters, streamTime } = checkpoint!;
    return { rows: await rowsOf(generation), kept: await keptOf(generation), late: late.rows, counters, streamTime };
  };
  const rowsOf = ({ store, table }: Generation): Promise<readonly object[]> =>
    store === 'postgres' ? readView(pool, 'public', { ...definition.model, name: table }) : readModelRows(clickhouse, { ...definition.model, name: table });
  const keptOf = async (generation: Generation): Promise<unknown> => {
    const table = groupsTable(generation);
    return generation.store === 'postgres'
      ? (await pool.query<{ kept: string }>(`SELECT _group || ' ' || _state::text || _offset AS kept FROM ${qualified('public', table)} ORDER BY 1`)).rows
      : clickhouse.rows(`SELECT _group, _state, _offset FROM ${clickhouseName(clickhouse.database, table)} FINAL WHERE NOT _deleted ORDER BY 1`);
  };

  it('in Postgres: whichever commit it died at, what the next one leaves is what one that lives leaves', async () => {
    const store = new PostgresReadModelStore({ pool });
    const whole = await folded(store, undefined);
    expect(whole).toMatchObject({ counters: { read: events.length, parked: 0 } });
    expect((whole as { late: readonly unknown[] }).late.length).toBeGreaterThan(4);
    for (let nth = 1; nth <= Math.ceil(events.length / BATCH); nth += 1) {
      for (const when of ['before', 'after'] as const) {
        expect([nth, when, await folded(store, mortal(store, when, nth))]).toEqual([nth, when, whole]);
      }
    }
  });

  it('in ClickHouse: whichever step of a batch it died at, and the rows are those of Postgres', async () => {
    const store = new ClickHouseReadModelStore({ clickhouse, control: control() });
    const whole = await folded(store, undefined);
    const FAULTS: readonly Fault[] = ['before the intent', 'after the intent', 'between its inserts', 'after the insert', 'after the checkpoint'];
    for (const nth of [1, 3, 6]) {
      for (const fault of FAULTS) {
        const dying = new ClickHouseReadModelStore(faulty(fault, nth, control(), clickhouse));
        expect([nth, fault, await folded(store, dying)]).toEqual([nth, fault, whole]);
      }
    }
    const { rows, late, counters } = (await folded(new PostgresReadModelStore({ pool }), undefined)) as { rows: object; late: object; counters: object };
    expect(whole).toMatchObject({ rows, late, counters });
  });
});
