import fc from 'fast-check';
import { Decimal } from '../../../src/kernel/decimal';
import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { readView } from '../../../src/projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import { array, bigint, boolean, decimal, double, integer, json, text, timestamp, uuid } from '../../../src/projections/columns';
import { NO_COUNTS } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import type { ReadModelStore } from '../../../src/projections/read-model-store';
import { canonicalRows } from '../../../src/projections/values';
import { buildGeneration, definitionOf, memoryBench, startRunner, until } from '../../support/harness';
import { describeWithClickHouse, describeWithPostgres, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { OrderPlaced } from '../../support/shop';

const everything = readModel('everything', {
  k: text().key(),
  words: text().nullable(),
  small: integer().nullable(),
  large: bigint().nullable(),
  yes: boolean().nullable(),
  float: double().nullable(),
  cents: decimal(12, 2).nullable(),
  wide: decimal(38, 18).nullable(),
  at: timestamp().nullable(),
  data: json().nullable(),
  id: uuid().nullable(),
  tags: array(text()),
  smalls: array(integer()),
  larges: array(bigint()),
  flags: array(boolean()),
  floats: array(double()),
  prices: array(decimal(38, 18)),
  times: array(timestamp()),
  ids: array(uuid()),
});
const definition = definitionOf(projection({ name: 'everything', version: 1, into: everything }).on(OrderPlaced, () => undefined));

const storableText = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0') && value.isWellFormed());
const awkward = fc.constantFrom(
  '',
  ' ',
  '\\',
  '\\N',
  '\\x00',
  "'",
  '"',
  'null',
  'NULL',
  '{}',
  '{a,"b"}',
  '\t\n\r',
  '\u0001\u007f',
  '漢字',
  '😀',
  '\ufeff',
  '\uffff',
  'a'.repeat(2_000),
);
const words = fc.oneof(storableText, awkward);
const extremes = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const scaled = (precision: number, scale: number): fc.Arbitrary<Decimal> => {
  const most = 10n ** BigInt(precision) - 1n;
  return fc.oneof(extremes(most, -most, 0n, 1n, -1n), fc.bigInt({ min: -most, max: most })).map((unscaled) => new Decimal(unscaled, scale));
};
/** Whole JSON, without what no store holds: NUL and halves of surrogates. */
const data = fc.jsonValue({ stringUnit: 'binary' }).filter((value) => value !== null && !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(value)));
const instants = (first: string, last: string): fc.Arbitrary<Date> =>
  fc.oneof(
    extremes(
      new Date(first),
      new Date(last),
      new Date(0),
      new Date(-1),
      new Date('1969-12-31T23:59:59.999Z'),
      new Date('2016-12-31T23:59:60Z'.replace(':60Z', ':59.999Z')),
    ),
    fc.date({ min: new Date(first), max: new Date(last), noInvalidDate: true }),
  );
const doubles = fc.oneof(
  extremes(5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1.7976931348623157e308, 0, -0, 0.1, 0.1 + 0.2, 1e21, 1e-7, 2 ** 53 + 2),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const rowOf = (at: fc.Arbitrary<Date>) =>
  fc.record({
    words: fc.option(words),
    small: fc.option(fc.oneof(extremes(-(2 ** 31), 2 ** 31 - 1, 0, -0), fc.integer())),
    large: fc.option(fc.oneof(extremes(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))),
    yes: fc.option(fc.boolean()),
    float: fc.option(doubles),
    cents: fc.option(scaled(12, 2)),
    wide: fc.option(scaled(38, 18)),
    at: fc.option(at),
    id: fc.option(fc.uuid()),
    tags: fc.array(words),
    smalls: fc.array(fc.integer()),
    larges: fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    flags: fc.array(fc.boolean()),
    floats: fc.array(doubles),
    prices: fc.array(scaled(38, 18)),
    times: fc.array(at),
    ids: fc.array(fc.uuid()),
    data: fc.option(fc.oneof(data, extremes<unknown>(5e-324, 1.7976931348623157e308, -0, 1e21, 0.1, [], {}, '', { b: 1, aa: 2, a: 3, '': 4, __proto: 5 }))),
  });
const RUNS = 25;
const ROWS = 20;
const MANY = Array.from({ length: 100 }, (_, i) => `another ${String(i)}`);

interface Values {
  readonly store: ReadModelStore;
  readonly pool: PostgresPool;
  /** What readers see, sorted by key. */
  readonly shown: (table: string) => Promise<readonly object[]>;
  readonly instants: fc.Arbitrary<Date>;
}

const suite = (open: () => Values): void => {
  let app = 0;
  it('every value comes back as it was written, to the loader and to readers', async () => {
    const { store, pool, shown, instants: at } = open();
    app += 1;
    const generation = await buildGeneration(new PostgresCatalog({ pool, app: `values-${String(app)}` }), store, (await memoryBench(1)).log, definition);
    const opened = await store.open(generation, definition);
    const [claimed] = await opened.claim([{ topic: 'orders', partition: 0 }], 'w');
    let offset = 0;
    const written = new Set<unknown>();
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          words.filter((key) => Buffer.byteLength(key) < 2_000),
          { minLength: ROWS, maxLength: ROWS },
        ),
        fc.array(rowOf(at), { minLength: ROWS, maxLength: ROWS }),
        async (keys, given) => {
          const rows = keys.map((k, i) => canonicalRows(definition.model.columns)({ k, ...given[i]! }));
          const others = offset % 2 === 0 ? [] : MANY.map((k) => ({ ...rows[0]!, k: `${k} of ${String(offset)}` })); // many new rows are written in another way
          const advance = { topic: 'orders', partition: 0, from: offset, next: offset + 1, epoch: claimed!.epoch, streamTime: 0, fingerprint: undefined };
          const stamp = { topic: 'orders', partition: 0, offset };
          offset += 1;
          const result = await opened.commit({
            advances: [{ ...advance, counters: { ...NO_COUNTS, read: 1, applied: 1 } }],
            upserts: [...rows, ...others].map((row) => ({ row, stamp, isStored: written.has(row['k']) })),
            deletes: [],
            merges: [],
            late: [],
            parked: [],
          });
          expect(result).toEqual({ status: 'committed' });
          keys.forEach((key) => written.add(key));
          const loaded = await opened.load(keys);
          expect(keys.map((key) => loaded.get(key)?.row)).toEqual(rows);
          expect(new Set([...loaded.values()].map((one) => one.stamp.offset))).toEqual(new Set([stamp.offset]));
          const byKey = new Map((await shown(generation.table)).map((row) => [(row as { k: string }).k, row]));
          expect(keys.map((key) => byKey.get(key))).toEqual(rows);
        },
      ),
      { numRuns: RUNS },
    );
  });
};

describe('values that stay exact', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  const prepare = async (): Promise<void> => {
    database = await freshDatabase('exact-values');
    pool = new PostgresPool({ url: database.url });
    await migrate(pool);
  };
  const finish = async (): Promise<void> => {
    await pool.close();
    await database.drop();
  };

  describeWithPostgres('in Postgres', () => {
    beforeAll(prepare);
    afterAll(finish);
    suite(() => ({
      store: new PostgresReadModelStore({ pool }),
      pool,
      shown: (table) => readView(pool, 'public', { ...definition.model, name: table }),
      instants: instants('0001-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z'),
    }));

    it.each([
      [
        'text that its index cannot hold',
        'x'.repeat(20).concat(...Array.from({ length: 4_000 }, (_, i) => String.fromCodePoint(0x4e00 + ((i * 7_919) % 20_000)))),
      ],
      ['a NUL', 'a\0b'],
    ])('%s stops the partition of its record alone', async (_, name) => {
      const model = readModel('by_name', { order_id: text().key(), name: text().index() });
      const named = definitionOf(
        projection({ name: 'by-name', version: 1, into: model }).on(OrderPlaced, (e) => ({
          order_id: e.orderId,
          name: e.customerId === 'bad' ? name : e.customerId,
        })),
      );
      const bench = await memoryBench(2);
      await bench.append(['a', 'b', 'c', 'd', 'e', 'f'].map((key) => new OrderPlaced(key, key === 'c' ? 'bad' : 'good', Decimal.parse('1.00'), new Date(0))));
      const catalog = new PostgresCatalog({ pool, app: `long-${name.slice(0, 1)}` });
      const store = new PostgresReadModelStore({ pool, viewSchema: name.startsWith('x') ? 'long' : 'nul' });
      const generation = await buildGeneration(catalog, store, bench.log, named);
      const running = startRunner(bench, store, generation, named, { failures: 'stop' });
      await until(() => running.events.some(({ kind }) => kind === 'stopped'), 'a partition stopped');
      const heads = await bench.log.heads(['orders']);
      const stopped = (await catalog.checkpoints(generation.id)).find(({ stoppedBy }) => stoppedBy !== undefined)!;
      await until(
        async () => (await catalog.checkpoints(generation.id))[1 - stopped.partition]!.next === heads[1 - stopped.partition]!.end,
        'the other goes on',
      );
      await running.stop();
      expect(stopped.stoppedBy).toMatchObject({ code: name.startsWith('x') ? 'store.value-refused' : 'row.invalid', offset: stopped.next });
    });
  });

  describeWithClickHouse('in ClickHouse', () => {
    let analytics: TestClickHouse;
    let clickhouse: ClickHouse;
    beforeAll(async () => {
      await prepare();
      analytics = await freshClickHouse('exact_values');
      clickhouse = new ClickHouse({ url: analytics.url });
    });
    afterAll(async () => {
      await clickhouse.close();
      await analytics.drop();
      await finish();
    });
    suite(() => ({
      store: new ClickHouseReadModelStore({ clickhouse, control: new PostgresCheckpointControl(pool) }),
      pool,
      shown: (table) => readModelRows(clickhouse, { ...definition.model, name: table }),
      instants: instants('1900-01-01T00:00:00.000Z', '2299-12-31T23:59:59.999Z'),
    }));
  });
});
