import { integer, text } from '../../../src/projections/columns';
import { Sums } from '../../../src/projections/adapters/clickhouse/sums';
import { readModel } from '../../../src/projections/read-model';

const { columns } = readModel('m', { k: text().key(), n: integer() }).definition;

describe('remembered sums', () => {
  it('are what was set last', () => {
    const sums = new Sums(columns);
    sums.set('a', { k: 'a', n: 1 });
    sums.set('a', { k: 'a', n: 2 });
    expect([sums.get('a'), sums.get('b')]).toEqual([{ k: 'a', n: 2 }, undefined]);
  });

  it('are forgotten beyond the limit, those that were set long ago first', () => {
    const sums = new Sums(columns);
    const ids = Array.from({ length: 1_000 }, (_, i) => `id${String(i)}`);
    ids.forEach((id, n) => sums.set(id, { k: id, n }));
    sums.set('id0', { k: 'id0', n: -1 });
    sums.trim(100_000);
    const left = ids.filter((id) => sums.get(id) !== undefined);
    expect(left.length).toBeGreaterThan(100);
    expect(left.length).toBeLessThan(500);
    expect(left).toEqual(['id0', ...ids.slice(-(left.length - 1))]);
    sums.trim(0);
    expect(ids.some((id) => sums.get(id) !== undefined)).toBe(false);
  });
});
