import fc from 'fast-check';
import { partitionId } from '../../../src/events/position';
import { BatchRows, Written } from '../../../src/projections/adapters/clickhouse/batch-rows';
import { byPartition, evidenceOf, versionOf } from '../../../src/projections/adapters/clickhouse/rows';
import { readModel } from '../../../src/projections/read-model';
import type { BatchCommit, Merge } from '../../../src/projections/read-model-store';
import { count, integer, text, windowEnd, windowStart } from '../../../src/projections/columns';

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

  it('is the same one of several partials with one offset, in whatever order they come', () => {
    const ids = ['a', 'b', 'c', 'd'];
    const partial = (id: string) => ({ ...row(id, 0, 7), id });
    fc.assert(
      fc.property(fc.shuffledSubarray(ids, { minLength: 4 }), (order) => {
        const written = new Written();
        written.note({ ...row('earlier', 0, 6), id: '0' });
        order.forEach((id) => {
          written.note(partial(id));
        });
        expect(written.newest({ topic: 't', partition: 0 })?.id).toBe('a');
      }),
    );
  });
});

describe('the partials of a batch', () => {
  const HOUR = 3_600_000;
  const { columns: hourly } = readModel('hourly', { customer: text().key(), from: windowStart(), to: windowEnd(), n: count() }).definition;
  const merge = (customer: string, partition: number, hour: number, isStored = false): Merge => ({
    stamp: { topic: 't', partition, offset: hour },
    group: { customer },
    window: { start: hour * HOUR, end: (hour + 1) * HOUR },
    measures: { n: 1n },
    isStored,
    id: `${String(partition)} ${customer} ${String(hour)}`,
  });
  const advance = (partition: number, hour: number): BatchCommit['advances'][number] =>
    ({ topic: 't', partition, from: 0, next: 1_000, epoch: 1, streamTime: hour * HOUR }) as BatchCommit['advances'][number];
  const kept = (merges: readonly Merge[], advances: BatchCommit['advances']): readonly (readonly string[])[] => {
    const written = new Written();
    const epochs = new Map(advances.map((one) => [partitionId(one), 1]));
    new BatchRows(hourly).of({ advances, upserts: [], deletes: [], merges, late: [], parked: [] }, epochs, new Map(), (one) => {
      written.note(one);
    });
    return advances.map((one) => [...written.addedTo(one).keys()]);
  };

  it('are remembered as long as their windows fill, of each partition by its own stream time', () => {
    const merges = [merge('ann', 0, 2), merge('ann', 0, 4), merge('bob', 0, 5), merge('cid', 1, 100), merge('dan', 1, 98)];
    expect(kept(merges, [advance(0, 5.5), advance(1, 100.5)])).toEqual([['0 ann 4', '0 bob 5'], ['1 cid 100']]);
  });

  it('are remembered where they were added to once more', () => {
    expect(kept([merge('ann', 0, 2), merge('bob', 0, 3, true)], [advance(0, 50)])).toEqual([['0 bob 3']]);
  });
});
