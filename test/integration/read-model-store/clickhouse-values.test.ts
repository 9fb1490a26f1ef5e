import { Decimal } from '../../../src/kernel/decimal';
import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { qualified } from '../../../src/platform/clickhouse/quote';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { StoredRows } from '../../../src/projections/adapters/clickhouse/stored-rows';
import { createTables, writtenTables } from '../../../src/projections/adapters/clickhouse/table';
import { array, bigint, decimal, double, integer, json, sum, text, timestamp } from '../../../src/projections/columns';
import type { Generation } from '../../../src/projections/generations';
import { readModel, type ReadModelDefinition } from '../../../src/projections/read-model';
import { diffCopies } from '../../../src/replay/adapters/clickhouse/compare';
import { showGenerations } from '../../../src/replay/adapters/clickhouse/views';
import { blockOf } from '../../support/clickhouse-block';
import { describeWithClickHouse, freshClickHouse, type TestClickHouse } from '../../support/services';

describeWithClickHouse('values and names in ClickHouse', () => {
  let analytics: TestClickHouse;
  let clickhouse: ClickHouse;
  let made = 0;
  beforeAll(async () => {
    analytics = await freshClickHouse('values');
    clickhouse = new ClickHouse({ url: analytics.url });
  });
  afterAll(async () => {
    await clickhouse.close();
    await analytics.drop();
  });

  /** A generation with its table; `rows` are of partitions 0, 1, ... */
  const holding = async (model: ReadModelDefinition, rows: readonly Readonly<Record<string, unknown>>[]): Promise<Generation> => {
    made += 1;
    const generation = {
      ...{ id: made, app: 'shop', projection: 'p', store: 'clickhouse', version: made, run: 1, createdAt: made, model: `${model.name}${String(made)}` },
      ...{ viewSchema: analytics.database, table: `t${String(made)}`, storage: model.mergeable ? 'partials' : 'rows', columns: model.columns },
    } as unknown as Generation;
    for (const statement of createTables(generation)) {
      await clickhouse.command(statement);
    }
    const stored = new StoredRows(clickhouse, writtenTables(generation)[0]);
    const versioned = rows.map((values, partition) => ({ values, stamp: { topic: 't', partition, offset: 0 }, epoch: 1, deleted: false }));
    await stored.insert(blockOf(stored, versioned), 'token');
    return generation;
  };
  const rowsOf = (generation: Generation): Promise<readonly object[]> => readModelRows(clickhouse, { name: generation.table, columns: generation.columns });

  it.each([['max_rows_in_set=10', 'set_overflow_mode=break'], ['limit=7'], ['input_format_null_as_default=0']])(
    'reads and writes all rows, or fails, whatever the profile of its user says: %s',
    async (...settings) => {
      const url = new URL(analytics.url);
      settings.forEach((setting) => {
        url.searchParams.set(`clickhouse_setting_${setting.split('=')[0]!}`, setting.split('=')[1]!);
      });
      const keys = Array.from({ length: 100 }, (_, i) => String(i).padStart(3, '0'));
      const generation = await holding(
        readModel('profile', { k: text().key(), v: text() }).definition,
        keys.map((k) => ({ k, v: 'x' })),
      );
      const restricted = new ClickHouse({ url: url.toString() });
      try {
        const stored = new StoredRows(restricted, writtenTables(generation)[0]);
        const read = (): Promise<number> =>
          stored.read(keys.map((key) => [key])).then(
            (found) => found.filter(({ deleted }) => !deleted).length,
            () => 100, // said, not hidden
          );
        expect(await read()).toBe(100);
        expect(await stored.read([['007']])).toHaveLength(1);
        const gone = { values: { k: '007' }, stamp: { topic: 't', partition: 7, offset: 1 }, epoch: 2, deleted: true };
        await stored.insert(blockOf(stored, [gone]), 'deletion');
        expect((await stored.read([['007']])).map(({ deleted }) => deleted)).toEqual([true]);
      } finally {
        await restricted.close();
      }
    },
  );

  it('takes columns of any name', async () => {
    const model = readModel('odd', {
      'order total': text().key(),
      'q`t': text(),
      'b\\s': text(),
      größe: text(),
      select: text(),
      a: text(),
      b: timestamp(),
    }).definition;
    const row = { 'order total': "k'", 'q`t': '`', 'b\\s': '\\', größe: '漢', select: '', a: '1', b: new Date(0) };
    const before = await holding(model, [row]);
    const after = await holding(model, [{ ...row, größe: '字' }]);
    expect(await rowsOf(before)).toEqual([row]);
    expect((await new StoredRows(clickhouse, writtenTables(before)[0]).read([["k'"]])).map((found) => found.row)).toEqual([row]);
    const diff = await diffCopies(clickhouse, { from: before, to: after }, { from: before.table, to: after.table }, { samples: 5 });
    expect(diff.samples).toEqual([{ kind: 'changed', key: { 'order total': "k'" }, changes: [{ column: 'größe', before: '漢', after: '字' }] }]);
    await showGenerations(clickhouse, [{ to: after }], 'forward', false);
    expect(await readModelRows(clickhouse, { name: after.model, columns: after.columns })).toEqual([{ ...row, größe: '字' }]);
  });

  it('takes changed columns as they are where that is allowed, and refuses where a view selects from it', async () => {
    const before = await holding(readModel('shaped', { k: text().key(), a: text(), b: bigint() }).definition, [{ k: '1', a: 'x', b: 2n }]);
    const columns = readModel('shaped', { k: text().key(), b: text(), c: text() }).definition;
    const to = { ...(await holding(columns, [{ k: '1', b: 'y', c: 'z' }])), model: before.model };
    await showGenerations(clickhouse, [{ to: before }], 'forward', false);
    const view = qualified(before.viewSchema, before.model);
    const wanted = [{ from: before, to }];
    await expect(showGenerations(clickhouse, wanted, 'forward', false)).rejects.toMatchObject({
      code: 'cutover.incompatible-columns',
      facts: { columns: ['a: missing', 'b: Int64 -> String'], clients: ['queries that name a: unknown identifier (47)'] },
    });
    await clickhouse.command(`CREATE VIEW ${qualified(before.viewSchema, 'over')} AS SELECT k FROM ${view}`);
    await expect(showGenerations(clickhouse, wanted, 'forward', true)).rejects.toMatchObject({
      code: 'cutover.dependents',
      facts: { dependents: [`view ${before.viewSchema}.over`] },
    });
    await clickhouse.command(`DROP VIEW ${qualified(before.viewSchema, 'over')}`);
    await showGenerations(clickhouse, wanted, 'forward', true);
    expect(await clickhouse.rows(`SELECT * FROM ${view}`)).toEqual([['1', 'y', 'z']]);
  });

  it('compares integers with decimals that could not hold them', async () => {
    const [most] = [2n ** 63n - 1n];
    const before = await holding(readModel('n', { k: text().key(), n: bigint(), m: bigint().nullable() }).definition, [{ k: '1', n: most, m: null }]);
    const after = await holding(readModel('n', { k: text().key(), n: decimal(12, 2), m: decimal(12, 2).nullable() }).definition, [
      { k: '1', n: Decimal.parse('5.00'), m: null },
    ]);
    const diff = await diffCopies(clickhouse, { from: before, to: after }, { from: before.table, to: after.table }, { samples: 5 });
    expect(diff).toMatchObject({ changed: 1, changedByColumn: { n: 1 } });
    expect(diff.samples[0]!.changes).toEqual([{ column: 'n', before: String(most), after: '5' }]);
  });

  it('compares what is equal in another form, and tells null from empty text', async () => {
    const row = { k: '1', j: { a: 1, b: [null] }, t: null, d: Decimal.parse('1.50'), l: ['a', 'b,c'], n: 7 };
    const before = await holding(
      readModel('c', { k: text().key(), j: json(), t: text().nullable(), d: decimal(12, 2), l: array(text()), n: integer() }).definition,
      [row, { ...row, k: '2' }, { ...row, k: '3' }],
    );
    const wider = readModel('c', { k: text().key(), j: json(), t: text().nullable(), d: decimal(14, 4), l: array(text()), n: bigint() }).definition;
    const after = (changes: object): Promise<Generation> =>
      holding(
        wider,
        [row, { ...row, k: '2', ...changes }, { ...row, k: '3' }].map((one) => ({ ...one, n: BigInt(one.n), d: Decimal.parse(`${String(one.d)}00`) })),
      );
    const diff = async (changes: object): Promise<object> => {
      const to = await after(changes);
      return diffCopies(clickhouse, { from: before, to }, { from: before.table, to: to.table }, { samples: 5 });
    };
    expect(await diff({})).toMatchObject({ rows: { before: 3, after: 3 }, changed: 0, onlyBefore: 0, onlyAfter: 0 });
    expect(await diff({ t: '' })).toMatchObject({ changed: 1, changedByColumn: { t: 1 } });
    expect(await diff({ l: ['a', 'b', 'c'] })).toMatchObject({ changed: 1, changedByColumn: { l: 1 } });
    expect(await diff({ d: Decimal.parse('1.51'), n: 8 })).toMatchObject({ changed: 1, changedByColumn: { d: 1, n: 1 } });
    const near = await after({ d: Decimal.parse('1.60') });
    const tolerant = await diffCopies(clickhouse, { from: before, to: near }, { from: before.table, to: near.table }, { samples: 5, tolerances: { d: 0.1 } });
    expect(tolerant).toMatchObject({ changed: 0, tolerated: 1 });
  });

  it('compares doubles to the last bit, and within a tolerance, beside exact numbers too', async () => {
    const model = readModel('f', { k: text().key(), f: double(), m: double().nullable() }).definition;
    const before = await holding(model, [
      { k: '1', f: 0.1, m: 1 },
      { k: '2', f: 1e300, m: 1 },
      { k: '3', f: 0.30000000000000004, m: null },
    ]);
    const after = await holding(readModel('f', { k: text().key(), f: double(), m: decimal(12, 3).nullable() }).definition, [
      { k: '1', f: 0.2, m: Decimal.parse('1.001') },
      { k: '2', f: 1e300, m: Decimal.parse('1.500') },
      { k: '3', f: 0.3, m: null },
    ]);
    const diff = (tolerances: Readonly<Record<string, number>>): Promise<object> =>
      diffCopies(clickhouse, { from: before, to: after }, { from: before.table, to: after.table }, { samples: 5, tolerances });
    expect(await diff({})).toMatchObject({ changed: 3, changedByColumn: { f: 2, m: 2 } });
    expect(await diff({ f: 0.1, m: 0.01 })).toMatchObject({ changed: 1, tolerated: 2, changedByColumn: { m: 1 } });
  });

  it('shows no sum that its type cannot hold, and never another number', async () => {
    const most = Decimal.parse('99999999999999999999.000000000000000000');
    const model = readModel('s', { k: text().key(), total: sum(decimal(38, 18)) }).definition;
    const half = await holding(model, [{ k: '1', total: most }]);
    expect(await rowsOf(half)).toEqual([{ k: '1', total: most }]);
    const whole = await holding(model, [
      { k: '1', total: most },
      { k: '1', total: most },
    ]);
    await expect(clickhouse.rows(`SELECT total FROM ${qualified(analytics.database, whole.table)}`)).rejects.toMatchObject({
      code: 'store.failed',
      facts: { type: 'DECIMAL_OVERFLOW' },
    });
  });
});
