import fc from 'fast-check';
import { Written } from '../../../src/projections/adapters/clickhouse/batch-rows';
import { byPartition, evidenceOf, versionOf } from '../../../src/projections/adapters/clickhouse/rows';
import { readModel } from '../../../src/projections/read-model';
import { integer, text } from '../../../src/projections/columns';

const epochs = fc.integer({ min: 0, max: 2 ** 31 });
const offsets = fc.nat({ max: Number.MAX_SAFE_INTEGER - 1 });
const { columns } = readModel('orders', { order_id: text().key(), amount: integer() }).definition;

describe('versions of rows in ClickHouse', () => {
  it('put a later owner above a former one, whatever their offsets', () => {
    fc.assert(fc.property(epochs, offsets, offsets, (epoch, a, b) => versionOf(epoch + 1, a) > versionOf(epoch, b)));
  });

  it('put the later offset of one owner above the former, with room for corrections between them', () => {
    fc.assert(fc.property(epochs, offsets, (epoch, offset) => versionOf(epoch, offset + 1) - versionOf(epoch, offset) === 2n ** 32n));
  });

  it('fit into 128 bits', () => {
    expect(versionOf(2 ** 31, Number.MAX_SAFE_INTEGER) < 2n ** 128n).toBe(true);
  });
});

describe('the evidence of a block', () => {
  const row = (id: string, partition: number, offset: number) => ({
    values: { order_id: id, amount: 1 },
    stamp: { topic: 't', partition, offset },
    epoch: 1,
    deleted: false,
  });

  it('is the newest of its rows, wherever it stands; none without rows', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(1_000), { minLength: 1 }), (given) => {
        const newest = Math.max(...given);
        const evidence = { identity: [`o${String(newest)}`], version: versionOf(1, newest).toString() };
        const written = new Written();
        given.forEach((offset) => {
          written.note(row(`o${String(offset)}`, 0, offset));
          written.note(row('other', 1, 2_000));
        });
        expect(evidenceOf(columns, written.newest({ topic: 't', partition: 0 }))).toEqual(evidence);
      }),
    );
    expect(evidenceOf(columns, new Written().newest({ topic: 't', partition: 0 }))).toBeNull();
  });

  it('is taken per partition', () => {
    const rows = [row('a', 0, 5), row('b', 1, 3), row('c', 0, 7)];
    expect([...byPartition(rows, ({ stamp }) => stamp)].map(([id, own]) => [id, own.map(({ values }) => values.order_id)])).toEqual([
      ['t/0', ['a', 'c']],
      ['t/1', ['b']],
    ]);
  });
});
