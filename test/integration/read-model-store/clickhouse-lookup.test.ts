import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { qualified } from '../../../src/platform/clickhouse/quote';
import { StoredRows } from '../../../src/projections/adapters/clickhouse/stored-rows';
import { createTables, writtenTables } from '../../../src/projections/adapters/clickhouse/table';
import { count, integer, sum, text, windowEnd, windowStart } from '../../../src/projections/columns';
import type { Generation } from '../../../src/projections/generations';
import type { Publication } from '../../../src/projections/publication';
import { readModel, type ReadModelDefinition } from '../../../src/projections/read-model';
import { showGenerations } from '../../../src/replay/adapters/clickhouse/views';
import { blockOf } from '../../support/clickhouse-block';
import { describeWithClickHouse, freshClickHouse, type TestClickHouse } from '../../support/services';

type Version = Readonly<{ values: Readonly<Record<string, unknown>>; partition?: number; offset: number; deleted?: boolean }>;

const ORDERS = readModel('orders', { order_id: text().key(), status: text() }).definition;
const SPENT = readModel('spent', {
  customer: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  n: count(),
  total: sum(integer()),
}).definition;
const HOUR = 3_600_000;
const spent = (customer: string, hour: number, total: number): Version['values'] => ({
  ...{ customer, window_start: new Date(hour * HOUR), window_end: new Date((hour + 1) * HOUR), n: 1n, total: BigInt(total) },
});

describeWithClickHouse('look-ups in ClickHouse', () => {
  let analytics: TestClickHouse;
  let clickhouse: ClickHouse;
  let made = 0;
  beforeAll(async () => {
    analytics = await freshClickHouse('lookup');
    clickhouse = new ClickHouse({ url: analytics.url });
  });
  afterAll(async () => {
    await clickhouse.close();
    await analytics.drop();
  });

  /** A generation that readers see; each version lies in a part of its own. */
  const showing = async (model: ReadModelDefinition, versions: readonly Version[], publication?: Publication): Promise<Generation> => {
    made += 1;
    const generation = {
      ...{ id: made, app: 'shop', projection: 'p', store: 'clickhouse', version: made, run: 1, createdAt: made, model: model.name },
      ...{ viewSchema: analytics.database, table: `${model.name}__v${String(made)}_r1`, storage: model.mergeable ? 'partials' : 'rows' },
      ...{ columns: model.columns, publication },
    } as unknown as Generation;
    for (const statement of createTables(generation)) {
      await clickhouse.command(statement);
    }
    const stored = new StoredRows(clickhouse, writtenTables(generation)[0]);
    for (const { values, partition = 0, offset, deleted = false } of versions) {
      await stored.insert(blockOf(stored, [{ values, stamp: { topic: 't', partition, offset }, epoch: 1, deleted }]), `${String(partition)}-${String(offset)}`);
    }
    await showGenerations(clickhouse, [{ to: generation }], 'forward', false);
    return generation;
  };
  const view = ({ viewSchema, model }: Generation): string => qualified(viewSchema, model);
  /** What is tested while rows are read, before their versions are compared. */
  const testedFirst = async (generation: Generation, where: string): Promise<string> => {
    const lines = await clickhouse.rows(`EXPLAIN actions = 1 SELECT * FROM ${view(generation)} WHERE ${where}`);
    return lines
      .map(([line]) => String(line))
      .filter((line) => line.includes('Prewhere filter column'))
      .join('\n');
  };

  it('test keys before versions are compared, and other columns after', async () => {
    const orders = await showing(ORDERS, [
      { values: { order_id: 'a', status: 'open' }, offset: 1 },
      { values: { order_id: 'a', status: 'paid' }, offset: 2 },
      { values: { order_id: 'b', status: 'open' }, offset: 3 },
      { values: { order_id: 'b' }, offset: 4, deleted: true },
    ]);
    expect(await testedFirst(orders, "order_id = 'a'")).toContain('order_id');
    const tested = await testedFirst(orders, "order_id = 'a' AND status = 'open'");
    expect(tested).toContain('order_id');
    expect(tested).not.toMatch(/status|_deleted/);
    const found = (where: string): Promise<readonly unknown[]> => clickhouse.rows(`SELECT * FROM ${view(orders)} WHERE ${where}`);
    expect(await found("order_id = 'a'")).toEqual([['a', 'paid']]);
    expect(await found("order_id = 'a' AND status = 'open'")).toEqual([]);
    expect(await found("status = 'open'")).toEqual([]);
    expect(await found("order_id = 'b'")).toEqual([]);
  });

  it('reach the partials of a group and window, also where readers see a part of them', async () => {
    const where = `customer = 'c' AND window_start = toDateTime64('1970-01-01 01:00:00', 3, 'UTC')`;
    const versions = [
      { values: spent('c', 1, 5), partition: 0, offset: 1 },
      { values: spent('c', 1, 9), partition: 0, offset: 2 }, // instead of the 5
      { values: spent('c', 1, 20), partition: 1, offset: 1 },
      { values: spent('c', 2, 100), partition: 1, offset: 2 },
      { values: spent('d', 1, 100), partition: 1, offset: 3 },
    ];
    const publication: Publication = { having: [{ column: 'total', is: '>=', value: '29' }] };
    for (const generation of [await showing(SPENT, versions), await showing(SPENT, versions, publication)]) {
      expect(await testedFirst(generation, where)).toMatch(/customer.*window_start/);
      expect(await clickhouse.rows(`SELECT n, total FROM ${view(generation)} WHERE ${where}`)).toEqual([['2', '29']]);
      expect(await clickhouse.rows(`SELECT n, total FROM ${view(generation)} WHERE ${where} AND total < 29`)).toEqual([]);
    }
  });

  it('are analysed through one view alone, which goes on when a former generation is removed', async () => {
    const former = await showing(ORDERS, [{ values: { order_id: 'a', status: 'open' }, offset: 1 }]);
    const generation = await showing(ORDERS, [{ values: { order_id: 'a', status: 'paid' }, offset: 1 }]);
    const [said] = await clickhouse.rows('SELECT as_select FROM system.tables WHERE database = {database:String} AND name = {name:String}', {
      database: generation.viewSchema,
      name: generation.model,
    });
    expect(String(said![0])).toContain(`${generation.table}_rows`);
    expect(String(said![0])).not.toMatch(new RegExp(`${generation.table}(?!_rows)`));
    await clickhouse.command(`DROP VIEW ${qualified(former.viewSchema, former.table)}`);
    await clickhouse.command(`DROP TABLE ${qualified(former.viewSchema, `${former.table}_rows`)} SYNC`);
    expect(await clickhouse.rows(`SELECT * FROM ${view(generation)}`)).toEqual([['a', 'paid']]);
  });
});
