import { Decimal } from '../../../src/kernel/decimal';
import { ClickHouse, type CellRow } from '../../../src/platform/clickhouse/client';
import { qualified } from '../../../src/platform/clickhouse/quote';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { rowsTable } from '../../../src/projections/adapters/clickhouse/table';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import type { Generation } from '../../../src/projections/generations';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, until, type Bench } from '../../support/harness';
import { describeWithClickHouse, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { OrderErased, OrderPlaced, OrderSummary } from '../../support/shop';

const definition = definitionOf(OrderSummary);
const placed = (key: string): OrderPlaced => new OrderPlaced(key, 'ann', Decimal.parse('1.00'), new Date(0));
const keys = Array.from({ length: 40 }, (_, i) => `o${String(i).padStart(2, '0')}`);

describeWithClickHouse('rows that were deleted from ClickHouse', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let pool: PostgresPool;
  let clickhouse: ClickHouse;
  let bench: Bench;
  let catalog: PostgresCatalog;
  let store: ClickHouseReadModelStore;
  let generation: Generation;
  /** Every insert that was made, to be made again. */
  const inserts: Parameters<ClickHouse['insert']>[] = [];

  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('clean'), freshClickHouse('clean')]);
    pool = new PostgresPool({ url: database.url });
    clickhouse = new ClickHouse({ url: analytics.url });
    await migrate(pool);
    bench = await memoryBench(2);
    catalog = new PostgresCatalog({ pool, app: 'clean' });
    const insert = clickhouse.insert.bind(clickhouse);
    clickhouse.insert = (...given) => {
      inserts.push(given);
      return insert(...given);
    };
    store = new ClickHouseReadModelStore({ clickhouse, control: new PostgresCheckpointControl(pool) });
    generation = await buildGeneration(catalog, store, bench.log, definition);
  });
  afterAll(async () => {
    await Promise.all([pool.close(), clickhouse.close()]);
    await Promise.all([database.drop(), analytics.drop()]);
  });

  const table = () => qualified(generation.viewSchema, rowsTable(generation));
  const shown = async (): Promise<readonly unknown[]> =>
    (await readModelRows(clickhouse, { ...definition.model, name: generation.table })).map((row) => row['order_id']);
  const stored = async (where: string): Promise<number> => Number(((await clickhouse.rows(`SELECT count() FROM ${table()} WHERE ${where}`))[0] as CellRow)[0]);
  const folded = (): Promise<void> => until(() => caughtUp(catalog, bench.log, generation), 'all is folded');

  it('are removed for good while a worker folds on and readers read; what they hid never comes back, nor does an insert that was late', async () => {
    await clickhouse.command(`SYSTEM STOP MERGES ${table()}`); // what was hidden stays where it is
    const live = startRunner(bench, store, generation, definition, { waitMs: 5 });
    await bench.append(keys.map(placed));
    await folded();
    await bench.append(keys.slice(0, 30).map((key) => new OrderErased(key)));
    await folded();
    await bench.append([placed('o00')]); // deleted, and there again
    await folded();
    const left = ['o00', ...keys.slice(30)];
    expect(await shown()).toEqual(left);
    const before = [...inserts];
    await clickhouse.command(`SYSTEM START MERGES ${table()}`);

    const wrong: unknown[] = [];
    let isCleaning = true;
    const reading = (async () => {
      while (isCleaning) {
        wrong.push(...(await shown()).filter((key) => !left.includes(key as string)));
      }
    })();
    expect(await store.clean(generation)).toBe(29);
    isCleaning = false;
    await reading;
    expect(wrong).toEqual([]);
    expect(await stored("_deleted AND order_id <> 'o00'")).toBe(0);
    expect(
      await stored(
        `order_id IN (${keys
          .slice(1, 30)
          .map((key) => `'${key}'`)
          .join(', ')})`,
      ),
    ).toBe(0);

    for (const [i, [into, columns, rows]] of before.entries()) {
      await expect(clickhouse.insert(into, columns, rows, `late-${String(i)}`)).rejects.toThrow(/refold_floor/);
    }
    expect(await shown()).toEqual(left);
    await bench.append([placed('o01'), new OrderErased('o30')]);
    await folded();
    await live.stop();
    expect(await shown()).toEqual([...left, 'o01'].filter((key) => key !== 'o30').sort());
    expect(await store.clean(generation)).toBe(1);
    expect(await store.clean(generation)).toBe(0);
    expect(await shown()).toEqual([...left, 'o01'].filter((key) => key !== 'o30').sort());
  });

  it('stay while a batch is in doubt', async () => {
    const opened = await store.open(generation);
    const [claimed] = await opened.claim([{ topic: 'orders', partition: 0 }], 'w');
    await pool.query(`UPDATE refold.checkpoints SET intent_to = next_offset + 1, intent = '{}' WHERE generation_id = $1 AND partition = $2`, [
      generation.id,
      claimed!.partition,
    ]);
    await expect(store.clean(generation)).rejects.toMatchObject({ code: 'store.conflict' });
  });
});
